"""The words of the pages and feeds, and how numbers and dates are printed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import get_day_names, get_month_names

from answers import told_sentences
from answers.told_patterns import GROUPS
from cairn.group_members import REASONS as LEAVING
from cairn.language import ENGLISH, current, gettext, ngettext, noted

STATES = {
    "not_started": noted("Not started"),
    "not_enough_evidence": noted("Not enough evidence"),
    "developing": noted("Developing"),
    "mastered": noted("Mastered"),
    "review_due": noted("Review due"),
}
REASONS = {
    "wheel_spinning": noted("stuck"),
    "slipping": noted("slipping back"),
    "silent": noted("gone quiet"),
}
REASONS_LONG = {
    "wheel_spinning": noted("Many tries without three right in a row"),
    "slipping": noted("Was doing better before"),
    "silent": noted("No work lately"),
}
SAID = {
    "mastered": noted("mastered"),
    "not_yet": noted("not yet"),
    "withdrawn": noted("withdrawn"),
    "nothing_said": noted("nothing said"),
}
SAID_BY = {
    "school_leader": noted("a school leader"),
    "teacher": noted("a teacher"),
    "district_system": noted("a teacher"),
}
OUTCOMES = {"worked": noted("worked"), "not_yet": noted("not yet"), "waiting": noted("no work since")}
NO_PROOF = noted(
    "This is no proof that help worked or did not. Help is given to those who need it. Comparable pupils are alike in "
    "their number, not in what an adult sees."
)
ROLES = {
    "school_leader": noted("School leader"),
    "teacher": noted("Teacher"),
    "central_office": noted("Central office"),
    "engineer": noted("Engineer"),
}
RECOMMENDATIONS = {
    "HARM": noted("Pause and look"),
    "INVALID": noted("Not a valid comparison"),
    "TOO_EARLY": noted("Too early to say"),
    "CANNOT_TELL": noted("Cannot tell"),
    "SCALE": noted("Scale"),
    "STOP": noted("Stop"),
    "NEXT_WAVE": noted("Add the next wave"),
    "ITERATE": noted("Iterate"),
}
FORECASTS = {
    "reached": noted("all that was planned is reached"),
    "too_few_dates": noted("no date: something was added on fewer than three days, or over fewer than three weeks"),
    "no_progress": noted("no date: nothing was added in the last six weeks"),
    "too_far": noted("no date: at this pace not within a year"),
}
GATES = {
    "bronze_to_silver": noted("Intake to silver"),
    "silver_to_mastery": noted("Silver to mastery"),
    "before_publish": noted("Before publishing"),
    "before_publication": noted("Before numbers are published"),
}


# How a pupil works with a resource of the district's.
RESOURCE_KINDS = {
    "lesson": noted("lesson"),
    "practice": noted("practice"),
    "video": noted("video"),
    "game": noted("game"),
    "text": noted("text"),
    "tutoring": noted("tutoring"),
    "other": noted("other"),
}
# Why a standing is carried over from another competency (CASE's kinds of association).
RELATIONS = {"exactMatchOf": noted("exact match"), "replacedBy": noted("replaced by this")}
# What was received, sorted by what became of it: columns of mart_school_trust.
BOOKS = {
    "received": noted("Received"),
    "accepted": noted("Accepted"),
    "duplicate": noted("Duplicate"),
    "conflict": noted("Conflict"),
    "rejected": noted("Rejected"),
    "quarantined": noted("Quarantined"),
    "unexplained": noted("Unexplained"),
}
# Letters of a class's grid (portal/class_grid.py).
LETTERS = (noted("M"), noted("R"), noted("D"), noted("S"), noted("N"))

# A day as computers write it.
ISO_DAY = re.compile(r"\b20\d\d-\d\d-\d\d\b")


def state(value: str | None) -> str:
    """A mastery state for people."""
    return gettext(STATES.get(value or "not_started", plain(value)))


def said(state: str | None, on_date: date | None, by_role: str | None = None, until: date | None = None) -> str:
    """A teacher's word as a label, ``said by a teacher on Wed 14 Oct: not yet, until Fri 30 Oct``; empty where none."""
    if not state:
        return ""
    label = gettext("said by {whom} on {day}: {word}").format(
        whom=said_by(by_role), day=short_day(on_date), word=said_word(state)
    )
    return label + (gettext(", until {day}").format(day=short_day(until)) if until else "")


def said_word(state: str | None) -> str:
    """What a teacher said, in a word."""
    return gettext(SAID.get(state or "", plain(state).lower()))


def said_by(role: str | None) -> str:
    """Who said it, by the role."""
    return gettext(SAID_BY.get(role or "", SAID_BY["teacher"]))


