"""``cairn pilots rate`` and ``growth``: what evidence is worth by the published rules, from numbers on the line."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import JsonOption, emit
from cli.numbers import finite

if TYPE_CHECKING:
    from pilots.reported_effect import Arm, ReportedEffect
    from pilots.wwc import Attrition

app = typer.Typer()

# What a plan calls the draw is understood too.
DESIGNS = {"rct": True, "random": True, "qed": False, "volunteers": False, "chosen": False}
OUTCOMES = ("independent", "made-by-tool", "over-aligned", "not-alike")


@app.command()
def rate(
    design: Annotated[str, typer.Option(help="rct: schools drawn at random; qed: not.")],
    overall: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of pupils lost, in schools that stayed.")
    ] = None,
    differential: Annotated[float | None, typer.Option(min=-1, max=1, help="Its difference between arms.")] = None,
    boundary: Annotated[str, typer.Option(help="cautious or optimistic, as the plan says.")] = "cautious",
    baseline_g: Annotated[float | None, typer.Option(help="Baseline difference of the pupils analysed, in SD.")] = None,
    is_adjusted: Annotated[
        bool, typer.Option("--adjusted/--unadjusted", help="Whether the analysis adjusts for the baseline.")
    ] = False,
    school_overall: Annotated[float | None, typer.Option(min=0, max=1, help="Share of schools lost.")] = None,
    school_differential: Annotated[float | None, typer.Option(min=-1, max=1, help="Its difference.")] = None,
    joiners_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the pupils analysed who joined after assignment.")
    ] = 0.0,
    outcome: Annotated[str, typer.Option(help="independent, made-by-tool, over-aligned or not-alike.")] = "independent",
    treated_schools: Annotated[int | None, typer.Option(min=0, help="Schools with the change, analysed.")] = None,
    comparison_schools: Annotated[int | None, typer.Option(min=0, help="Schools without it, analysed.")] = None,
    treated_pupils: Annotated[int | None, typer.Option(min=1, help="Pupils with the change, analysed.")] = None,
    comparison_pupils: Annotated[int | None, typer.Option(min=1, help="Pupils without it, analysed.")] = None,
    effect_g: Annotated[float | None, typer.Option(help="Effect in SD (Hedges g).")] = None,
    treated_mean: Annotated[float | None, typer.Option(help="Mean outcome, with the change.")] = None,
    comparison_mean: Annotated[float | None, typer.Option(help="Mean outcome, without it.")] = None,
    treated_sd: Annotated[float | None, typer.Option(min=0, help="SD of the outcome, with the change.")] = None,
    comparison_sd: Annotated[float | None, typer.Option(min=0, help="SD of the outcome, without it.")] = None,
    treated_share: Annotated[float | None, typer.Option(min=0, max=1, help="Share that succeeded, with it.")] = None,
    comparison_share: Annotated[float | None, typer.Option(min=0, max=1, help="Share, without it.")] = None,
    p_value: Annotated[
        list[float] | None, typer.Option(min=0, max=1, help="Told p; again for each other outcome of the domain.")
    ] = None,
    analysed: Annotated[str, typer.Option(help="What the analysis took for its units: pupils or schools.")] = "pupils",
    icc: Annotated[
        float | None, typer.Option(min=0, max=1, help="Intraclass correlation; by domain if absent.")
    ] = None,
    domain: Annotated[str, typer.Option(help="achievement (icc .20) or behaviour (.10).")] = "achievement",
    r2: Annotated[float, typer.Option(min=0, max=0.99, help="Variance that the baseline explains.")] = 0.0,
    districts: Annotated[int, typer.Option(min=1, help="Districts in the study; one is one site.")] = 1,
    essa_reading: Annotated[
        str, typer.Option(help="Adjusted and not alike: cautious (tier 4) or letter (tier 3).")
    ] = "cautious",
    as_json: JsonOption = False,
) -> None:
    """Rate evidence: attrition, equivalence, WWC rating, ESSA tier, and each reason with its rule and numbers.

    Attrition of schools is asked first, then that of pupils in the schools that stayed. Where schools were assigned and
    pupils analysed, the effect and its p are corrected.

    Example: cairn pilots rate --design rct --overall 0.06 --differential 0.02 --boundary cautious --baseline-g 0.04
    """
    from pilots import essa, wwc
    from pilots.reported_effect import Arm

    finite(locals())
    is_random = DESIGNS[_one_of("--design", design, tuple(DESIGNS))]
    _one_of("--boundary", boundary, wwc.BOUNDARIES)
    _one_of("--outcome", outcome, OUTCOMES)
    _one_of("--analysed", analysed, ("pupils", "schools"))
    _one_of("--essa-reading", essa_reading, essa.READINGS)
    _one_of("--domain", domain, tuple(wwc.DEFAULT_ICC))
    pupils = _attrition(wwc.PUPILS_THAT_STAYED, overall, differential, boundary, is_random, "")
    schools = _attrition("schools", school_overall, school_differential, boundary, False, "school-")
    arms = (
        Arm(treated_pupils, treated_mean, treated_sd, treated_share),
        Arm(comparison_pupils, comparison_mean, comparison_sd, comparison_share),
    )
    effect = _effect(
        effect_g,
        arms,
        (treated_schools, comparison_schools),
        wwc.DEFAULT_ICC[domain] if icc is None else icc,
        r2,
        analysed == "pupils",
        p_value or [],
    )
    equivalence = "not_shown" if baseline_g is None else wwc.baseline_equivalence(baseline_g)
    found = wwc.rate(
        is_random=is_random,
        attrition=pupils or "low",
        school_attrition=schools or "low",
        equivalence=equivalence,
        is_adjusted=is_adjusted,
        is_outcome_independent=outcome != "made-by-tool",
        is_over_aligned=outcome == "over-aligned",
        is_measured_alike=outcome != "not-alike",
        joiners_share=joiners_share,
        schools_treatment=treated_schools,
        schools_comparison=comparison_schools,
        pupils=None if treated_pupils is None or comparison_pupils is None else treated_pupils + comparison_pupils,
        is_significant_positive=effect.is_significant_positive if effect else None,
        baseline_g=baseline_g,
        districts=districts,
        essa_reading=essa_reading,
    )
    result = {
        "attrition": pupils.level if pupils else None,
        "school_attrition": schools.level if schools else None,
        "equivalence": equivalence,
        "rating": found.rating,
        "essa_tier": found.essa_tier,
        "reasons": [*(effect.in_words() if effect else ()), *found.reasons],
        "effect": _effect_told(effect) if effect else None,
    }
    emit(result, as_json, _rating_text)


def _one_of(option: str, given: str, known: tuple[str, ...]) -> str:
    from cairn.errors import UsageError

    if given not in known:
        raise UsageError(f"{option} {given!r}: give one of {', '.join(known)}")
    return given


def _attrition(
    units: str, overall: float | None, differential: float | None, boundary: str, is_needed: bool, prefix: str
) -> Attrition | None:
    """The attrition as told; None where none was. Raises UsageError where half of it, or one that is needed, lacks."""
    from cairn.errors import UsageError
    from pilots.wwc import Attrition

    options = f"--{prefix}overall and --{prefix}differential"
    if overall is None and differential is None and not is_needed:
        return None
    if overall is None or differential is None:
        raise UsageError(f"attrition of {units} needs both {options}, as shares from 0 to 1")
    return Attrition(units, overall, differential, boundary)


def _effect(
    g: float | None,
    arms: tuple[Arm, Arm],
    schools: tuple[int | None, int | None],
    icc: float,
    r2: float,
    is_of_pupils: bool,
    p_values: list[float],
) -> ReportedEffect | None:
    """The effect as told; None where none was. Raises UsageError for p-values without one."""
    from cairn.errors import UsageError
    from pilots.reported_effect import effect_of, reported

    found = effect_of(g, *arms)
    if found is None:
        if p_values:
            raise UsageError("--p-value without an effect: give --effect-g, means with SDs, or shares")
        return None
    total = None if None in schools else sum(count or 0 for count in schools)
    return reported(*found, *arms, schools=total, icc=icc, r2=r2, is_of_pupils=is_of_pupils, p_values=p_values)


def _effect_told(effect: ReportedEffect) -> dict[str, Any]:
    told = asdict(effect) | {"is_significant_positive": effect.is_significant_positive}
    return (
        {key: value for key, value in told.items() if key != "correction"}
        | (told["correction"] or {})
        | {"p_value": effect.p_value}
    )


def _rating_text(found: dict[str, Any]) -> str:
    lines = [f"{found['rating']}; ESSA tier {found['essa_tier']}"]
    if effect := found["effect"]:
        corrected = effect["g_corrected"]
        more = (
            "" if corrected is None else f"; {corrected:+.3f} (SE {effect['standard_error']:.3f}) with schools counted"
        )
        lines.append(
            f"effect {effect['g']:+.3f} SD ({effect['label']}, {effect['origin']}), improvement index "
            f"{effect['improvement_index']:+.1f} percentile points{more}"
        )
    return "\n".join([*lines, *(f"- {reason}" for reason in found["reasons"])])


@app.command()
def growth(
    observed: Annotated[list[float], typer.Option(help="Growth of a pupil in points; again for each further pupil.")],
    norm: Annotated[list[float], typer.Option(help="The norm's growth for that pupil, in the same order.")],
    sd: Annotated[list[float], typer.Option(help="The norm's SD of growth for that pupil.")],
    as_json: JsonOption = False,
) -> None:
    """Growth against a norm (NWEA): index and percentile of each pupil; a group has its mean index, no mean percentile.

    The norms are the district's own, licensed; none are shipped.

    Example: cairn pilots growth --observed 8 --norm 6.1 --sd 4.2
    """
    from cairn.errors import UsageError
    from pilots.growth import group_growth, growth_index, growth_percentile

    if not len(observed) == len(norm) == len(sd):
        raise UsageError(f"{len(observed)} growths, {len(norm)} norms, {len(sd)} SDs: give one of each for every pupil")
    indices = [growth_index(*three) for three in zip(observed, norm, sd, strict=True)]
    result = {
        "pupils": [{"cgi": index, "cgp": growth_percentile(index)} for index in indices],
        "group": asdict(group_growth(indices)),
    }
    emit(
        result,
        as_json,
        lambda r: "\n".join(
            [
                *(f"index {one['cgi']:+.2f}, percentile {one['cgp']}" for one in r["pupils"]),
                f"together: mean index {r['group']['mean_index']:+.2f}, at percentile "
                f"{r['group']['percentile_of_mean_index']}",
            ]
        ),
    )
