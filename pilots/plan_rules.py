"""What the form of a plan cannot say: schools that exist, arms apart, one draw, days in order, one measure alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from cairn.grades import grade_key, grade_order
from pilots.known import Known, nearest, same
from pilots.plan_yaml import KeyPath

PARTS = ("baseline", "outcome")


@dataclass(frozen=True)
class Found:
    """One thing wrong: key path, message, and whether it only limits what the pilot can tell (``is_warning``)."""

    at: KeyPath
    message: str
    is_warning: bool = False


def rule_problems(raw: Mapping[str, Any], known: Known) -> list[Found]:
    """All of it, for a plan whose form is good. ``known`` is what was loaded."""
    analysis = raw["analysis"]
    return [
        *_schools(analysis, known),
        *_waves(analysis),
        *_between(analysis),
        *_assignment(analysis),
        *_pupils(analysis, known),
        *_proficiency(analysis),
        *_measures(analysis),
        *(found for part in PARTS for found in _results(analysis, part, known)),
        *_dates(raw),
        *_dosage_sources(raw, known),
        *_adult_learning(raw),
        *_by_a_partner(raw),
        *_purpose(raw),
    ]


def _schools(analysis: Mapping[str, Any], known: Known) -> list[Found]:
    found: list[Found] = []
    treatment = set(analysis["arms"]["treatment"])
    for arm, schools in analysis["arms"].items():
        for index, school in enumerate(schools):
            at: KeyPath = ("analysis", "arms", arm, index)
            if known.schools and school not in known.schools:
                hint = nearest(school, known.schools, "load the roster first, or mend the id")
                found.append(Found(at, f"no school {school!r} in the roster; {hint}"))
            if arm == "comparison" and school in treatment:
                found.append(Found(at, f"school {school!r} is in both arms; a school has one"))
        if len(schools) == 1:
            message = (
                f"one school in {arm}: what is special about it cannot be told from the change, so the pilot is"
                " formative and its rule says CANNOT TELL; name six schools or more"
            )
            found.append(Found(("analysis", "arms", arm), message, is_warning=True))
    arms = {school for schools in analysis["arms"].values() for school in schools}
    for school in analysis.get("waves", {}):
        if school not in arms:
            found.append(Found(("analysis", "waves", school), f"school {school!r} has a wave and no arm"))
    return found


def _waves(analysis: Mapping[str, Any]) -> list[Found]:
    """Waves follow each other, and each has a first day where any has one."""
    named = analysis.get("waves", {})
    schools = {school for schools in analysis["arms"].values() for school in schools}
    waves = {int(named.get(school, 1)) for school in schools}
    found: list[Found] = []
    if absent := sorted(set(range(1, max(waves) + 1)) - waves):
        message = f"there is a wave {max(waves)} and no school in wave {', '.join(map(str, absent))}"
        found.append(Found(("analysis", "waves"), message))
    if (starts := analysis.get("wave_starts")) is None:
        return found
    at: KeyPath = ("analysis", "wave_starts")
    if len(starts) != max(waves):
        found.append(Found(at, f"{len(starts)} first days for {max(waves)} waves: give each wave one, in their order"))
    for number, (earlier, later) in enumerate(pairwise(starts), start=1):
        if later <= earlier:
            message = f"waves {number} and {number + 1} overlap: {later} is not after {earlier}"
            found.append(Found((*at, number), message))
    opens = analysis["outcome"]["from_date"]
    for number, first in enumerate(starts):
        if first > opens:
            message = (
                f"wave {number + 1} starts on {first}, after the outcome window opens ({opens}): its schools are never"
                " measured with the change; start it earlier, or name them in the comparison arm"
            )
            found.append(Found((*at, number), message))
    return found


def _between(analysis: Mapping[str, Any]) -> list[Found]:
    """Windows between baseline and outcome, in order: those that tell waves apart which start at different times."""
    between = analysis.get("between", [])
    found: list[Found] = []
    windows = [analysis["baseline"], *between, analysis["outcome"]]
    for number, (earlier, later) in enumerate(pairwise(windows)):
        if between and closes_on(earlier) >= date.fromisoformat(later["from_date"]):
            at: KeyPath = ("analysis", "between", min(number, len(between) - 1), "from_date")
            message = (
                f"the window that opens on {later['from_date']} must lie after the one before it, make-ups included"
                f" ({closes_on(earlier).isoformat()}): windows that overlap cannot be told apart"
            )
            found.append(Found(at, message))
    for number, window in enumerate(between):
        if window["to_date"] < window["from_date"]:
            at = ("analysis", "between", number, "to_date")
            found.append(
                Found(at, f"the window ends too early ({window['to_date']} is not after {window['from_date']})")
            )
    if between and "wave_starts" not in analysis:
        message = (
            "windows between are looked at where waves start at different times: give wave_starts, or leave them out"
        )
        found.append(Found(("analysis", "between"), message))
    names = Counter((same(window["assessment"]), window["window"]) for window in windows)
    for number, window in enumerate(between):
        if names[same(window["assessment"]), window["window"]] > 1:
            message = (
                f"another window of {window['assessment']!r} is called {window['window']!r} too: they are told apart by"
                " their days alone, and a file layout whose key has neither the day nor the file's own word for the"
                " window keeps one result of the two"
            )
            found.append(Found(("analysis", "between", number, "window"), message, is_warning=True))
    return [*found, *(_starts_in_windows(analysis, windows) if between else ())]


def _starts_in_windows(analysis: Mapping[str, Any], windows: list[Mapping[str, Any]]) -> list[Found]:
    """A wave that starts before the baseline has no before; one that starts while a window is open has tests of both
    kinds in it, which all count as before."""
    found: list[Found] = []
    for number, first in enumerate(analysis.get("wave_starts", ())):
        at: KeyPath = ("analysis", "wave_starts", number)
        if first <= windows[0]["from_date"]:
            message = (
                f"wave {number + 1} starts on {first}, before anybody was measured (baseline from"
                f" {windows[0]['from_date']}): there is nothing to see its change against; start it after the baseline"
            )
            found.append(Found(at, message))
            continue
        for window in windows[:-1]:
            closes = closes_on(window).isoformat()
            if window["from_date"] < first <= closes:
                message = (
                    f"wave {number + 1} starts on {first}, while the window from {window['from_date']} to {closes} is"
                    " open: tests taken from then on count as before the change; start it after the window"
                )
                found.append(Found(at, message, is_warning=True))
    return found


def _assignment(analysis: Mapping[str, Any]) -> list[Found]:
    found: list[Found] = []
    assignment = analysis["assignment"]
    at: KeyPath = ("analysis", "assignment")
    if assignment["method"] == "random" and "seed" not in assignment:
        found.append(Found(at, "a random assignment needs the seed of the draw, so that anybody can repeat it"))
    if blocks := assignment.get("blocks"):
        first_in: dict[str, int] = {}
        for number, block in enumerate(blocks):
            for index, school in enumerate(block):
                if school in first_in:
                    message = f"school {school!r} is in block {first_in[school] + 1} too; a school has one block"
                    found.append(Found((*at, "blocks", number, index), message))
                first_in.setdefault(school, number)
        arms = {school for schools in analysis["arms"].values() for school in schools}
        if odd := sorted(set(first_in) ^ arms):
            message = f"the blocks must hold each school of both arms exactly once (look at {', '.join(odd)})"
            found.append(Found((*at, "blocks"), message))
    return found


def _pupils(analysis: Mapping[str, Any], known: Known) -> list[Found]:
    """Which pupils are assigned: grades, each once and in the roster."""
    grades = analysis.get("grades")
    if grades is None:
        message = (
            "no grades: all pupils of the schools count as assigned, and those of grades that are not tested count as"
            " lost; name the grades that the test is given in, grades: ['3', '4', '5'] for example"
        )
        return [Found(("analysis",), message, is_warning=True)]
    found = []
    in_roster = {grade_key(grade): grade for grade in known.grades}
    times = Counter(grade_key(grade) for grade in grades)
    for index, grade in enumerate(grades):
        if in_roster and grade_key(grade) not in in_roster:
            there = f"the roster has {', '.join(sorted(known.grades, key=grade_order))}"
            hint = nearest(grade_key(grade), in_roster, there)
            found.append(Found(("analysis", "grades", index), f"no pupil of the roster is in grade {grade}; {hint}"))
        if times[grade_key(grade)] > 1:
            found.append(Found(("analysis", "grades", index), f"grade {grade} stands here more than once"))
    return found


def _proficiency(analysis: Mapping[str, Any]) -> list[Found]:
    """Each cut score is of one of the plan's grades, once; a grade without one is left out of that cost."""
    cuts = analysis.get("proficient_from", {})
    at: KeyPath = ("analysis", "proficient_from")
    grades = {grade_key(grade) for grade in analysis.get("grades", ())}
    times = Counter(grade_key(grade) for grade in cuts)
    found = []
    for grade in cuts:
        if times[grade_key(grade)] > 1:
            found.append(Found((*at, grade), f"grade {grade} stands here more than once"))
        if grades and grade_key(grade) not in grades:
            hint = nearest(grade_key(grade), grades, f"there are {', '.join(sorted(grades))}")
            found.append(Found((*at, grade), f"grade {grade} is none of the plan's; {hint}"))
    if cuts and (absent := sorted(grades - set(times))):
        message = f"no score from which a pupil is proficient in grade {', '.join(absent)}: they are not counted"
        found.append(Found(at, message, is_warning=True))
    return found


