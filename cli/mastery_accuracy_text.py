"""What ``cairn mastery evaluate`` found, in words."""

from __future__ import annotations

from typing import Any


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def accuracy_as_text(found: dict[str, Any]) -> str:
    """Metrics for a person: each with its interval, then by opportunity."""
    lines = [f"model {found['model']}: {found['responses']:,} responses of {found['students']:,} students"]
    lines.append(f"  {'ece':28}{_number(found['ece']):>7}")
    for name, (low, high) in found["interval95"].items():
        interval = f"{_number(low)} to {_number(high)}"
        lines.append(f"  {name:28}{_number(found[name]):>7}   95 % of draws of pupils: {interval}")
    lines.append("by opportunity on the competency (the first is the cold start)")
    for one in found["by_opportunity"]:
        numbers = f"AUC {_number(one['auc'])}  log-loss {_number(one['log_loss'])}  ECE {_number(one['ece'])}"
        lines.append(f"  {one['opportunity']:14}{one['responses']:>9,} responses  {numbers}")
    if found["left_out"]:
        lines.append(f"not told by the files, so not used: {', '.join(found['left_out'])}")
    if found["twins"]:
        some = "; ".join(found["twin_pupils"])
        lines.append(f"{found['twins']} test pupils are copies of another pupil: {some}. Leave them out and compare.")
    return "\n".join(lines + (_policy_as_text(found) if "mastered_pairs" in found else []))


def _policy_as_text(found: dict[str, Any]) -> list[str]:
    """What followed a call of mastered, for a person."""
    lines = [
        f"mastered: {found['mastered_pairs']:,} of {found['pairs']:,} pupils' competencies "
        f"({found['pairs_with_enough_evidence']:,} have enough evidence)"
    ]
    if found["clauses_dropped"]:
        lines.append(f"  not told by the files, so not asked for: different {', '.join(found['clauses_dropped'])}")
    if found["mastered_pairs_with_next5"]:
        low, high = found["next5_interval95"] or (None, None)
        lines.append(
            f"  next five first attempts ({found['mastered_pairs_with_next5']:,} have five): promised "
            f"{_number(found['promised_share'])}, right {_number(found['next5_correct'])} "
            f"({_number(low)} to {_number(high)}), under 60 % for {found['under_60_pct']} %"
        )
    if "next10" in found:
        lines.append(_next_ten_as_text(found["next10"]))
    lines += [_beside_the_logistic(found), *(_subgroup_as_text(one) for one in found["by_subgroup"])]
    if "changed_twice_pct" in found:
        lines.append(
            f"  from night to night: {found['changed_twice_pct']} % of {found['pairs_with_verdict']:,} with a verdict"
            " change state twice within ten nights"
        )
    for one in [{"days": "any", **found["next_answer"]}, *found["next_answer_by_gap_days"]]:
        told = f"promised {_number(one['promised'])}, right {_number(one['correct'])}"
        lines.append(f"  next answer after {one['days']} days: {told} ({one['pairs']:,})")
    return lines


def _beside_the_logistic(found: dict[str, Any]) -> str:
    """Calling nobody keeps every promise: how many that an item-blind logistic would call are called."""
    if not found["logistic_called_pairs"]:
        return "  an item-blind logistic at .85 calls nobody with the same evidence"
    return (
        f"  of {found['logistic_called_pairs']:,} that an item-blind logistic at .85 calls with the same evidence, "
        f"{found['called_of_logistic_pct']} % are called too"
    )


def _next_ten_as_text(found: dict[str, Any]) -> str:
    """How the 90 % interval did on answers that nobody knew."""
    if not found["pairs"]:
        return "  no pair with enough evidence has ten more attempts: the 90 % interval cannot be held against them"
    low, high = found["covered_interval95"] or (None, None)
    return (
        f"  next ten attempts ({found['pairs']:,} pairs have ten, from enough evidence on): the 90 % interval holds "
        f"{_number(found['covered_share'])} ({_number(low)} to {_number(high)}) of their shares right, "
        f"{_number(found['below_share'])} lie under it, {_number(found['above_share'])} over it"
    )


def _subgroup_as_text(one: dict[str, Any]) -> str:
    """One subgroup, or that it is too small to be told of."""
    if one["is_suppressed"]:
        return f"  subgroup {one['subgroup']}: not told: too few pupils, by itself or with another"
    numbers = f"{one['mastered_pairs']:,} mastered of {one['pupils']:,} pupils"
    if one["next5_correct"] is None:
        return f"  subgroup {one['subgroup']}: {numbers}, too few pupils have five more attempts"
    return (
        f"  subgroup {one['subgroup']}: {numbers}, promised {_number(one['promised_share'])}, next five right "
        f"{_number(one['next5_correct'])}, under 60 % for {one['under_60_pct']} %"
    )
