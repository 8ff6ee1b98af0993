"""What the decision rule would say of a pilot of this design, for a given true effect: by simulation of schools.

Each run draws school means as the design says they vary and puts them through the product's own posterior and rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pilots.decision import DECISIONS, Evidence, decide
from pilots.posterior import Prior, posterior
from pilots.power import Design

SMALLEST_ICC = 0.001


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
    design: Design, effects: Sequence[float], smallest_effect: float, prior_sd: float, runs: int, seed: int
) -> list[DecisionChances]:
    """The chances of each decision for each true effect, the outcomes complete and dosage as intended.

    ``smallest_effect`` and ``prior_sd`` are c and the prior of the plan, in SD. The same seed gives the same chances;
    effects share their draws of schools, so that differences between them are not the draw's. No runs, no
    chances.
    """
    if runs == 0:
        return []
    treated = np.arange(design.schools) < design.treated_schools
    error = np.full(design.schools, design.within_variance)
    # The prior's variance between schools is the design's own; one of nought would leave the rule nothing to weigh.
    icc = max(design.icc, SMALLEST_ICC)
    prior = Prior(prior_sd, icc, 1 - (1 - design.r2_school) * (1 - design.r2_blocks))
    spread = np.sqrt(design.between_variance + design.within_variance)
    noise = np.random.default_rng(seed).normal(0.0, spread, (runs, design.schools))
    found = []
    for effect in effects:
        said: Counter[str] = Counter()
        for row in noise:
            belief = posterior(row + effect * treated, error, treated, prior, design.is_random)
            evidence = Evidence(
                chance_positive=belief.chance_above(0.0),
                chance_matters=belief.chance_above(smallest_effect),
                smallest_effect=smallest_effect,
                schools_smaller_arm=design.smaller_arm,
                dosage_met_share=1.0,
            )
            said[decide(evidence).code] += 1
        found.append(DecisionChances(effect, runs, {code: said[code] / runs for code in DECISIONS if said[code]}))
    return found
