"""The draw of schools: one of a stored set of balanced allocations, with a recorded seed, replayable by anybody.

Where a plan's schools start in waves, the order is drawn with the arms. What was drawn is a row of
``gold.pilot_allocation``, and so is all that could have been drawn; the test permutes over that. A second draw needs a
reason, and both stay on record.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
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
from pilots.order_sets import balanced_orders
from pilots.plan import Plan
from pilots.school_traits import SchoolTraits

TABLE = "gold.pilot_allocation"
WAIT_SECONDS = 60.0

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class TraitBalance:
    """One trait over the arms of the drawn allocation: means of schools, the difference in SD of schools (within
    blocks), and the range of that difference over the set. For a wave ``treatment`` is its mean and ``comparison`` that
    of all other schools."""

    trait: str
    treatment: float
    comparison: float
    difference_sd: float
    lowest_sd: float
    highest_sd: float


@dataclass(frozen=True)
class Draw:
    """A draw as it is on record. ``orders`` [allocation, school] are over ``schools``, sorted: the wave of a school,
    from 1, or 0 where it does not get the change; without waves all that get it are in wave 1.

    Row ``drawn`` is the one in force; ``limit_sd`` the largest difference let in, None where none was asked.
    """

    pilot_id: str
    number: int
    schools: tuple[str, ...]
    orders: Ints
    drawn: int
    seed: int
    design_hash: str
    possible: float
    limit_sd: float | None
    balance: tuple[TraitBalance, ...]
    reason: str | None

    @property
    def allocations(self) -> Bools:
        """Which schools get the change [allocation, school]."""
        return np.asarray(self.orders > 0)

    @cached_property
    def waves(self) -> dict[str, int]:
        """School with the change to its wave, as drawn; empty where all start together."""
        if int(self.orders.max()) < 2:
            return {}
        return {school: int(one) for school, one in zip(self.schools, self.orders[self.drawn], strict=True) if one}

    def arm(self, is_treatment: bool) -> list[str]:
        """Schools with the change, or those without, sorted."""
        row = self.allocations[self.drawn]
        return [school for school, treated in zip(self.schools, row, strict=True) if bool(treated) is is_treatment]

    @property
    def smallest_p(self) -> float:
        """The smallest two-sided p that a permutation over the set can reach."""
        return 1 / len(self.orders) if self.waves else permutation.smallest_p(self.allocations)

    @property
    def what(self) -> str:
        """What is drawn, in a word."""
        return "orders" if self.waves else "allocations"

    def warnings(self) -> list[str]:
        """What a reader has to know of a set that is small, or of arms that are not as alike as they should be."""
        found = []
        if min(len(self.arm(True)), len(self.arm(False))) < 2:
            found.append("One school in an arm: the school and the change cannot be told apart, whatever is found.")
        if self.possible < LEAST:
            found.append(
                f"This design has only {self.possible:.0f} possible {self.what}, fewer than {LEAST}: all of them are in"
                f" the set, none was left out for balance, and p cannot be below {self.smallest_p:.3g}."
            )
        if self.limit_sd is not None and self.limit_sd > 0.25:
            found.append(
                f"{'Waves' if self.waves else 'Arms'} within 0.25 SD of each other are too rare here: differences up to"
                f" {self.limit_sd:.2f} SD of schools were let in. More schools, or blocks of like schools, would help."
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
    set_seed = int(draft.design_hash[:12], 16)
    if draft.wave_blocks:
        order_set = balanced_orders(traits.values, draft.wave_blocks, set_seed)
        orders, possible, limit = order_set.orders, order_set.possible, order_set.limit
        apart = order_set.differences
    else:
        found = balanced_set(traits.values, draft.blocks, set_seed)
        orders, possible, limit = found.allocations.astype(np.int64), found.possible, found.limit
        apart = found.differences[:, :, None]
    drawn = int(np.random.default_rng(seed).integers(len(orders)))
    return Draw(
        pilot_id=draft.pilot_id,
        number=number,
        schools=draft.schools,
        orders=orders,
        drawn=drawn,
        seed=seed,
        design_hash=draft.design_hash,
        possible=float(possible),
        limit_sd=limit,
        balance=_balance(traits, orders[drawn], apart, drawn),
        reason=reason,
    )


def _balance(traits: SchoolTraits, order: Ints, apart: Floats, drawn: int) -> tuple[TraitBalance, ...]:
    """Each trait over the arms, or over each group of an order (held back, wave 1, ...) and all other schools.

    ``apart`` [allocation, trait, group] are the differences over the set; of arms there is one.
    """
    found = []
    for column, name in enumerate(traits.names):
        for group in range(apart.shape[2]):
            inside = order == group if apart.shape[2] > 1 else order > 0
            word = "" if apart.shape[2] == 1 else f", wave {group}" if group else ", held back"
            found.append(
                TraitBalance(
                    trait=f"{name}{word}",
                    treatment=float(traits.values[inside, column].mean()),
                    comparison=float(traits.values[~inside, column].mean()),
                    difference_sd=float(apart[drawn, column, group]),
                    lowest_sd=float(apart[:, column, group].min()),
                    highest_sd=float(apart[:, column, group].max()),
                )
            )
    return tuple(found)


def _rows(draw: Draw, account: str | None) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    schools = np.array(draw.schools, dtype=object)
    return [
        {
            "pilot_id": draw.pilot_id,
            "draw": draw.number,
            "allocation": number,
            "treatment": schools[row > 0].tolist(),
            "comparison": schools[row == 0].tolist(),
            "waves": row[row > 0].tolist() if draw.waves else None,
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
        for number, row in enumerate(draw.orders)
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
    orders = np.zeros((len(rows), len(schools)), dtype=np.int64)
    for number, row in enumerate(rows):
        orders[number, [position[school] for school in row["treatment"]]] = row["waves"] or 1
    return Draw(
        pilot_id=pilot_id,
        number=last,
        schools=schools,
        orders=orders,
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
        or (school in draw.waves and plan.waves[school] != draw.waves[school])
    )
    if not wrong:
        return None
    return f"Assignment is not as drawn (draw {draw.number}, seed {draw.seed}) at {', '.join(wrong)}."


def need_as_drawn(settings: Settings, plan: Plan) -> None:
    """Raise CairnError where schools were drawn for the pilot and the plan's arms are others."""
    if (problem := assignment_problem(plan, standing_draw(settings, plan.pilot_id))) is not None:
        raise CairnError(
            f"{problem} Take the arms that were drawn (and the waves), or record another draw with 'cairn pilots assign"
            " PLAN --again REASON'"
        )


