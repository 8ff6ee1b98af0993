"""The draw of schools: one of a stored set of balanced allocations, with a recorded seed, replayable by anybody.

What was drawn is a row of ``gold.pilot_allocation``, and so is all that could have been drawn; the test permutes over
that. A second draw needs a reason, and both stay on record.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow.compute as pc
import yaml
from numpy.typing import NDArray

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from pilots import permutation, registry
from pilots.allocation_sets import LEAST, balanced_set
from pilots.draft import Draft
from pilots.plan import Plan
from pilots.school_traits import SchoolTraits

TABLE = "gold.pilot_allocation"
WAIT_SECONDS = 60.0

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class TraitBalance:
    """One trait over the arms of the drawn allocation: means of schools, the difference in SD of schools (within
    blocks), and the range of that difference over the set."""

    trait: str
    treatment: float
    comparison: float
    difference_sd: float
    lowest_sd: float
    highest_sd: float


@dataclass(frozen=True)
class Draw:
    """A draw as it is on record. ``allocations`` [allocation, school] are over ``schools``, sorted.

    Row ``drawn`` is the one in force; ``limit_sd`` the largest difference let in, None where none was asked.
    """

    pilot_id: str
    number: int
    schools: tuple[str, ...]
    allocations: Bools
    drawn: int
    seed: int
    design_hash: str
    possible: float
    limit_sd: float | None
    balance: tuple[TraitBalance, ...]
    reason: str | None

    def arm(self, is_treatment: bool) -> list[str]:
        """Schools with the change, or those without, sorted."""
        row = self.allocations[self.drawn]
        return [school for school, treated in zip(self.schools, row, strict=True) if bool(treated) is is_treatment]

    @property
    def smallest_p(self) -> float:
        """The smallest two-sided p that a permutation over the set can reach."""
        return permutation.smallest_p(self.allocations)

    def warnings(self) -> list[str]:
        """What a reader has to know of a set that is small, or of arms that are not as alike as they should be."""
        found = []
        if min(len(self.arm(True)), len(self.arm(False))) < 2:
            found.append("One school in an arm: the school and the change cannot be told apart, whatever is found.")
        if self.possible < LEAST:
            found.append(
                f"This design has only {self.possible:.0f} possible allocations, fewer than {LEAST}: all of them are in"
                f" the set, none was left out for balance, and p cannot be below {self.smallest_p:.3g}."
            )
        if self.limit_sd is not None and self.limit_sd > 0.25:
            found.append(
                f"Arms within 0.25 SD of each other are too rare here: differences up to {self.limit_sd:.2f} SD of "
                "schools were let in. More schools, or blocks of like schools, would help."
            )
        return found


def assign(
    settings: Settings,
    draft: Draft,
    traits: SchoolTraits,
    seed: int | None = None,
    again: str | None = None,
    account: str | None = None,
) -> tuple[Draw, bool]:
    """(the draw that stands, whether it was made now). Drawing again with the recorded seed gives the recorded draw.

    ``seed``, else the draft's, else a fresh one. ``again`` is the reason for a second draw. Raises CairnError where a
    draw is on record with another seed or of another design and no reason is given, and where the plan is frozen.
    """
    with lake.lease(settings, "pilot-allocations", wait_seconds=WAIT_SECONDS) as is_ours:
        if not is_ours:
            raise CairnError("another process is drawing schools: wait for it and run this again")
        standing = standing_draw(settings, draft.pilot_id)
        wanted = draft.seed if seed is None else seed
        if standing is not None and again is None:
            if standing.design_hash != draft.design_hash:
                raise CairnError(_refusal(standing, "of other schools, blocks or numbers"))
            if wanted is not None and wanted != standing.seed:
                raise CairnError(_refusal(standing, f"with seed {standing.seed}, not {wanted}"))
            return standing, False
        if any(plan.pilot_id == draft.pilot_id for plan in registry.newest_plans(settings)):
            raise CairnError(
                f"pilot {draft.pilot_id!r} is frozen already, and its arms with it: draw before freezing, or give the "
                "new plan an id of its own"
            )
        if standing is not None and seed == standing.seed and draft.design_hash == standing.design_hash:
            raise CairnError(f"seed {seed} gives the draw that is on record: give --again another seed, or none")
        if wanted is None or (standing is not None and wanted == standing.seed and seed is None):
            wanted = secrets.randbelow(2**31)
        draw = _draw(draft, traits, wanted, (standing.number if standing else 0) + 1, again)
        lake.append(settings, TABLE, _rows(draw, account))
        return draw, True


def draw_once(draft: Draft, traits: SchoolTraits, seed: int) -> Draw:
    """The draw that :func:`assign` records as the first of a pilot; nothing is recorded here."""
    return _draw(draft, traits, seed, 1, None)


def _refusal(standing: Draw, how: str) -> str:
    return (
        f"pilot {standing.pilot_id!r} was drawn already, {how}: a draw that is repeated until it pleases is none. Keep"
        f" it (seed {standing.seed}), or record a second one with --again and the reason"
    )


def _draw(draft: Draft, traits: SchoolTraits, seed: int, number: int, reason: str | None) -> Draw:
    # The set follows from design and traits alone, so that nobody chooses it with the seed.
    found = balanced_set(traits.values, draft.blocks, int(draft.design_hash[:12], 16))
    drawn = int(np.random.default_rng(seed).integers(len(found.allocations)))
    row = found.allocations[drawn]
    balance = tuple(
        TraitBalance(
            trait=name,
            treatment=float(traits.values[row, column].mean()),
            comparison=float(traits.values[~row, column].mean()),
            difference_sd=float(found.differences[drawn, column]),
            lowest_sd=float(found.differences[:, column].min()),
            highest_sd=float(found.differences[:, column].max()),
        )
        for column, name in enumerate(traits.names)
    )
    return Draw(
        pilot_id=draft.pilot_id,
        number=number,
        schools=draft.schools,
        allocations=found.allocations,
        drawn=drawn,
        seed=seed,
        design_hash=draft.design_hash,
        possible=float(found.possible),
        limit_sd=found.limit,
        balance=balance,
        reason=reason,
    )


def _rows(draw: Draw, account: str | None) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    schools = np.array(draw.schools, dtype=object)
    return [
        {
            "pilot_id": draw.pilot_id,
            "draw": draw.number,
            "allocation": number,
            "treatment": schools[row].tolist(),
            "comparison": schools[~row].tolist(),
            "is_drawn": number == draw.drawn,
            "seed": draw.seed,
            "design_hash": draw.design_hash,
            "possible_allocations": draw.possible,
            "limit_sd": draw.limit_sd,
            "balance": json.dumps([asdict(one) for one in draw.balance]) if number == draw.drawn else None,
            "reason": draw.reason,
            "drawn_by": account,
            "drawn_at": now,
        }
        for number, row in enumerate(draw.allocations)
    ]


def standing_draw(settings: Settings, pilot_id: str) -> Draw | None:
    """The last draw on record of a pilot; None where none was made. Raises CairnError where its rows are not whole."""
    rows = lake.read(settings, TABLE, filters=pc.field("pilot_id") == pilot_id).to_pylist()
    if not rows:
        return None
    last = max(row["draw"] for row in rows)
    rows = sorted((row for row in rows if row["draw"] == last), key=lambda row: row["allocation"])
    drawn = [row for row in rows if row["is_drawn"]]
    if len(drawn) != 1:
        raise CairnError(f"draw {last} of pilot {pilot_id!r} has {len(drawn)} allocations in force: restore {TABLE}")
    one: Mapping[str, Any] = drawn[0]
    schools = tuple(sorted([*one["treatment"], *one["comparison"]]))
    position = {school: number for number, school in enumerate(schools)}
    allocations = np.zeros((len(rows), len(schools)), dtype=bool)
    for number, row in enumerate(rows):
        allocations[number, [position[school] for school in row["treatment"]]] = True
    return Draw(
        pilot_id=pilot_id,
        number=last,
        schools=schools,
        allocations=allocations,
        drawn=rows.index(one),
        seed=one["seed"],
        design_hash=one["design_hash"],
        possible=one["possible_allocations"],
        limit_sd=one["limit_sd"],
        balance=tuple(TraitBalance(**told) for told in json.loads(one["balance"])),
        reason=one["reason"],
    )


def assignment_problem(plan: Plan, draw: Draw | None) -> str | None:
    """What is not as drawn in a plan, as a sentence; None where nothing is, or no draw is on record."""
    if draw is None or not plan.is_random:
        return None
    treated, comparison = set(draw.arm(True)), set(draw.arm(False))
    wrong = sorted(
        school
        for school in set(plan.arms) | treated | comparison
        if plan.arms.get(school)
        != ("treatment" if school in treated else "comparison" if school in comparison else None)
    )
    if not wrong:
        return None
    return f"Assignment is not as drawn (draw {draw.number}, seed {draw.seed}) at {', '.join(wrong)}."


def need_as_drawn(settings: Settings, plan: Plan) -> None:
    """Raise CairnError where schools were drawn for the pilot and the plan's arms are others."""
    if (problem := assignment_problem(plan, standing_draw(settings, plan.pilot_id))) is not None:
        raise CairnError(
            f"{problem} Take the arms that were drawn, or record another draw with 'cairn pilots assign PLAN --again "
            "REASON'"
        )