def subject_of(analysis: Mapping[str, Any], part: str) -> str | None:
    """Subject of the baseline or outcome: its own word for it, or the plan's (stg_pilot_plan.sql says the same)."""
    subject = analysis[part].get("subject") or analysis.get("subject")
    return str(subject) if subject is not None else None


def _measures(analysis: Mapping[str, Any]) -> list[Found]:
    """Baseline and outcome: one measure in one unit, averaged as a scale score, not made by the tool."""
    found: list[Found] = []
    baseline, outcome = analysis["baseline"], analysis["outcome"]
    at: KeyPath = ("analysis", "outcome")
    if outcome.get("is_made_by_the_tool"):
        message = "the primary outcome must not be made by the tool itself: name an assessment that both arms take"
        found.append(Found((*at, "is_made_by_the_tool"), message))
    if analysis.get("score_type", "scale") != "scale":
        message = "percentiles are ranks and are never averaged: write score_type: scale, and name a test that has one"
        found.append(Found(("analysis", "score_type"), message))
    if same(baseline["measure"]) != same(outcome["measure"]):
        found.append(Found((*at, "measure"), "baseline and outcome must be the same measure"))
    if same(baseline.get("unit", "")) != same(outcome.get("unit", "")):
        message = (
            f"the baseline is in {baseline.get('unit', 'no named unit')}, the outcome in"
            f" {outcome.get('unit', 'no named unit')}: name one unit, or leave it out in both"
        )
        found.append(Found((*at, "unit") if "unit" in outcome else at, message))
    if same(baseline["assessment"]) == same(outcome["assessment"]):
        subjects = [subject_of(analysis, part) for part in PARTS]
        if None not in subjects and same(subjects[0]) != same(subjects[1]):
            message = f"the baseline is {subjects[0]} and the outcome {subjects[1]}, of one test: name one subject"
            found.append(Found((*at, "subject") if "subject" in outcome else at, message))
    else:
        message = "baseline and outcome are different tests: the baseline adjusts, and no gain is told in points"
        found.append(Found((*at, "assessment"), message, is_warning=True))
    return found