def resource_kind(value: str | None) -> str:
    """How a resource is worked with."""
    return gettext(RESOURCE_KINDS.get(value or "", plain(value).lower()))


def relation(value: str | None) -> str:
    """Why a standing is carried over."""
    return gettext(RELATIONS.get(value or "", str(value or "")))


def books() -> list[tuple[str, str]]:
    """What became of what was received: column of mart_school_trust and its word."""
    return [(column, gettext(word)) for column, word in BOOKS.items()]


def next_answers(row: Mapping[str, Any]) -> str:
    """A pupil's next answers after an action beside those of comparable pupils, as far as both can be told."""
    answers = row["next_answers"]
    if not answers:
        return gettext("no counted answer since")
    own = gettext("right {right} of {answers}").format(right=row["next_right"], answers=answers)
    if row["comparable_share"] is None:
        why = gettext("too few comparable pupils") if answers > 1 else gettext("one answer tells nothing yet")
        return f"{own}; {why}"
    share, low, high = (percent(row[f"comparable_{name}"]) for name in ("share", "low", "high"))
    others = gettext("{count} comparable pupils without help: {share} right ({low} to {high})")
    return f"{own}; {others.format(count=row['comparables'], share=share, low=low, high=high)}"


def did_it_work(summary: Mapping[str, Any] | None) -> str:
    """What followed a school's actions of the last fourteen days, from its row of mart_action_school.

    No rate of fewer pupils than may be told of: the mart has none.
    """
    if summary is None:
        return gettext("No action was logged in the last fourteen days.")
    if summary["pupils_compared"] is None:
        return gettext("Too few to tell: {count} of {pupils} worked on it since.").format(
            count=summary["pupils_with_work"], pupils=plural(summary["pupils"], "pupil")
        )
    points = {name: round(100 * summary[f"difference{name}"]) for name in ("", "_low", "_high")}
    if summary["difference_low"] > 0:
        verdict = gettext("More right")
    elif summary["difference_high"] < 0:
        verdict = gettext("Fewer right")
    else:
        verdict = gettext("No clear difference")
    return gettext(
        "{verdict}: {share} right after help, {others} of similar pupils without it, {points} points ({low} to {high}; "
        "{pupils}). No proof: help goes to those who need it."
    ).format(
        verdict=verdict,
        share=percent(summary["share_right"]),
        others=percent(summary["comparable_share"]),
        points=f"{points['']:+d}",
        low=f"{points['_low']:+d}",
        high=f"{points['_high']:+d}",
        pupils=plural(summary["pupils_compared"], "pupil"),
    )


def reason(value: str | None) -> str:
    """Why a pupil needs an adult, in two words at most."""
    return gettext(REASONS.get(value or "", plain(value).lower()))


def left(reason: str | None) -> str:
    """Why a pupil has left a small group."""
    return gettext(LEAVING.get(reason or "", plain(reason).lower()))


def forecast(row: Mapping[str, Any]) -> str:
    """When all that a rollout planned is reached, in words, from a row of rollout_forecast."""
    if row["code"] != "projected":
        return gettext(FORECASTS.get(row["code"], plain(row["code"]).lower()))
    first = day(row["earliest"])
    if row["latest"]:
        span = gettext("from {first} to {last}").format(first=first, last=day(row["latest"]))
    else:
        span = gettext("from {first} on, no latest day within a year").format(first=first)
    return gettext("about {day} ({span})").format(day=day(row["likely"]), span=span)


def plain(value: Any) -> str:
    """A coded value as words: ``small_group`` becomes ``Small group``, ``asian`` and the like have their names."""
    words = str(value or "").replace("_", " ").strip()
    return GROUPS.get(words.lower().replace(" ", "_")) or words.capitalize()


def recommendation(value: str | None) -> str:
    """A pilot's recommendation for people; codes are upper case with spaces or underscores."""
    code = str(value or "").upper().replace(" ", "_")
    return gettext(RECOMMENDATIONS.get(code, plain(value)))


def decider(row: Mapping[str, Any]) -> str:
    """Who decided: the account with its role, or the role alone of a decision from before accounts were noted."""
    role = gettext(ROLES.get(row["decided_by_role"], plain(row["decided_by_role"])))
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
    weekday, month = _names(current())
    return f"{weekday[moment.weekday()]} {moment.day} {month[moment.month]} {moment.year}"


