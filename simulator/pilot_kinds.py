"""What the simulated pilots are about, and what is true of each: data, no draw.

Two stand in every district of four schools or more. The other four need a district of their own size
(``--pilots 6``): one too small to tell, one that harms, one of volunteers, one in waves.
"""

from __future__ import annotations

from dataclasses import dataclass

RANDOM, VOLUNTEERS, WAVES = "random", "volunteers", "waves"
MATH, READING = 0, 1


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What one pilot is about.

    ``effect_sd`` is the truth, in standard deviations of the outcome: for one that works, the size that such
    programmes mostly have (.05 to .15), not one that a small pilot must find. ``learns_faster`` is the share by which
    its pupils learn more at each answer (less, where it is negative): that part of the effect shows in their work too.
    ``is_taken_up``: schools give it the time that was planned; where not, some do and some do not.
    ``is_tested_one_by_one``: with an adult beside, so that nobody is left out and nobody guesses. ``barrier`` is its
    kind, as in the plan's form, and what it is.
    """

    pilot_id: str
    title: str
    subject: int
    effect_sd: float
    learns_faster: float
    change: str
    reason: str
    vision: str
    gap: str
    causes: tuple[str, ...]
    on_monday: tuple[str, ...]
    partner: str
    barrier: tuple[str, str]
    licence_usd: float
    training_usd: float
    device_usd: float
    design: str = RANDOM
    is_taken_up: bool = True
    is_tested_one_by_one: bool = False


FIRST_TWO = (
    Kind(
        pilot_id="fraction-studio",
        title="Fraction Studio: small-group practice chosen by mastery",
        subject=MATH,
        effect_sd=0.15,
        learns_faster=0.15,
        change="give pupils a daily studio period with practice chosen by what they have mastered",
        reason="practice at the edge of what a pupil knows is what moves it",
        vision="Every pupil practises each day at the edge of what she knows, and is seen by an adult when she is"
        " stuck.",
        gap="one in three pupils enters middle school without equivalent fractions",
        causes=("practice is the same for all of a class", "nobody sees who is stuck before the unit ends"),
        on_monday=(
            "open the studio page of the class and take the groups as they stand",
            "sit with the group that is stuck, twelve minutes; the others practise what the page names",
            "write down what the group could say at the end, and see it again on Thursday",
        ),
        partner="Tallypath",
        barrier=("scheduling", "a daily period of twelve minutes in the timetable of every class"),
        licence_usd=24.0,
        training_usd=2_400.0,
        device_usd=0.0,
    ),
    Kind(
        pilot_id="reading-companion",
        title="Reading Companion: an adaptive reading app at home",
        subject=READING,
        effect_sd=0.0,
        learns_faster=0.0,
        change="give pupils an adaptive reading app for use at home",
        reason="more reading at the right level builds comprehension",
        vision="Every pupil reads each day at home, at a level that is neither boring nor out of reach.",
        gap="half of the pupils read less than ten minutes a day out of school",
        causes=("few books at the right level at home", "families do not know which level is right"),
        on_monday=(
            "let every pupil choose one book of the level that the app names",
            "agree with families on a quarter of an hour a day, and on who listens",
        ),
        partner="Lumenread",
        barrier=("connectivity", "pupils without a connection at home"),
        licence_usd=18.0,
        training_usd=900.0,
        device_usd=1_500.0,
        is_taken_up=False,
    ),
)

OTHER_FOUR = (
    # Two schools an arm: whatever is true, the rule has to say that it cannot tell. With so few pupils some untested
    # ones more in one arm would be high attrition and another word.
    Kind(
        pilot_id="number-talks",
        title="Number Talks: ten minutes of arithmetic aloud, in four schools",
        subject=MATH,
        effect_sd=0.15,
        learns_faster=0.10,
        change="begin each lesson with ten minutes of arithmetic aloud",
        reason="saying how one found it shows a way that others can take",
        vision="Every pupil can say how she found a number, and follows how another found it.",
        gap="pupils reach for paper where a thought would do",
        causes=("arithmetic is practised in silence",),
        on_monday=("write one sum on the board and ask for three ways to find it", "note who has not spoken this week"),
        partner="Office of mathematics",
        barrier=("seat_time", "ten minutes of every lesson"),
        licence_usd=0.0,
        training_usd=1_200.0,
        device_usd=0.0,
        is_tested_one_by_one=True,
    ),
    # Large, for twelve schools an arm to see it: in fully online schools pupils were found to fall 180 school days a
    # year behind in mathematics (CREDO 2015), near .25 SD.
    Kind(
        pilot_id="screens-first",
        title="Screens First: lessons on a screen in the teacher's place",
        subject=MATH,
        effect_sd=-0.40,
        learns_faster=-0.40,
        change="put lessons on a screen in the place of the teacher's",
        reason="each pupil goes at her own pace",
        vision="Every pupil goes through mathematics at a pace of her own.",
        gap="classes wait for the slowest and lose the fastest",
        causes=("one lesson for all of a class",),
        on_monday=("sign every pupil in and let her begin where the screen says",),
        partner="Quillboard",
        barrier=("connectivity", "a screen for every pupil at the same time"),
        licence_usd=60.0,
        training_usd=1_500.0,
        device_usd=12_000.0,
    ),
    Kind(
        pilot_id="library-hour",
        title="Library Hour: schools that volunteered",
        subject=READING,
        effect_sd=0.0,
        learns_faster=0.0,
        change="give every class an hour in the library each week",
        reason="who chooses what to read reads more of it",
        vision="Every pupil has a book of her own choice at hand.",
        gap="one in two pupils has not borrowed a book this year",
        causes=("libraries are closed in the lessons' time",),
        on_monday=("walk to the library with the class and let every pupil take one book home",),
        partner="County library",
        barrier=("scheduling", "an hour of the library for every class"),
        licence_usd=0.0,
        training_usd=600.0,
        device_usd=0.0,
        design=VOLUNTEERS,
        is_taken_up=False,
    ),
    Kind(
        pilot_id="peer-tutors",
        title="Peer Tutors: older pupils tutor younger ones, in three waves",
        subject=READING,
        effect_sd=0.25,
        learns_faster=0.15,
        change="have older pupils tutor younger ones twice a week",
        reason="both learn: who explains, and who is explained to",
        vision="Every pupil has somebody near her own age to read with.",
        gap="pupils who read alone are not heard",
        causes=("a teacher hears each pupil once in two weeks",),
        on_monday=(
            "pair every younger pupil with an older one for the month",
            "hand out the card with three questions",
        ),
        partner="Office of literacy",
        barrier=("scheduling", "two half hours that two grades have in common"),
        licence_usd=6.0,
        training_usd=1_800.0,
        device_usd=0.0,
        design=WAVES,
    ),
)
SIX = (*FIRST_TWO, *OTHER_FOUR)
# Those whose schools are drawn as ``cairn pilots assign`` draws them: the command with the plan's seed says the same.
DRAWN = tuple(kind.pilot_id for kind in OTHER_FOUR if kind.design != VOLUNTEERS)
# Schools of each where a district holds all six. Twelve an arm see the harm; waves are three of four and six held back.
SCHOOLS_OF_SIX = (12, 12, 4, 24, 12, 18)
WAVES_OF, HELD_BACK = 3, 6
# SD of ability by which the schools that volunteer are ahead of the others before anything begins.
VOLUNTEERS_AHEAD_SD = 0.8


def first_school(which: int) -> int:
    """Index of the first school of pilot ``which`` (from 0) where a district holds all six."""
    return sum(SCHOOLS_OF_SIX[:which])


def volunteering_schools(pilots: int) -> tuple[int, ...]:
    """Indices of the schools that volunteer: two of each four of their pilot, so that both have all grades."""
    found: list[int] = []
    for which, kind in enumerate(SIX[:pilots] if pilots == len(SIX) else ()):
        if kind.design == VOLUNTEERS:
            first = first_school(which)
            found += [first + k for k in range(SCHOOLS_OF_SIX[which]) if k % 4 < 2]
    return tuple(found)
