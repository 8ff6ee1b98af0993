"""``cairn pilots power`` and ``assign``: before anything is launched."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import JsonOption, emit, say
from cli.numbers import finite

if TYPE_CHECKING:
    from pilots.assignment import Draw
    from pilots.chances import DecisionChances
    from pilots.cheapest import Change
    from pilots.plan import Plan

app = typer.Typer()

SEED = 20261127


@app.command()
def power(
    treated_schools: Annotated[int | None, typer.Option(min=1, help="Schools with the change.")] = None,
    comparison_schools: Annotated[int | None, typer.Option(min=1, help="Schools without it.")] = None,
    pupils_per_school: Annotated[float | None, typer.Option(min=1, help="Pupils measured in each school.")] = None,
    icc: Annotated[float | None, typer.Option(min=0, max=1, help="Share of variance between schools.")] = None,
    r2: Annotated[float | None, typer.Option(min=0, max=0.99, help="Variance that the pretest explains.")] = None,
    r2_pupil: Annotated[float | None, typer.Option(min=0, max=0.99, help="The same within schools; r2.")] = None,
    alpha: Annotated[float, typer.Option(min=0.001, max=0.5, help="Level of the test.")] = 0.05,
    power_wanted: Annotated[float, typer.Option("--power", min=0.5, max=0.99, help="Power wanted.")] = 0.80,
    plan: Annotated[
        Path | None, typer.Option(help="Read the design from this plan; options given win over it.")
    ] = None,
    blocks: Annotated[int | None, typer.Option(min=1, help="Groups of schools drawn apart.")] = None,
    r2_blocks: Annotated[float, typer.Option(min=0, max=0.99, help="Variance between schools they explain.")] = 0.0,
    school_covariates: Annotated[
        int | None,
        typer.Option(min=0, help="What schools are adjusted for, each a degree of freedom; a plan's pretest."),
    ] = None,
    waves: Annotated[int | None, typer.Option(min=1, help="Waves in which treated schools begin.")] = None,
    volunteers: Annotated[bool, typer.Option("--volunteers", help="Schools are not drawn at random.")] = False,
    smallest_effect: Annotated[float | None, typer.Option(min=0.01, max=1, help="Smallest that matters, SD.")] = None,
    effect_to_find: Annotated[float | None, typer.Option(min=0.01, max=2, help="In SD; twice the smallest.")] = None,
    prior_sd: Annotated[float | None, typer.Option(min=0.01, max=1, help="SD of effects before the data.")] = None,
    runs: Annotated[int, typer.Option(min=0, max=20000, help="Simulated pilots for each effect; 0: none.")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulation.")] = SEED,
    cost_school: Annotated[float | None, typer.Option(min=0, help="Price of one more school.")] = None,
    cost_pupil: Annotated[float, typer.Option(min=0, help="Price of one more pupil measured.")] = 0.0,
    cost_pretest: Annotated[float, typer.Option(min=0, help="Price of a pretest, a pupil.")] = 0.0,
    cost_blocks: Annotated[float, typer.Option(min=0, help="Price of making blocks.")] = 0.0,
    most_pupils: Annotated[float | None, typer.Option(min=1, help="Most pupils a school could be measured on.")] = None,
    pretest_r2: Annotated[float, typer.Option(min=0, max=0.99, help="What a pretest would explain; 0: none.")] = 0.70,
    most_blocks: Annotated[int, typer.Option(min=1, help="Most blocks that could be made.")] = 1,
    gain_blocks: Annotated[float, typer.Option(min=0, max=0.99, help="What they would explain.")] = 0.30,
    page: Annotated[Path | None, typer.Option(help="Write a page with pictures there, as one HTML file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Can this design ever tell? What it detects, the smallest p, what would be decided, and the cheapest change.

    Example: cairn pilots power --treated-schools 10 --comparison-schools 10 --pupils-per-school 60 --icc 0.2 --r2 0.7
    """
    from pilots.chances import decision_chances
    from pilots.cheapest import Costs, Limits, cheapest
    from pilots.plan import load_plan
    from pilots.power import Design, advice, by_wave, in_waves
    from pilots.power_page import PowerReport, write_page

    finite(locals())
    given = load_plan(plan) if plan is not None else None
    told = _from_plan(given) if given else {}
    r2_school = _first(r2, told.get("r2"), 0.0)
    design = Design(
        treated_schools=int(_needed("--treated-schools", treated_schools, told.get("treated_schools"))),
        comparison_schools=int(_needed("--comparison-schools", comparison_schools, told.get("comparison_schools"))),
        pupils_per_school=_needed("--pupils-per-school", pupils_per_school, _pupils_of(given)),
        icc=_needed("--icc", icc, told.get("icc")),
        r2_school=r2_school,
        r2_pupil=_first(r2_pupil, r2_school),
        blocks=int(_first(blocks, told.get("blocks"), 1)),
        r2_blocks=r2_blocks,
        covariates=int(_first(school_covariates, told.get("covariates"), 0)),
        alpha=alpha,
        power=power_wanted,
        is_random=not volunteers and (given is None or given.is_random),
    )
    c = _first(smallest_effect, told.get("smallest_effect"), 0.10)
    effect = _first(effect_to_find, 2 * c)
    change = cheapest(
        design,
        effect,
        Costs(cost_school, cost_pupil, cost_pretest, cost_blocks),
        Limits(_first(most_pupils, design.pupils_per_school), pretest_r2 or None, most_blocks, gain_blocks),
    )
    before = _first(prior_sd, told.get("prior_sd"), 0.20)
    by = given.decides_by if given else None
    chances = decision_chances(design, (0.0, c, 2 * c), c, before, runs, seed, by)
    sizes = _wave_sizes(given) if given and waves is None and treated_schools is None else None
    steps = by_wave(design, int(_first(waves, len(sizes) if sizes else None, 1)), sizes)
    possible = _possible_orders(given) if given and sizes else None
    waved = in_waves(design, steps, effect, possible)
    result = {
        "mdes": design.mdes,
        "smallest_p": design.smallest_p,
        "advice": advice(design, effect, change.in_words() if change else None),
        "verdict": design.verdict(effect),
        "effect_to_find": effect,
        "power_at_effect": design.power_at(effect),
        "df": design.df,
        "decisions": [asdict(one) for one in chances],
        "cheapest_change": _change_told(change) if change else None,
        "waves": [asdict(step) for step in steps],
        "in_waves": asdict(waved) if waved else None,
        "seed": seed,
    }
    if page is not None:
        title = given.title if given else f"{design.treated_schools} schools with the change"
        report = PowerReport(title, design, effect, c, chances, steps, change, pretest_r2 or None, seed, possible)
        write_page(page, report)
        say(f"The page is in {page}.")
    emit(result, as_json, lambda r: _power_text(r, chances))