def _results(analysis: Mapping[str, Any], part: str, known: Known) -> list[Found]:
    """The test, subject and measure of the baseline or outcome, against the results that were loaded."""
    wanted, subject = analysis[part], subject_of(analysis, part)
    at: KeyPath = ("analysis", part)
    subjects = known.tests.get(same(wanted["assessment"]), {})
    if not subjects:
        if not known.tests:
            return [] if subject else [_no_subject(at)]
        hint = nearest(same(wanted["assessment"]), known.tests, "load them before the window closes")
        message = f"no results of {wanted['assessment']!r} were loaded yet; {hint}"
        return [Found((*at, "assessment"), message, is_warning=True)]
    listed = ", ".join(sorted(subjects))
    if subject is None:
        if len(subjects) == 1:
            return [_no_subject(at)]
        message = f"{wanted['assessment']!r} has results in {listed}: write analysis.subject, one of them"
        return [Found(at, message)]
    named = next((name for name in subjects if same(name) == same(subject)), None)
    if named is None:
        hint = nearest(subject, subjects, f"there are {listed}")
        key: KeyPath = (*at, "subject") if "subject" in wanted else ("analysis", "subject")
        return [Found(key, f"no results of {wanted['assessment']!r} in subject {subject!r}; {hint}")]
    if same(wanted["measure"]) not in {same(measure) for measure in subjects[named]}:
        hint = nearest(wanted["measure"], subjects[named], f"there are {', '.join(sorted(subjects[named]))}")
        message = f"{wanted['assessment']!r} has no measure {wanted['measure']!r} in {named}; {hint}"
        return [Found((*at, "measure"), message)]
    return []


def _no_subject(at: KeyPath) -> Found:
    message = (
        "no subject: vendors give all subjects one test name, and with results of two no score counts;"
        " write analysis.subject as the results have it"
    )
    return Found(at, message, is_warning=True)


def closes_on(measure: Mapping[str, Any]) -> date:
    """Last day on which a test counts: the window's, and the days for make-ups (stg_pilot_plan.sql says the same)."""
    return date.fromisoformat(measure["to_date"]) + timedelta(days=int(measure.get("make_up_days", 0)))


