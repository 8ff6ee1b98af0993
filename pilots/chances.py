"""What the decision rule would say of a pilot of this design, for a given true effect: by simulation of schools.

Each run draws school means as the design says they vary and puts them through the product's own school model, beliefs
and rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pilots import posterior
from pilots.decision import DECISIONS, Evidence, decide
from pilots.power import Design
from pilots.school_model import SchoolModel

# A variance between schools of nought would leave the rule nothing to weigh.
SMALLEST_VARIANCE = 1e-6


@dataclass(frozen=True)
class DecisionChances:
    """Of ``runs`` simulated pilots with this true effect (in SD), the share that each decision was said of."""

    effect: float
    runs: int
    shares: dict[str, float]

    @property
    def monte_carlo_error(self) -> float:
        """The largest standard error that simulation leaves in a share."""
        return float((0.25 / self.runs) ** 0.5)


def decision_chances(
    design: Design,
    effects: Sequence[float],
    smallest_effect: float,
    prior_sd: float,
    runs: int,
    seed: int,
    decides_by: str | None = None,
) -> list[DecisionChances]:
    """The chances of each decision for each true effect, the outcomes complete and dosage as intended.

    ``smallest_effect`` and ``prior_sd`` are c and the prior of the plan, in SD, ``decides_by`` the prior that it lets
    decide. The same seed gives the same chances;
    effects share their draws of schools, so that differences between them are not the draw's. No runs, no chances.
    """
    if runs == 0:
        return []
    rng = np.random.default_rng(seed)
    treated = np.arange(design.schools) < design.treated_schools
    variance = np.full(design.schools, max(SMALLEST_VARIANCE, design.between_variance + design.within_variance))
    noise = rng.normal(0.0, np.sqrt(variance), (runs, design.schools))
    # What schools are adjusted for has done its work in the variance; here it costs its degrees of freedom.
    covariates = rng.normal(size=(runs, design.schools, design.covariates))
    block = (
        np.where(treated, np.arange(design.schools), np.arange(design.schools) - design.treated_schools) % design.blocks
    )
    fixed = (block[:, None] == np.arange(design.blocks)).astype(float)
    priors = posterior.deciding_priors(prior_sd)
    found = []
    for effect in effects:
        said: Counter[str] = Counter()
        for row, beside in zip(noise, covariates, strict=True):
            model = SchoolModel.of(row + effect * treated, treated, np.column_stack([fixed, beside]), variance)
            beliefs = posterior.beliefs(model, priors, design.is_random)
            evidence = Evidence(
                chances=posterior.chances_of(beliefs, smallest_effect),
                smallest_effect=smallest_effect,
                schools_smaller_arm=design.smaller_arm,
                dosage_met_share=1.0,
                decides_by=decides_by,
            )
            said[decide(evidence).code] += 1
        found.append(DecisionChances(effect, runs, {code: said[code] / runs for code in DECISIONS if said[code]}))
    return found