def _first(*given: float | None) -> float:
    """The first that was given."""
    return next(one for one in given if one is not None)


def _needed(option: str, *given: float | None) -> float:
    """The first that was given. Raises UsageError where none was."""
    from cairn.errors import UsageError

    if all(one is None for one in given):
        raise UsageError(f"{option} is missing: give it, or a plan that tells it with --plan")
    return _first(*given)


def _from_plan(plan: Plan) -> dict[str, float]:
    """What a plan says of its design, by name."""
    arms, prior = list(plan.arms.values()), plan.analysis["prior"]
    return {
        "treated_schools": arms.count("treatment"),
        "comparison_schools": arms.count("comparison"),
        "icc": prior["icc"],
        "r2": prior["r2"],
        "prior_sd": prior["effect_sd"],
        # The comparison adjusts schools for their mean pretest.
        "covariates": 1,
        "blocks": len(plan.analysis["assignment"].get("blocks", ())) or 1,
        "smallest_effect": plan.smallest_effect,
    }


def _wave_sizes(plan: Plan) -> list[int]:
    """Schools that begin in each wave of the plan, wave 1 first."""
    begun = [wave for school, wave in plan.waves.items() if plan.arms[school] == "treatment"]
    return [begun.count(wave) for wave in sorted(set(begun))]


def _possible_orders(plan: Plan) -> int:
    """Orders that keep the size of every wave in every block of the plan."""
    from pilots.order_sets import WaveBlock, possible_orders

    schools = sorted(plan.arms)
    last = max(plan.waves.values())
    found = []
    for block in plan.analysis["assignment"].get("blocks") or [schools]:
        begun = [plan.waves[one] if plan.arms[one] == "treatment" else 0 for one in block]
        sizes = tuple(begun.count(wave) for wave in range(last + 1))
        found.append(WaveBlock(tuple(schools.index(one) for one in block), sizes))
    return possible_orders(found)


def _pupils_of(plan: Plan | None) -> float | None:
    """Pupils in a school of the plan on average, from the roster; None without a plan or where it has none of them."""
    from cairn.settings import settings
    from pilots.school_traits import pupils_per_school

    if plan is None:
        return None
    return pupils_per_school(settings(), list(plan.arms), plan.grades)


def _change_told(change: Change) -> dict[str, Any]:
    after = change.design
    return {
        "treated_schools": after.treated_schools,
        "comparison_schools": after.comparison_schools,
        "pupils_per_school": after.pupils_per_school,
        "schools_added": change.schools_added,
        "pupils_added": change.pupils_added,
        "pretest": change.has_pretest_added,
        "blocks": after.blocks,
        "mdes": after.mdes,
        "cost": change.cost,
    }


