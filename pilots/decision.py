"""The decision rule: eight cases, the first that fits, and the words in which it is told.

The thresholds were calibrated by simulation at school level (tests/pilots/test_decision_rule.py). Never "proved".
"""

from __future__ import annotations

from dataclasses import dataclass, field

HARM_CHANCE, SCALE_CHANCE, SCALE_MATTERS, STOP_MATTERS, NEXT_CHANCE = 0.90, 0.95, 0.50, 0.10, 0.80
DOSAGE_AS_INTENDED = 0.60
# Schools in the smaller arm under which no chance is told (also the ladder of inference and the power advice).
FORMATIVE_BELOW = 6

HARM, INVALID, TOO_EARLY, CANNOT_TELL = "HARM", "INVALID", "TOO EARLY", "CANNOT TELL"
SCALE, STOP, NEXT_WAVE, ITERATE = "SCALE", "STOP", "NEXT WAVE", "ITERATE"
DECISIONS = (HARM, INVALID, TOO_EARLY, CANNOT_TELL, SCALE, STOP, NEXT_WAVE, ITERATE)


@dataclass(frozen=True)
class Evidence:
    """What the rule looks at. Chances are None where there are no outcomes to compare.

    ``invalid`` and ``too_early`` hold the reasons, empty where there are none; ``guardrails_failed`` those that fail
    with a chance of .90 or more, ``guardrails_open`` those planned and not shown to be no worse.
    """

    chance_positive: float | None
    chance_matters: float | None
    smallest_effect: float
    schools_smaller_arm: int
    dosage_met_share: float | None
    invalid: list[str] = field(default_factory=list)
    too_early: list[str] = field(default_factory=list)
    guardrails_failed: list[str] = field(default_factory=list)
    guardrails_open: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Recommendation:
    """What the rule says, in a word, in a sentence, with its reasons and what comes next."""

    code: str
    text: str
    why: list[str]
    next: str


def in_words(chance: float) -> str:
    """How sure a named statement is, in words; below .40 the opposite statement is the one to name."""
    if chance >= 0.95:
        return "very confident"
    if chance >= 0.80:
        return "fairly confident"
    if chance >= 0.60:
        return "leaning towards"
    return "cannot tell"


def joint_of(words: str) -> str:
    """What joins the words and the statement in a sentence."""
    return {"leaning towards": ":", "cannot tell": " whether"}.get(words, " that")


def statement(text: str, opposite: str, chance: float) -> dict[str, object]:
    """A statement with its chance (2 digits), words and both as a sentence; below .40 it is the opposite statement."""
    if chance < 0.40:
        text, chance = opposite, 1.0 - chance
    words, chance = in_words(chance), min(0.99, max(0.01, round(chance, 2)))  # never 100 %: nothing is proved
    joint = joint_of(words)
    return {
        "text": text,
        "probability": chance,
        "words": words,
        "sentence": f"{words.capitalize()}{joint} {text} (chance {chance:.0%}).",
    }


def decide(evidence: Evidence) -> Recommendation:
    """The first of the eight rules that fits."""
    for rule in (_harm, _invalid, _too_early, _cannot_tell, _scale, _stop, _next_wave):
        if (found := rule(evidence)) is not None:
            return found
    return _iterate(evidence)


def _harm(e: Evidence) -> Recommendation | None:
    loses = e.chance_positive is not None and 1.0 - e.chance_positive >= HARM_CHANCE
    if not loses and not e.guardrails_failed:
        return None
    why = ["Pupils with the change probably did worse than pupils without it."] if loses else []
    why += [f"Guardrail: {name}." for name in e.guardrails_failed]
    return Recommendation(
        HARM,
        "Pause and look: the change may do harm.",
        [*why, *e.invalid],
        "Pause the change, talk to the schools, and look at what was done before anything else.",
    )


def _invalid(e: Evidence) -> Recommendation | None:
    if not e.invalid:
        return None
    return Recommendation(
        INVALID,
        "The comparison cannot be used as it is.",
        list(e.invalid),
        "Mend what is named above, or plan the comparison anew.",
    )


def _too_early(e: Evidence) -> Recommendation | None:
    if not e.too_early and e.chance_positive is not None:
        return None
    why = list(e.too_early) or ["No outcomes are there yet."]
    return Recommendation(
        TOO_EARLY,
        "Too early to judge the effect.",
        why,
        "Go on as planned; look at whether it happens as intended until the outcomes are in.",
    )


def _cannot_tell(e: Evidence) -> Recommendation | None:
    if e.schools_smaller_arm >= FORMATIVE_BELOW:
        return None
    missing = FORMATIVE_BELOW - e.schools_smaller_arm
    schools = "school" if e.schools_smaller_arm == 1 else "schools"
    return Recommendation(
        CANNOT_TELL,
        "This design cannot tell whether the change works.",
        [
            f"The smaller arm has {e.schools_smaller_arm} {schools}: what a school does by itself weighs as much as "
            "the change."
        ],
        f"With {missing} more in the smaller arm ({FORMATIVE_BELOW} in each) a judgement is possible; until then learn "
        "from how it goes.",
    )


def _chances(e: Evidence) -> tuple[float, float]:
    """Both chances; the rules before have dealt with their absence."""
    return e.chance_positive or 0.0, e.chance_matters or 0.0


def _scale(e: Evidence) -> Recommendation | None:
    positive, matters = _chances(e)
    if positive < SCALE_CHANCE or matters < SCALE_MATTERS or e.guardrails_open:
        return None
    return Recommendation(
        SCALE,
        "Scale: it works, and well enough to matter.",
        [
            "Very confident that pupils gained.",
            f"A gain of {e.smallest_effect:.2f} SD or more is at least as likely as not.",
        ],
        "Bring it to more schools in waves, with the same support, and keep measuring.",
    )


def _stop(e: Evidence) -> Recommendation | None:
    _, matters = _chances(e)
    if matters > STOP_MATTERS:
        return None
    return Recommendation(
        STOP,
        "Stop: a gain that matters is unlikely.",
        [f"A gain of {e.smallest_effect:.2f} SD or more is unlikely.", *_dosage(e)],
        "End it, keep what was learned, and use the money elsewhere.",
    )


def _next_wave(e: Evidence) -> Recommendation | None:
    positive, _ = _chances(e)
    if positive < NEXT_CHANCE:
        return None
    why = ["Pupils probably gained; how much is not clear enough yet to scale."]
    why += [f"Guardrail not yet shown to be safe: {name}." for name in e.guardrails_open]
    return Recommendation(
        NEXT_WAVE,
        "Next wave: add schools, in random order.",
        [*why, *_dosage(e)],
        "Draw the next schools at random, keep a comparison, and judge again at the next assessment.",
    )


def _iterate(e: Evidence) -> Recommendation:
    return Recommendation(
        ITERATE,
        "Iterate: change the practice, keep the measure.",
        ["The outcomes speak neither for a gain nor against one.", *_dosage(e)],
        "Change one thing in the practice, note it in the plan, and judge again at the next assessment.",
    )


def _dosage(e: Evidence) -> list[str]:
    if e.dosage_met_share is None or e.dosage_met_share >= DOSAGE_AS_INTENDED:
        return []
    return [f"Not yet tested as intended: {e.dosage_met_share:.0%} of pupils got the planned time."]