def _dates(raw: Mapping[str, Any]) -> list[Found]:
    """Windows, work and milestones, each in its order."""
    analysis, practice = raw["analysis"], raw["implementation"]
    baseline, outcome = analysis["baseline"], analysis["outcome"]
    opens: KeyPath = ("analysis", "outcome", "from_date")
    found: list[Found] = []

    def order(earlier: str, later: str, at: KeyPath, message: str, strict: bool = False) -> None:
        if earlier > later or (strict and earlier == later):
            found.append(Found(at, f"{message} ({later} is not after {earlier})"))

    for name in PARTS:
        window = analysis[name]
        order(
            window["from_date"], window["to_date"], ("analysis", name, "to_date"), f"the {name} window ends too early"
        )
    make_ups = " and its make-ups" if baseline.get("make_up_days") else ""
    message = f"the outcome window must lie after the baseline window{make_ups}"
    order(closes_on(baseline).isoformat(), outcome["from_date"], opens, message, strict=True)
    order(practice["starts_on"], practice["ends_on"], ("implementation", "ends_on"), "the pilot ends before it starts")
    message = "the outcome must be measured after the pilot starts"
    order(practice["starts_on"], outcome["from_date"], opens, message, strict=True)
    if assigned := analysis["assignment"].get("assigned_on"):
        at: KeyPath = ("analysis", "assignment", "assigned_on")
        order(assigned, practice["starts_on"], at, "schools must be assigned before the pilot starts")
    for index, milestone in enumerate(practice["milestones"]):
        message = "a milestone must be due before the outcome window ends"
        order(milestone["due_date"], outcome["to_date"], ("implementation", "milestones", index), message)
    for index, barrier in enumerate(raw.get("barriers", ())):
        closed = barrier.get("closed_on", barrier["opened_on"])
        order(barrier["opened_on"], closed, ("barriers", index), "a barrier is removed before it was named")
    return found


def _dosage_sources(raw: Mapping[str, Any], known: Known) -> list[Found]:
    """Senders that the dosage rule counts: one that is nearly another is misspelt, one like no other is to come."""
    found = []
    for index, source in enumerate(raw["implementation"].get("dosage", {}).get("sources", ())):
        if not known.sources or source in known.sources:
            continue
        at: KeyPath = ("implementation", "dosage", "sources", index)
        advice = f"add it before the work starts, 'cairn source add {source}'"
        meant = nearest(source, known.sources, "")
        message = f"no sender {source!r} is known; {meant + ' if not, ' if meant else ''}{advice}"
        found.append(Found(at, message, is_warning=not meant))
    return found


def _adult_learning(raw: Mapping[str, Any]) -> list[Found]:
    """A role stands in the plan once, and each of its competencies once: files are matched by both names."""
    found: list[Found] = []
    seen: set[tuple[str, str]] = set()
    roles: set[str] = set()
    for number, one in enumerate(raw["implementation"].get("adult_learning", ())):
        at: KeyPath = ("implementation", "adult_learning", number)
        if one["role"] in roles:
            found.append(Found((*at, "role"), f"role {one['role']} stands here more than once; give it one list"))
        roles.add(one["role"])
        for index, competency in enumerate(one["competencies"]):
            if (key := (one["role"], same(competency))) in seen:
                message = f"{competency!r} stands here more than once for role {one['role']}"
                found.append(Found((*at, "competencies", index), message))
            seen.add(key)
    return found


def _by_a_partner(raw: Mapping[str, Any]) -> list[Found]:
    """A test that carries the name of who brings the tool may be made by it."""
    test = same(raw["analysis"]["outcome"]["assessment"])
    names = [partner["name"] for partner in raw.get("partners", ()) if same(partner["name"]) in test]
    message = (
        "the test has the name of {}, a partner: where its tool gives the test or teaches to it, the outcome is made by"
        " the tool and tells nothing; name a test that both arms take anyway"
    )
    at: KeyPath = ("analysis", "outcome", "assessment")
    return [Found(at, message.format(name), is_warning=True) for name in names]


def _purpose(raw: Mapping[str, Any]) -> list[Found]:
    """What the pilot is for: not judged, and missed by everybody who reads the plan later."""
    absent = [name for name in ("vision", "gap", "partners", "barriers") if name not in raw]
    if not absent:
        return []
    message = f"the plan does not say {', '.join(absent)}: see schemas/pilots/plan.schema.json"
    return [Found((), message, is_warning=True)]
