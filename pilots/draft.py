"""A plan before the draw: which schools, in which blocks, how many of each get the change, and what is to be balanced.

A draft is a plan without arms or a seed, or with arms that only say which schools and how many.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cairn.errors import CairnError
from cairn.grades import grade_key
from pilots.allocation_sets import Block, blocks_of_like
from pilots.known import nearest
from pilots.order_sets import WaveBlock
from pilots.plan_form import form_problems
from pilots.plan_rules import subject_of
from pilots.plan_yaml import KeyPath, line_of, read_yaml

# The parts of a plan that a draw reads; they have to have the plan's form.
READ = tuple(
    ("analysis", part) for part in ("assignment", "arms", "baseline", "grades", "subject", "waves", "wave_starts")
)


@dataclass(frozen=True)
class Draft:
    """Schools by id, sorted; ``blocks`` hold their positions. ``measure`` is the plan's baseline, None where it names
    none; ``grades`` the pupils it is about as they are compared (5 for 05), empty for all. ``wave_blocks`` are the
    blocks with the size of each wave, empty where all start together."""

    pilot_id: str
    schools: tuple[str, ...]
    blocks: tuple[Block, ...]
    has_blocks: bool
    balance_on: tuple[str, ...]
    seed: int | None
    assigned_on: str | None
    assessment: str | None
    measure: str | None
    subject: str | None
    grades: tuple[str, ...]
    wave_blocks: tuple[WaveBlock, ...] = ()

    @property
    def design_hash(self) -> str:
        """SHA-256 of pilot, schools, blocks and numbers of treated (of each wave): what a draw is a draw of."""
        waves = [block.sizes for block in self.wave_blocks]
        told = [
            (sorted(self.schools[i] for i in block.schools), block.treated, *waves[number : number + 1])
            for number, block in enumerate(self.blocks)
        ]
        text = json.dumps(
            [self.pilot_id, self.schools, sorted(told, key=lambda block: block[0])], separators=(",", ":")
        )
        return hashlib.sha256(text.encode()).hexdigest()


def read_draft(path: Path, treated: int | None = None, known_schools: Collection[str] | None = None) -> Draft:
    """The draft in a plan's file; ``treated`` schools get the change where it is given (without blocks).

    Raises CairnError with file and line where schools are missing, unknown or twice, or schools are not to be drawn.
    """
    raw, lines = read_yaml(path)
    try:
        return _draft(raw, treated, known_schools)
    except _Problem as problem:
        raise CairnError(f"{path}:{line_of(problem.at, lines)}: {problem}") from problem


def in_blocks(draft: Draft, values: NDArray[np.float64], number: int) -> Draft:
    """The draft with ``number`` blocks of schools alike in ``values``, each with its share of those treated.

    Raises CairnError where it has blocks already, or where the schools treated cannot be shared out evenly.
    """
    if draft.has_blocks:
        raise CairnError(f"the plan of {draft.pilot_id!r} names blocks already: leave --blocks out, or take them out")
    groups = blocks_of_like(values, number)
    treated = sum(block.treated for block in draft.blocks)
    if any(treated * len(group) % len(draft.schools) for group in groups):
        raise CairnError(
            f"{treated} of {len(draft.schools)} schools cannot be shared out over {number} blocks evenly: take a number"
            " of blocks that divides both, so that every school has the same chance"
        )
    blocks = tuple(Block(group, treated * len(group) // len(draft.schools)) for group in groups)
    waves = _dealt(blocks, len(draft.wave_blocks[0].sizes) - 1) if draft.wave_blocks else ()
    return replace(draft, blocks=blocks, has_blocks=True, wave_blocks=waves)


class _Problem(Exception):
    """What is wrong, and at which key of the plan."""

    def __init__(self, at: KeyPath, message: str) -> None:
        super().__init__(message)
        self.at = at


def _draft(raw: object, treated: int | None, known_schools: Collection[str] | None) -> Draft:
    analysis = raw.get("analysis") if isinstance(raw, dict) else None
    if not isinstance(raw, dict) or not isinstance(analysis, dict) or not isinstance(raw.get("pilot_id"), str):
        raise _Problem((), "a plan needs pilot_id and analysis; see schemas/pilots/plan.schema.json")
    assignment = analysis.get("assignment")
    if not isinstance(assignment, dict) or assignment.get("method") != "random":
        message = "schools are drawn only where assignment.method is random; volunteers and chosen are not"
        raise _Problem(("analysis", "assignment", "method"), message)
    for at, message in form_problems(raw):
        # A draft may lack what the draw fills in, and all that the draw does not read.
        if at[:2] in READ or at == ("pilot_id",):
            raise _Problem(at, message)
    arms, named = analysis.get("arms"), assignment.get("blocks") or []
    schools = _schools(arms, named, known_schools)
    blocks = _blocks(schools, arms, named, treated)
    baseline = analysis.get("baseline") or {}
    return Draft(
        pilot_id=raw["pilot_id"],
        schools=schools,
        blocks=blocks,
        has_blocks=bool(named),
        balance_on=tuple(str(name) for name in assignment.get("balance_on") or ()),
        seed=assignment.get("seed"),
        assigned_on=assignment.get("assigned_on"),
        assessment=_text(baseline, "assessment"),
        measure=_text(baseline, "measure"),
        subject=subject_of({"baseline": {}} | analysis, "baseline"),
        grades=tuple(grade_key(grade) for grade in analysis.get("grades") or ()),
        wave_blocks=_wave_blocks(schools, blocks, analysis, treated),
    )


def _wave_blocks(
    schools: tuple[str, ...], blocks: tuple[Block, ...], analysis: dict[str, Any], treated: int | None
) -> tuple[WaveBlock, ...]:
    """The blocks with the sizes of the plan's waves: as in its ``waves`` where it has arms and names any, else as alike
    as they can be, earlier waves larger. Empty where all schools start together."""
    named, starts = analysis.get("waves") or {}, analysis.get("wave_starts") or ()
    arms = analysis.get("arms")
    chosen = {str(school) for school in arms.get("treatment") or ()} if isinstance(arms, dict) else set()
    waves = max([len(starts), *(int(named[school]) for school in named if school in chosen)], default=1)
    if waves < 2:
        return ()
    at: KeyPath = ("analysis", "waves") if named else ("analysis", "wave_starts")
    if starts and len(starts) != waves:
        raise _Problem(at, f"{len(starts)} first days for {waves} waves: give each wave one, in their order")
    if named and chosen and treated is None:
        groups = [
            [0 if (one := schools[i]) not in chosen else int(named.get(one, 1)) for i in b.schools] for b in blocks
        ]
        found = tuple(
            WaveBlock(block.schools, tuple(group.count(wave) for wave in range(waves + 1)))
            for block, group in zip(blocks, groups, strict=True)
        )
    else:
        found = _dealt(blocks, waves)
    for wave in range(1, waves + 1):
        if not any(block.sizes[wave] for block in found):
            raise _Problem(at, f"no school would start in wave {wave}: each wave needs one")
    return found


def _dealt(blocks: tuple[Block, ...], waves: int) -> tuple[WaveBlock, ...]:
    """Sizes of the waves as alike as they can be: treated places are dealt wave by wave, on from block to block."""
    found, next_wave = [], 0
    for block in blocks:
        sizes = [len(block.schools) - block.treated] + [0] * waves
        for _ in range(block.treated):
            sizes[1 + next_wave] += 1
            next_wave = (next_wave + 1) % waves
        found.append(WaveBlock(block.schools, tuple(sizes)))
    return tuple(found)


def _schools(arms: Any, named: Any, known_schools: Collection[str] | None) -> tuple[str, ...]:
    """The schools of the draft, sorted: those of its arms, else those of its blocks."""
    at: KeyPath = ("analysis", "arms") if arms else ("analysis", "assignment", "blocks")
    groups = [*arms.values()] if isinstance(arms, dict) else named
    if not groups or not all(isinstance(group, list) for group in groups):
        raise _Problem(at, "name the schools to draw: in arms, as they come, or in assignment.blocks")
    listed = [str(school) for group in groups for school in group]
    if twice := sorted({school for school in listed if listed.count(school) > 1}):
        raise _Problem(at, f"{', '.join(twice)} named twice; a school is drawn once")
    for school in listed if known_schools is not None else ():
        if known_schools is not None and school not in known_schools:
            hint = nearest(school, known_schools, "load the roster first, or mend the id")
            raise _Problem(at, f"no school {school!r} in the roster; {hint}")
    if named and sorted(str(school) for block in named for school in block) != sorted(listed):
        message = "the blocks must hold each school of both arms exactly once"
        raise _Problem(("analysis", "assignment", "blocks"), message)
    return tuple(sorted(listed))


def _blocks(schools: tuple[str, ...], arms: Any, named: Any, treated: int | None) -> tuple[Block, ...]:
    """The blocks with how many of each get the change: as told, else as in the arms of the draft, else half."""
    at: KeyPath = ("analysis", "assignment", "blocks") if named else ("analysis", "arms")
    if treated is not None and named:
        raise _Problem(at, "--treated with blocks: say how many by the arms of the draft")
    position = {school: number for number, school in enumerate(schools)}
    groups = [tuple(sorted(position[str(school)] for school in block)) for block in named] or [tuple(position.values())]
    chosen = {str(school) for school in arms.get("treatment") or ()} if isinstance(arms, dict) else None
    found = []
    for group in groups:
        count = len(group) // 2 if chosen is None else sum(schools[i] in chosen for i in group)
        block = Block(group, count if treated is None else treated)
        if not 0 < block.treated < len(group):
            inside = ", ".join(schools[i] for i in group)
            message = f"{block.treated} of {len(group)} schools ({inside}) would get the change: leave one for each arm"
            raise _Problem(at, message)
        found.append(block)
    return tuple(found)


def _text(part: dict[str, Any], key: str) -> str | None:
    value = part.get(key)
    return None if value is None else str(value)
