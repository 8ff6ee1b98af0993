"""The words of the pages and feeds, and how numbers and dates are printed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from cairn.group_members import REASONS as LEAVING

STATES = {
    "not_started": "Not started",
    "not_enough_evidence": "Not enough evidence",
    "developing": "Developing",
    "mastered": "Mastered",
    "review_due": "Review due",
}
REASONS = {
    "wheel_spinning": "stuck",
    "slipping": "slipping back",
    "silent": "gone quiet",
}
REASONS_LONG = {
    "wheel_spinning": "Many tries without three right in a row",
    "slipping": "Was doing better before",
    "silent": "No work lately",
}
SAID = {"mastered": "mastered", "not_yet": "not yet", "withdrawn": "withdrawn", "nothing_said": "nothing said"}
SAID_BY = {"school_leader": "a school leader", "teacher": "a teacher", "district_system": "a teacher"}
OUTCOMES = {"worked": "worked", "not_yet": "not yet", "waiting": "no work since"}
NO_PROOF = (
    "This is no proof that help worked or did not: help is given to those who need it, and comparable pupils are alike "
    "in their number, not in what an adult sees."
)
OUTLOOKS = {
    "reached": "{target} is reached",
    "too_early": "too early for a date: fewer than four school weeks",
    "no_progress": "no date: as much was lost as was mastered",
    "after_year": "at this pace not in this school year",
}
ROLES = {
    "school_leader": "School leader",
    "teacher": "Teacher",
    "central_office": "Central office",
    "engineer": "Engineer",
}
RECOMMENDATIONS = {
    "HARM": "Pause and look",
    "INVALID": "Not a valid comparison",
    "TOO_EARLY": "Too early to say",
    "CANNOT_TELL": "Cannot tell",
    "SCALE": "Scale",
    "STOP": "Stop",
    "NEXT_WAVE": "Add the next wave",
    "ITERATE": "Iterate",
}
FORECASTS = {
    "reached": "all that was planned is reached",
    "too_few_dates": "no date: something was added on fewer than three days, or over fewer than three weeks",
    "no_progress": "no date: nothing was added in the last six weeks",
    "too_far": "no date: at this pace not within a year",
}
GATES = {
    "bronze_to_silver": "Intake to silver",
    "silver_to_mastery": "Silver to mastery",
    "before_publish": "Before publishing",
    "before_publication": "Before numbers are published",
}


# A day as computers write it.
ISO_DAY = re.compile(r"\b20\d\d-\d\d-\d\d\b")


def state(value: str | None) -> str:
    """A mastery state for people."""
    return STATES.get(value or "not_started", plain(value))


def said(state: str | None, on_date: date | None, by_role: str | None = None, until: date | None = None) -> str:
    """A teacher's word as a label, ``said by a teacher on Wed 14 Oct: not yet, until Fri 30 Oct``; empty where none."""
    if not state:
        return ""
    by = SAID_BY.get(by_role or "", "a teacher")
    ends = f", until {short_day(until)}" if until else ""
    return f"said by {by} on {short_day(on_date)}: {SAID.get(state, plain(state).lower())}{ends}"


def next_answers(row: Mapping[str, Any]) -> str:
    """A pupil's next answers after an action beside those of comparable pupils, as far as both can be told."""
    answers = row["next_answers"]
    if not answers:
        return "no counted answer since"
    own = f"right {row['next_right']} of {answers}"
    if row["comparable_share"] is None:
        return f"{own}; too few comparable pupils" if answers > 1 else f"{own}; one answer tells nothing yet"
    share, low, high = (percent(row[f"comparable_{name}"]) for name in ("share", "low", "high"))
    return f"{own}; {row['comparables']} comparable pupils without help: {share} right ({low} to {high})"


def did_it_work(summary: Mapping[str, Any] | None) -> str:
    """What followed a school's actions of the last fourteen days, from its row of mart_action_school.

    No rate of fewer pupils than may be told of: the mart has none.
    """
    if summary is None:
        return "No action was logged in the last fourteen days."
    since = f"{summary['pupils_with_work']} of {plural(summary['pupils'], 'pupil')} worked on it since"
    if summary["pupils_compared"] is None:
        return f"Too few to tell: {since}."
    points = {name: round(100 * summary[f"difference{name}"]) for name in ("", "_low", "_high")}
    if summary["difference_low"] > 0:
        verdict = "More right"
    elif summary["difference_high"] < 0:
        verdict = "Fewer right"
    else:
        verdict = "No clear difference"
    return (
        f"{verdict}: {percent(summary['share_right'])} right after help, {percent(summary['comparable_share'])} of "
        f"similar pupils without it, {points['']:+d} points ({points['_low']:+d} to {points['_high']:+d}; "
        f"{plural(summary['pupils_compared'], 'pupil')}). No proof: help goes to those who need it."
    )