def _power_text(found: dict[str, Any], chances: list[DecisionChances]) -> str:
    lines = [found["advice"], f"smallest p of an exact permutation: {found['smallest_p']:.4g}"]
    for one in chances:
        shares = ", ".join(f"{code} {100 * share:.0f}" for code, share in one.shares.items())
        lines.append(f"of 100 pilots with a true effect of {one.effect:.2f} SD: {shares}")
    if found["in_waves"]:
        lines.append(found["in_waves"]["text"])
        lines += [
            f"wave {step['wave']}: {step['treated_schools']} schools have begun, {step['comparison_schools']} have not;"
            f" detects {step['mdes']:.2f} SD"
            for step in found["waves"]
        ]
    return "\n".join(lines)


@app.command()
def assign(
    plan: Annotated[Path, typer.Argument(help="The plan, a YAML file; its arms may be missing or say only how many.")],
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draw; the plan's or a fresh one.")] = None,
    schools: Annotated[Path | None, typer.Option(help="CSV: school_id, pupils, baseline_mean and others.")] = None,
    treated: Annotated[
        int | None, typer.Option(min=1, help="Schools with the change; as in the arms, or half.")
    ] = None,
    blocks: Annotated[int | None, typer.Option(min=2, help="Make so many blocks of like schools.")] = None,
    again: Annotated[str | None, typer.Option(help="Record a second draw, with the reason.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a picture of the balance there, as SVG.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw the schools: one of a stored set of balanced allocations, with a recorded seed; prints the arms as YAML.

    Where the plan has waves (waves, or wave_starts), their order is drawn too: which schools start when.
    Size and baseline come from roster and assessments in the lake, or from --schools; the plan may name more in
    assignment.balance_on. The set and the draw are recorded; the same call again gives the same, another seed is
    refused.

    Example: cairn pilots assign schemas/district/pilots/fraction-studio.yaml --seed 11
    """
    from datetime import date

    from cairn.errors import UsageError
    from cairn.settings import settings
    from cli.common import actor
    from pilots import assignment, pictures, school_traits
    from pilots.draft import in_blocks, read_draft
    from pilots.registry import known_schools

    current = settings()
    if again is not None and not again.strip():
        raise UsageError("--again needs the reason for drawing a second time")
    roster = known_schools(current)
    draft = read_draft(plan, treated, roster or None)
    traits = (
        school_traits.from_file(schools, draft)
        if schools is not None
        else school_traits.from_lake(current, draft, date.today())
    )
    if blocks is not None:
        draft = in_blocks(draft, traits.values[:, -1], blocks)
    draw, is_new = assignment.assign(current, draft, traits, seed, again, actor())
    if plot is not None:
        pictures.write(plot, _balance_picture(draw))
        say(f"The picture is in {plot}.")
    named = [[draft.schools[i] for i in block.schools] for block in draft.blocks] if draft.has_blocks else []
    result = {
        "pilot_id": draw.pilot_id,
        "allocations": len(draw.allocations),
        "possible_allocations": draw.possible,
        "what": draw.what,
        "drawn": {
            "number": draw.drawn,
            "treatment": draw.arm(True),
            "comparison": draw.arm(False),
            "waves": draw.waves,
        },
        "seed": draw.seed,
        "draw": draw.number,
        "is_new": is_new,
        "smallest_p": draw.smallest_p,
        "limit_sd": draw.limit_sd,
        "balance": [asdict(one) for one in draw.balance],
        "warnings": [*traits.notes, *draw.warnings()],
        "yaml": assignment.as_yaml(draw, named),
    }
    emit(result, as_json, _assign_text)


def _balance_picture(draw: Draw) -> str:
    from pilots.pictures import Balance, balance

    rows = [Balance(one.trait, one.difference_sd, one.lowest_sd, one.highest_sd) for one in draw.balance]
    return balance(rows, draw.limit_sd or 0.25)


def _assign_text(found: dict[str, Any]) -> str:
    word = "drawn now" if found["is_new"] else "on record"
    groups, *heads = ("waves", "group", "others") if found["drawn"]["waves"] else ("arms", "with", "without")
    limit = "all of them" if found["limit_sd"] is None else f"{groups} within {found['limit_sd']:.2f} SD of each other"
    lines = [
        f"{found['pilot_id']}: {found['allocations']} {found['what']} of {found['possible_allocations']:.6g} possible "
        f"({limit}); number {found['drawn']['number']} with seed {found['seed']}, {word}",
        f"smallest p over this set: {found['smallest_p']:.4g}",
        f"{'':24}{heads[0]:>12}{heads[1]:>12}{'SD apart':>10}",
    ]
    for one in found["balance"]:
        lines.append(f"{one['trait']:24}{one['treatment']:12.3f}{one['comparison']:12.3f}{one['difference_sd']:+10.2f}")
    lines += [f"Note: {warning}" for warning in found["warnings"]]
    return "\n".join([*lines, "", found["yaml"].rstrip()])