def permuted_over(plan: Plan, draw: Draw | None) -> Bools | None:
    """The set of a draw for the test of a plan: [allocation, school], the one in force first; None where there is none
    or the plan's arms are not as drawn."""
    if draw is None or not plan.is_random or assignment_problem(plan, draw) is not None:
        return None
    return np.asarray(_first(draw) > 0)


def orders_over(plan: Plan, draw: Draw | None) -> Ints | None:
    """The set of orders of a draw of waves [order, school], the one in force first, schools sorted; None where the
    waves were not drawn, or the plan's are not as drawn."""
    if draw is None or not draw.waves or permuted_over(plan, draw) is None:
        return None
    return _first(draw)


def _first(draw: Draw) -> Ints:
    """The orders of a draw with the one in force before all others."""
    return np.concatenate([draw.orders[draw.drawn : draw.drawn + 1], np.delete(draw.orders, draw.drawn, axis=0)])


def as_yaml(draw: Draw, blocks: Sequence[Sequence[str]]) -> str:
    """The parts of the plan that the draw fills in: seed, blocks where there are some, arms, waves where some start
    later."""
    assignment: dict[str, Any] = {"method": "random", "seed": draw.seed}
    if blocks:
        assignment["blocks"] = [list(block) for block in blocks]
    part: dict[str, Any] = {
        "assignment": assignment,
        "arms": {"treatment": draw.arm(True), "comparison": draw.arm(False)},
    }
    if waves := draw.waves:
        part["waves"] = waves
    return str(yaml.safe_dump({"analysis": part}, sort_keys=False))