def reason(value: str | None) -> str:
    """Why a pupil needs an adult, in two words at most."""
    return REASONS.get(value or "", plain(value).lower())


def left(reason: str | None) -> str:
    """Why a pupil has left a small group."""
    return LEAVING.get(reason or "", plain(reason).lower())


def outlook(row: dict[str, Any], target_share: float) -> str:
    """When a class would have come through its plan, in words, from a row of mart_class_pace."""
    if row["outlook"] == "projected":
        first = short_day(row["earliest_date"])
        last = f"to {short_day(row['latest_date'])}" if row["latest_date"] else "on, no latest day this school year"
        return f"{percent(target_share)} about {day(row['projected_date'])} (from {first} {last})"
    return OUTLOOKS.get(row["outlook"], plain(row["outlook"])).format(target=percent(target_share))


def forecast(row: Mapping[str, Any]) -> str:
    """When all that a rollout planned is reached, in words, from a row of rollout_forecast."""
    if row["code"] == "projected":
        last = f"to {day(row['latest'])}" if row["latest"] else "on, no latest day within a year"
        return f"about {day(row['likely'])} (from {day(row['earliest'])} {last})"
    return FORECASTS.get(row["code"], plain(row["code"]).lower())


def plain(value: Any) -> str:
    """A coded value as words: ``small_group`` becomes ``Small group``."""
    return str(value or "").replace("_", " ").strip().capitalize()


def recommendation(value: str | None) -> str:
    """A pilot's recommendation for people; codes are upper case with spaces or underscores."""
    code = str(value or "").upper().replace(" ", "_")
    return RECOMMENDATIONS.get(code, plain(value))


def decider(row: Mapping[str, Any]) -> str:
    """Who decided: the account with its role, or the role alone of a decision from before accounts were noted."""
    role = ROLES.get(row["decided_by_role"], plain(row["decided_by_role"]))
    return f"{row['decided_by']}, {role}" if row.get("decided_by") else role


def unit(value: str | None) -> str:
    """A unit for people."""
    return "SD" if value in ("sd", "SD") else str(value or "")


def number(value: Any, digits: int = 0) -> str:
    """A number with thousands separators; a dash where there is none."""
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    return f"{float(value):,.{digits}f}" if digits else f"{round(float(value)):,}"


def percent(share: Any) -> str:
    """A share between 0 and 1 as a whole percentage."""
    return "–" if share is None or share != share else f"{round(100 * float(share))} %"


def money(value: Any) -> str:
    """US dollars, cents under a hundred."""
    if value is None or value != value:
        return "–"
    return f"${float(value):,.0f}" if abs(float(value)) >= 100 else f"${float(value):,.2f}"


def day(value: date | str | None) -> str:
    """A day: ``Wed 14 Oct 2026``."""
    if value is None:
        return "–"
    moment = date.fromisoformat(value[:10]) if isinstance(value, str) else value
    return f"{moment:%a} {moment.day} {moment:%b %Y}"


def short_day(value: date | str | None) -> str:
    """A day without its year: ``Wed 14 Oct``."""
    return day(value).rsplit(" ", 1)[0] if value is not None else "–"


def days_told(text: str) -> str:
    """A sentence with its days (YYYY-MM-DD) as :func:`day` has them."""

    def told(found: re.Match[str]) -> str:
        try:
            return day(date.fromisoformat(found[0]))
        except ValueError:  # no day of any calendar: somebody's number
            return found[0]

    return ISO_DAY.sub(told, text)


def moment(value: datetime | str | None, zone: ZoneInfo) -> str:
    """An instant in the district's time: ``Wed 14 Oct 15:42``."""
    if value is None:
        return "–"
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    local = instant.astimezone(zone)
    return f"{short_day(local.date())} {local:%H:%M}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """``1 pupil``, ``3 pupils``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
