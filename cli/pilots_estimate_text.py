"""What ``cairn pilots estimate`` says to a person: the numbers of a result in lines."""

from __future__ import annotations

from typing import Any

SHOWN = 20


def text(result: dict[str, Any]) -> str:
    """The result in lines for a person."""
    schools = "" if result["clusters"] is None else f", {result['clusters']} clusters"
    lines = [f"{result['design']}, {result['method']}: {result['n']} rows{schools}"]
    lines += [_line(one) for one in result["estimates"]]
    if size := result["effect_size"]:
        lines.append(f"effect size g {size['hedges_g']:.3f}, {size['improvement_index']:.1f} percentile points")
    if result["smallest_p"] is not None:
        lines.append(f"smallest p that this design can reach: {result['smallest_p']:.4g}")
    for one in result.get("outcomes", ()):
        if one["p_adjusted"] is not None:
            lines.append(
                f"{one['outcome']}: {one['estimate']:.4g}, {_p(one['p_value'])}, {one['p_adjusted']:.4f} adjusted"
            )
    for one in result.get("balance", ()):
        lines.append(f"balance of {one['covariate']}: {one['before']:.3f} SD before, {one['after']:.3f} after")
    for one in result.get("event_study", ()) if result.get("aggregate") != "dynamic" else ():
        lines.append(_line(one | {"term": f"event {one['event_time']:g}"}))
    if trend := result.get("pre_trend"):
        lines.append(f"before adoption: {trend['statistic']:.3f} on {trend['df']}, {_p(trend['p_value'])}")
    for one in result.get("subgroups", {}).get("groups", ()):
        bounds = f"{one['low']:.4g} to {one['high']:.4g}"
        lines.append(f"{one['group']}: {one['pooled']:.4g} pooled ({bounds}), {one['estimate']:.4g} by itself")
    for one in result.get("subgroups", {}).get("not_estimated", ()):
        lines.append(f"{one['group']}: not estimated, {one['reason']}")
    unmatched = result.get("unmatched", ())
    lines += [f"unmatched: {one['id']}, {one['reason']}" for one in unmatched[:SHOWN]]
    if len(unmatched) > SHOWN:
        lines.append(f"unmatched: {len(unmatched) - SHOWN} more, all of them with --json")
    return "\n".join([*lines, *(f"Note: {warning}" for warning in result["warnings"])])


def _line(one: dict[str, Any]) -> str:
    parts = [f"{one['term']}: {one['estimate']:.6g}"]
    if one["standard_error"] is not None:
        parts.append(f"standard error {one['standard_error']:.6g}")
    if one.get("df") is not None:
        parts.append(f"df {one['df']:.1f}")
    if one["p_value"] is not None:
        parts.append(_p(one["p_value"]))
    if one["low"] is not None or one["high"] is not None:
        low, high = ("no bound" if bound is None else f"{bound:.6g}" for bound in (one["low"], one["high"]))
        parts.append(f"95 % {low} to {high}")
    return ", ".join(parts)


def _p(value: float) -> str:
    return "p below .0001" if value < 0.0001 else f"p {value:.4f}"
