"""The decision rule: eight cases, the first that fits, and the words in which it is told.

The thresholds were calibrated by simulation at school level (benchmarks/pilots_operating_characteristics.py). A chance
is stated under two priors, the plan's and that of large trials; the more sceptical of the two decides, unless the plan
names one and says why. Never "proved". An effect above 0 is the better one, whichever way the measure is to move.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import median

SCALE_CHANCE, SCALE_MATTERS, STOP_MATTERS, NEXT_CHANCE = 0.95, 0.50, 0.10, 0.80
# HARM: a chance of .90 that the effect is under -.05 SD. A chance of .90 that it is under nothing at all, the older
# rule, cried wolf over 5 to 8.5 % of harmless pilots; it is now a reason to look.
HARM_CHANCE, HARM_BELOW = 0.90, -0.05
DOSAGE_AS_INTENDED = 0.60
# Schools in the smaller arm under which no chance is told (also the ladder of inference and the power advice).
FORMATIVE_BELOW = 6

HARM, INVALID, TOO_EARLY, CANNOT_TELL = "HARM", "INVALID", "TOO EARLY", "CANNOT TELL"
SCALE, STOP, NEXT_WAVE, ITERATE = "SCALE", "STOP", "NEXT WAVE", "ITERATE"
DECISIONS = (HARM, INVALID, TOO_EARLY, CANNOT_TELL, SCALE, STOP, NEXT_WAVE, ITERATE)
# What the priors are called where their chances stand beside each other.
PRIOR_NAMES = {"plan": "the plan's prior", "evidence": "141 large trials"}


@dataclass(frozen=True)
class Wanted:
    """How a wanted move of the measure is called: as what happened, as what did not, and as a thing."""

    happened: str
    did_not: str
    thing: str


# By the direction of the plan's hypothesis.
WANTED = {
    "rise": Wanted("pupils gained", "pupils did not gain", "a gain"),
    "fall": Wanted("the measure fell", "the measure did not fall", "a fall"),
}


@dataclass(frozen=True)
class Chances:
    """Chances of one prior: that the effect is above nothing, that it is enough to matter, that it is under -.05 SD."""

    positive: float
    matters: float
    harmful: float


@dataclass(frozen=True)
class Evidence:
    """What the rule looks at. ``chances`` by name of the prior; empty where there are no outcomes to judge.

    ``invalid``, ``too_early`` and ``cannot_compare`` hold the reasons, empty where there are none;
    ``guardrails_failed`` those that fail with a chance of .90 or more, ``guardrails_open`` those planned and not shown
    to be no worse; ``frozen_late`` the sentence that says so. ``direction`` is the hypothesis's, for the words;
    ``decides_by`` the prior that the plan lets decide, None for the more sceptical of them.
    """

    chances: Mapping[str, Chances]
    smallest_effect: float
    schools_smaller_arm: int
    dosage_met_share: float | None
    invalid: list[str] = field(default_factory=list)
    too_early: list[str] = field(default_factory=list)
    cannot_compare: list[str] = field(default_factory=list)
    guardrails_failed: list[str] = field(default_factory=list)
    guardrails_open: list[str] = field(default_factory=list)
    frozen_late: str | None = None
    direction: str = "rise"
    decides_by: str | None = None

    @property
    def wanted(self) -> Wanted:
        """The words for a move in the wanted direction."""
        return WANTED[self.direction]

    @property
    def deciding(self) -> list[Chances]:
        """The chances that the rule looks at."""
        return [one for name, one in self.chances.items() if self.decides_by in (None, name)]

    @property
    def positive(self) -> float:
        """Chance of a gain under the deciding prior that gives it the less; 0 where none is told."""
        return min((one.positive for one in self.deciding), default=0.0)

    @property
    def matters(self) -> float:
        """Chance of a gain that matters under the deciding prior that gives it the less (for SCALE)."""
        return min((one.matters for one in self.deciding), default=0.0)

    @property
    def may_matter(self) -> float:
        """Chance of a gain that matters under the deciding prior that gives it the more (for STOP)."""
        return max((one.matters for one in self.deciding), default=1.0)

    @property
    def harmful(self) -> float:
        """Chance of harm under the deciding prior that gives it the less."""
        return min((one.harmful for one in self.deciding), default=0.0)

    @property
    def is_formative(self) -> bool:
        """Whether there are too few schools for a chance."""
        return self.schools_smaller_arm < FORMATIVE_BELOW


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


def statement(
    text: str, opposite: str, chances: Mapping[str, float], decides_by: str | None = None
) -> dict[str, object]:
    """A statement with the chance that is told, its words, the chance under each prior, and all of it as a sentence.

    Told is the chance of the prior that is less sure; where one prior leans to the statement and the other to its
    opposite it is an even chance. ``decides_by`` names the one that is told instead, where the plan lets one decide.
    Below .40 the opposite statement is named. Chances are rounded down to 2 digits, so that no word is stronger than
    its number.
    """
    told = chances[decides_by] if decides_by else median([0.5, min(chances.values()), max(chances.values())])
    if told < 0.40:
        text, told = opposite, 1.0 - told
        chances = {name: 1.0 - chance for name, chance in chances.items()}
    told, by_prior = printed(told), {name: printed(chance) for name, chance in chances.items()}
    words = in_words(told)
    each = ", ".join(f"{chance:.0%} by {PRIOR_NAMES.get(name, name)}" for name, chance in by_prior.items())
    return {
        "text": text,
        "probability": told,
        "words": words,
        "by_prior": by_prior,
        "sentence": f"{words.capitalize()}{joint_of(words)} {text} (chance {told:.0%}: {each}).",
    }


def printed(chance: float) -> float:
    """A chance as it is printed: rounded down, and never 0 or 100 %, for nothing is proved."""
    return min(0.99, max(0.01, math.floor(chance * 100 + 1e-9) / 100))


def decide(evidence: Evidence) -> Recommendation:
    """The first of the eight rules that fits; a plan frozen late gets no further than ITERATE."""
    for rule in (_harm, _invalid, _too_early, _cannot_tell, _scale, _stop, _next_wave):
        if (found := rule(evidence)) is not None:
            break
    else:
        found = _iterate(evidence)
    if evidence.frozen_late and found.code in (SCALE, NEXT_WAVE):
        found = _iterate(evidence)
        return replace(found, why=[evidence.frozen_late, *found.why[1:]])
    return found


def look(evidence: Evidence) -> str | None:
    """A warning where the pilot may harm and the rule does not say HARM: too few schools, or too little of it."""
    loses = min((1.0 - one.positive for one in evidence.deciding), default=0.0) >= HARM_CHANCE
    if not loses or (evidence.harmful >= HARM_CHANCE and not evidence.is_formative):
        return None
    why = "too few schools to call it harm" if evidence.is_formative else "not by as much as would be called harm"
    return f"Look: pupils with the change seem to have done worse than pupils without it ({why})."


def _harm(e: Evidence) -> Recommendation | None:
    loses = e.harmful >= HARM_CHANCE and not e.is_formative
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
    if not e.too_early and (e.chances or e.cannot_compare or e.is_formative):
        return None
    why = list(e.too_early) or ["No outcomes are there yet."]
    return Recommendation(
        TOO_EARLY,
        "Too early to judge the effect.",
        why,
        "Go on as planned; look at whether it happens as intended until the outcomes are in.",
    )


def _cannot_tell(e: Evidence) -> Recommendation | None:
    if e.cannot_compare:
        return Recommendation(
            CANNOT_TELL,
            "There is nothing to compare.",
            list(e.cannot_compare),
            "Mend what is named above; until then learn from how it goes.",
        )
    if not e.is_formative:
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


def _scale(e: Evidence) -> Recommendation | None:
    if e.positive < SCALE_CHANCE or e.matters < SCALE_MATTERS or e.guardrails_open:
        return None
    return Recommendation(
        SCALE,
        "Scale: it works, and well enough to matter.",
        [_sure(e.positive, e.wanted.happened), _sure(e.matters, _enough(e, e.wanted.happened))],
        "Bring it to more schools in waves, with the same support, and keep measuring.",
    )


def _stop(e: Evidence) -> Recommendation | None:
    if e.may_matter > STOP_MATTERS:
        return None
    # What was hardly done was not tested: it may be stopped as it was done, which is no verdict on the change.
    is_tested, thing = not _dosage(e), e.wanted.thing
    return Recommendation(
        STOP,
        f"Stop: {thing} that matters is unlikely."
        if is_tested
        else f"Stop it as it was done: {thing} that matters is unlikely. The change was not tested as intended.",
        [_sure(1.0 - e.may_matter, _enough(e, e.wanted.did_not)), *_dosage(e)],
        "End it, keep what was learned, and use the money elsewhere."
        if is_tested
        else "End it as it was done and keep what was learned; before it is tried again, see that it can be done.",
    )


def _next_wave(e: Evidence) -> Recommendation | None:
    if e.positive < NEXT_CHANCE:
        return None
    why = [_sure(e.positive, e.wanted.happened), "How much is not clear enough yet to scale."]
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
        [f"The outcomes speak neither for {e.wanted.thing} nor against one.", *_dosage(e)],
        "Change one thing in the practice, note it in the plan, and judge again at the next assessment.",
    )


def _sure(chance: float, text: str) -> str:
    """A reason with the very words that the statement of the same chance has: one claim, one strength."""
    words = in_words(printed(chance))
    return f"{words.capitalize()}{joint_of(words)} {text}."


def _enough(e: Evidence, happened: str) -> str:
    return f"{happened} enough to matter ({e.smallest_effect:.2f} SD or more)"


def _dosage(e: Evidence) -> list[str]:
    if e.dosage_met_share is None or e.dosage_met_share >= DOSAGE_AS_INTENDED:
        return []
    return [f"Not yet tested as intended: {e.dosage_met_share:.0%} of pupils got the planned time."]
