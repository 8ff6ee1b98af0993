"""Districts on school rows whose truth is known: what the operating characteristics of pilots are measured on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pilots.posterior import VOLUNTEER_BIAS_SD

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PUPILS = 300  # a school
R2 = 0.7  # of the variance between schools and within that the pretest explains
BLOCK_GAP = 0.30  # SD by which schools of one block outgrow those of the other, pretest or not
TRAIT_WEIGHT = 0.30  # correlation of volunteering with the pretest: near .20 SD apart at baseline
HIDDEN_SD = 0.15  # SD by which volunteers on unobserved traits would have outgrown the others anyway


@dataclass(frozen=True)
class District:
    """One entry a school; ``outcome`` holds the effect. ``blocks`` are those of the draw, None where there are none."""

    pretest: Floats
    outcome: Floats
    is_treated: Bools
    blocks: list[list[int]] | None
    pupils: NDArray[np.int64]


def _schools(rng: np.random.Generator, schools: int, icc: float) -> tuple[Floats, Floats]:
    """(mean pretest, mean outcome without the change) in SD of pupils: ICC of both, R2 between and within."""
    sampling = math.sqrt((1.0 - icc) / PUPILS)
    pretest = rng.normal(0.0, math.sqrt(icc), schools)
    left = rng.normal(0.0, math.sqrt(icc * (1.0 - R2)), schools) + rng.normal(
        0.0, sampling * math.sqrt(1.0 - R2), schools
    )
    seen = pretest + rng.normal(0.0, sampling, schools)
    return seen, math.sqrt(R2) * seen + left


def _half(rng: np.random.Generator, schools: int, of: NDArray[np.int64], share: float) -> Bools:
    found = np.zeros(schools, dtype=bool)
    found[rng.permutation(of)[: round(share * len(of))]] = True
    return found


def _district(
    pretest: Floats, outcome: Floats, treated: Bools, effect: float, blocks: list[list[int]] | None
) -> District:
    return District(pretest, outcome + effect * treated, treated, blocks, np.full(len(treated), PUPILS))


def drawn(rng: np.random.Generator, schools: int, icc: float, effect: float) -> District:
    """Half of the schools, drawn at random."""
    pretest, outcome = _schools(rng, schools, icc)
    return _district(pretest, outcome, _half(rng, schools, np.arange(schools), 0.5), effect, None)


def unequal_blocks(rng: np.random.Generator, schools: int, icc: float, effect: float) -> District:
    """Two blocks that grow apart, two thirds of one and one third of the other drawn."""
    pretest, outcome = _schools(rng, schools, icc)
    one, other = np.split(np.arange(schools), 2)
    treated = _half(rng, schools, one, 2 / 3) | _half(rng, schools, other, 1 / 3)
    outcome[one] += BLOCK_GAP
    return _district(pretest, outcome, treated, effect, [list(map(int, one)), list(map(int, other))])


def volunteers(rng: np.random.Generator, schools: int, icc: float, effect: float) -> District:
    """Half of the schools, those with the higher pretest more often."""
    pretest, outcome = _schools(rng, schools, icc)
    wish = TRAIT_WEIGHT * pretest / math.sqrt(icc) + math.sqrt(1.0 - TRAIT_WEIGHT**2) * rng.normal(size=schools)
    return _district(pretest, outcome, wish > np.median(wish), effect, None)


def hidden_volunteers(rng: np.random.Generator, schools: int, icc: float, effect: float) -> District:
    """Half of the schools, which would have gained .15 SD more than the others anyway: nothing in the data tells."""
    pretest, outcome = _schools(rng, schools, icc)
    treated = _half(rng, schools, np.arange(schools), 0.5)
    return _district(pretest, outcome + HIDDEN_SD * treated, treated, effect, None)


def biased_volunteers(rng: np.random.Generator, schools: int, icc: float, effect: float) -> District:
    """Volunteers who would have grown apart anyway by N(0, .10^2) SD, as the product believes of volunteers."""
    found = volunteers(rng, schools, icc, effect)
    return replace(found, outcome=found.outcome + rng.normal(0.0, VOLUNTEER_BIAS_SD) * found.is_treated)


@dataclass(frozen=True)
class Design:
    """How schools came into the arms. ``is_bounded``: whether decisions, tests and intervals are held to the bounds,
    ``is_calibrated``: whether chances are."""

    make: Callable[[np.random.Generator, int, float, float], District]
    is_random: bool
    is_bounded: bool = True
    is_calibrated: bool = True


DESIGNS = {
    "random": Design(drawn, is_random=True),
    "unequal blocks": Design(unequal_blocks, is_random=True),
    "volunteers": Design(volunteers, is_random=False),
    "biased volunteers": Design(biased_volunteers, is_random=False, is_bounded=False),
    "hidden volunteers": Design(hidden_volunteers, is_random=False, is_bounded=False, is_calibrated=False),
}
