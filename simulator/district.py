"""Generates a whole district into a folder: what its systems would export, what its apps would send, and the truth."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import yaml

from cairn.errors import UsageError
from simulator.fact_files import write_facts
from simulator.faults import make_lines, uuids
from simulator.outcomes import simulate_outcomes, write_outcomes
from simulator.pilot_design import DrawSchools, PilotTruth, design_pilots, draw_uniformly, need_room
from simulator.pilot_kinds import FIRST_TWO, VOLUNTEERS_AHEAD_SD, volunteering_schools
from simulator.plan_files import write_plans
from simulator.pupil_work import simulate_work
from simulator.roster_files import write_framework, write_roster
from simulator.statements import write_activity
from simulator.truth_files import write_truth
from simulator.world import SOURCES, World, build_world


def generate(
    out: Path,
    schools: int,
    students: int,
    days: int,
    seed: int,
    on_progress: Callable[[str, int, int], None] | None = None,
    last_date: date | None = None,
    pilots: int = len(FIRST_TWO),
    draw: DrawSchools = draw_uniformly,
    activity: float = 1.0,
) -> dict[str, int]:
    """Write the district under ``out``; the same arguments give the same bytes.

    ``days`` counts school days from the start of the year 2026-27, or of one moved so that they end with the last
    school day up to ``last_date``. ``pilots`` is 2 (as many as the size holds) or all 6; of the latter four, those that
    are drawn are drawn by ``draw``. ``activity`` is how often pupils open their apps (1: as in the demo). Returns how
    many ``students``, ``events`` (lines of activity to send, faults included) and ``pilots`` there are. Raises
    UsageError for sizes that make no district, and where ``out`` already holds something. The folder appears when all
    of it is written.
    """
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out}: the folder is not empty; give --out a new one")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)  # what an interrupted run left behind
    need_room(pilots, schools, days)
    ahead = dict.fromkeys(volunteering_schools(pilots), VOLUNTEERS_AHEAD_SD)
    world = build_world(schools, students, days, seed, last_date, ahead)
    result = _generate(partial, world, design_pilots(world, seed, pilots, draw), seed, on_progress, activity)
    partial.replace(out)
    return result


def _generate(
    out: Path,
    world: World,
    pilots: list[PilotTruth],
    seed: int,
    on_progress: Callable[[str, int, int], None] | None,
    activity: float,
) -> dict[str, int]:
    out.mkdir(parents=True)
    write_roster(world, out / "roster", seed)
    write_framework(world, out)
    _write_configuration(world, out)
    work = simulate_work(world, pilots, seed, on_progress, activity)
    outcomes = simulate_outcomes(world, work, pilots, seed)
    write_outcomes(world, outcomes, out)
    write_facts(world, work, pilots, out, seed)
    write_plans(world, pilots, out)
    lines = make_lines(world, work, seed)
    sessions = uuids(int(work.session.max(initial=0)) + 1, np.random.default_rng(np.random.SeedSequence([seed, 9])))
    write_activity(world, work, lines, sessions, out, on_progress)
    write_truth(world, work, lines, pilots, outcomes, out)
    return {"students": len(world.students), "events": len(lines), "pilots": len(pilots)}


def _write_configuration(world: World, out: Path) -> None:
    """``calendar.yaml``, and ``sources.yaml``: who sends what for which schools."""
    (out / "calendar.yaml").write_text(yaml.safe_dump(world.dates.configuration(), sort_keys=False), encoding="utf-8")
    sources = [
        {
            "source_id": source.source_id,
            "schools": [world.school_ids[s] for s in world.schools_of(index)],
            "format": source.format,
            "mode": "partial",  # their faults are to be told one by one (docs/decisions/0028)
        }
        for index, source in enumerate(SOURCES)
        if world.schools_of(index)
    ]
    (out / "sources.yaml").write_text(yaml.safe_dump({"sources": sources}, sort_keys=False), encoding="utf-8")