def stored_allocations(settings: Settings, pilot_id: str, plan_hash: str) -> Bools | None:
    """What the frozen plan's assignment was drawn from: [allocation, school], the one in force first, schools sorted.

    None where no draw is on record, no plan of this hash is frozen, or its arms are not as drawn (see
    :func:`assignment_problem`): then there is no set to permute over.
    """
    draw = standing_draw(settings, pilot_id)
    plans = [
        one.plan for one in registry.newest_plans(settings) if (one.pilot_id, one.plan_hash) == (pilot_id, plan_hash)
    ]
    return permuted_over(plans[0], draw) if plans else None


def permuted_over(plan: Plan, draw: Draw | None) -> Bools | None:
    """The set of a draw for the test of a plan: [allocation, school], the one in force first; None where there is none
    or the plan's arms are not as drawn."""
    if draw is None or not plan.is_random or assignment_problem(plan, draw) is not None:
        return None
    others = np.delete(draw.allocations, draw.drawn, axis=0)
    return np.concatenate([draw.allocations[draw.drawn : draw.drawn + 1], others])


def as_yaml(draw: Draw, blocks: Sequence[Sequence[str]]) -> str:
    """The parts of the plan that the draw fills in: seed, blocks where there are some, arms."""
    assignment: dict[str, Any] = {"method": "random", "seed": draw.seed}
    if blocks:
        assignment["blocks"] = [list(block) for block in blocks]
    part = {"assignment": assignment, "arms": {"treatment": draw.arm(True), "comparison": draw.arm(False)}}
    return str(yaml.safe_dump({"analysis": part}, sort_keys=False))