@cache
def _names(code: str) -> tuple[Mapping[int, str], Mapping[int, str]]:
    """Short names of weekdays (0 is Monday) and months (1 is January), as the Unicode CLDR has them."""
    locale = f"{code}_US"
    words = {key: value.rstrip(".") for key, value in get_month_names("abbreviated", locale=locale).items()}
    return get_day_names("abbreviated", locale=locale), words


def month_told(english: str) -> str:
    """A short English month, as charts have it, in the language of the page."""
    names = {name: number for number, name in _names(ENGLISH)[1].items()}
    return _names(current())[1][names[english]] if english in names else english


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
    return f"{count:,} {ngettext(one, many or one + 's', count)}"


# Sentences that marts and manifests hold in English, as patterns: what varies is kept, what is said is translated.
# Each has named groups; a day among them is printed as pages print days.
HELD_SENTENCES = (
    (
        r"What changed since the feed of (?P<day>[\d-]+) \((?P<release>[^)]+)\)",
        noted("What changed since the feed of {day} ({release})"),
    ),
    (r"(?P<count>\d+) tries without three right in a row", noted("{count} tries without three right in a row")),
    (r"mastered until (?P<day>[\d-]+), now developing", noted("mastered until {day}, now developing")),
    (r"last work on it (?P<day>[\d-]+)", noted("last work on it {day}")),
    (r"no work since (?P<day>[\d-]+)", noted("no work since {day}")),
    (r"no work yet", noted("no work yet")),
    (r"nothing stands out", noted("nothing stands out")),
    (r"(?P<count>\d+) of (?P<all>\d+) pupils are stuck", noted("{count} of {all} pupils are stuck")),
    (
        r"(?P<count>\d+) of (?P<all>\d+) pupils did no work in 7 days",
        noted("{count} of {all} pupils did no work in 7 days"),
    ),
    (
        r"(?P<open>\d+) pupil-topic pairs still developing, (?P<mastered>\d+) mastered",
        noted("{open} pupil-topic pairs still developing, {mastered} mastered"),
    ),
    (
        r"Held back: the newest data did not pass a check \((?P<reason>.*)\)\. This is the answer of (?P<day>.*)\.",
        noted("Held back: the newest data did not pass a check ({reason}). This is the answer of {day}."),
    ),
    (
        r"Today's feed could not be written\. This is the answer of (?P<day>.*)\.",
        noted("Today's feed could not be written. This is the answer of {day}."),
    ),
    (
        r"This is the answer of (?P<day>.*)\. Newer data, up to (?P<last>.*), has not been published\.",
        noted("This is the answer of {day}. Newer data, up to {last}, has not been published."),
    ),
    # Published numbers (cairn.protection.rules).
    (r"(?P<share>\d+) % or fewer", noted("{share} % or fewer")),
    (r"(?P<share>\d+) % or more", noted("{share} % or more")),
    (r"under (?P<count>\d+)", noted("under {count}")),
    (r"(?P<count>[\d,]+) or more", noted("{count} or more")),
    (r"(?P<what>.*) \(the same rows, typed\)", noted("{what} (the same rows, typed)")),
)


def retold(text: str | None) -> str:
    """A sentence that a mart, a gate or a manifest holds in English, in the language of the page; parts end at ``;``.

    One that is not known stays as it was sent: somebody else's words.
    """
    return _retold_in(current(), text or "")


@lru_cache(maxsize=4096)
def _retold_in(code: str, sentence: str) -> str:
    """Kept by language: a page tells the same words on every view."""
    whole = _retold(sentence)
    if whole is not None:
        return whole
    told = sentence if code == ENGLISH else told_sentences.told(sentence, retold)
    return told if told != sentence else "; ".join(_retold(part) or part for part in sentence.split("; "))


def _retold(text: str) -> str | None:
    # A file of a feed says of another what it holds.
    if typed := re.fullmatch(r"(.+) \(the same rows, typed\)", text):
        return gettext("{what} (the same rows, typed)").format(what=retold(typed[1]))
    for pattern, told in HELD_SENTENCES:
        if found := re.fullmatch(pattern, text):
            values = {name: _printed(value) for name, value in found.groupdict().items()}
            return gettext(told).format(**values)
    return None


def opened(text: str) -> str:
    """A text with a capital first letter, and the rest as it is."""
    return text[:1].upper() + text[1:]


def _printed(value: str) -> str:
    """A value of a sentence: a day as pages print it, words in the language of the page, a number as it is."""
    if ISO_DAY.fullmatch(value):
        return days_told(value)
    if found := re.fullmatch(r"[A-Z][a-z]{2} (\d{1,2} [A-Z][a-z]{2} \d{4})", value):
        return day(datetime.strptime(found[1], "%d %b %Y").date())
    return gettext(value)
