"""How often the pilots' rule is right: ``python -m benchmarks.pilots_operating_characteristics``.

Districts whose truth is known are school rows (:mod:`benchmarks.pilots_districts`), judged by the product's own
functions: school model, permutation over 999 draws or CR2, beliefs, the decision rule. By default 200 districts a cell
(some two minutes); with ``--full`` 2,000 at 12, 20 and 40 schools drawn at random and 300 elsewhere. Writes the tables
to ``build/pilots_operating_characteristics.md`` and ``.csv``; what is missed by more than two Monte Carlo errors is
listed there.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from benchmarks.pilots_districts import DESIGNS, HIDDEN_SD, PUPILS, R2, District
from cairn.settings import REPOSITORY
from pilots import inference, permutation, posterior, wwc
from pilots.analysis import ALPHA, infer
from pilots.decision import DECISIONS, FORMATIVE_BELOW, Chances, Evidence, decide
from pilots.school_model import SchoolModel, expected_variance, terms_of

SMALLEST, PLAN_SD, DRAWS, SEED = 0.10, 0.20, 999, 20261127
ICCS, SIZES, FORMATIVE_SIZES = (0.1, 0.2), (12, 20, 40), (6, 8)
EFFECTS = {"0": 0.0, "c": SMALLEST, "2c": 2 * SMALLEST, "-c": -SMALLEST, "-2c": -2 * SMALLEST}
PRIORS = posterior.deciding_priors(PLAN_SD)
BINS = np.linspace(0.0, 1.0, 6)
LEAST_IN_BIN = 100
OUT = REPOSITORY / "build" / "pilots_operating_characteristics"


@dataclass(frozen=True)
class Run:
    """One district: what the rule said, whether the test rejected and the interval held the truth, the chances."""

    effect: float
    decision: str
    older: str
    is_rejected: bool
    is_covered: bool
    chances: dict[str, Chances]


@dataclass
class Cell:
    """One kind of district; ``effect`` is the name of one or of the prior that effects are drawn from."""

    design: str
    schools: int
    icc: float
    effect: str
    runs: list[Run] = field(default_factory=list)

    def share(self, decision: str, *, older: bool = False) -> float:
        """Share of districts in which the rule, or the older one, said so."""
        return sum((run.older if older else run.decision) == decision for run in self.runs) / len(self.runs)


@lru_cache(maxsize=8)
def _all_draws(schools: int) -> tuple[permutation.Bools, bool]:
    return permutation.allocations(np.arange(schools) < schools // 2)


def draws_of(district: District, seed: int) -> tuple[permutation.Bools, bool]:
    """All draws where there are no more than 1,000, else 999 of them and the real one."""
    schools = len(district.is_treated)
    if district.blocks is None and math.comb(schools, schools // 2) <= DRAWS:
        return _all_draws(schools)
    groups = district.blocks or [list(range(schools))]
    return permutation.sampled(district.is_treated, groups, seed, DRAWS), False


def judge(district: District, effect: float, icc: float, is_random: bool, seed: int) -> Run:
    """One district through the product's functions."""
    treated = district.is_treated
    smaller = int(min(treated.sum(), (~treated).sum()))
    rung = inference.ladder(smaller, is_random)
    terms, _ = terms_of([""] * len(treated), treated, district.pretest, district.blocks, {})
    model = SchoolModel.of(district.outcome, treated, terms, expected_variance(district.pupils, icc, R2))
    found = infer(model, rung, draws_of(district, seed) if is_random else None)
    told = posterior.chances_of(posterior.beliefs(model, PRIORS, is_random), SMALLEST)
    apart = float(district.pretest[treated].mean() - district.pretest[~treated].mean())
    is_unlike = not is_random and wwc.baseline_equivalence(apart) == "not_satisfied"
    seen = Evidence(told, SMALLEST, smaller, 1.0, invalid=["not alike"] if is_unlike else [])
    low, high = found.interval or (-math.inf, math.inf)
    return Run(
        effect,
        decide(seen).code,
        _older(told["plan"], smaller),
        found.p_value is not None and found.p_value < ALPHA,
        low <= effect <= high,
        told if rung != "formative" and not is_unlike else {},
    )


def _older(told: Chances, smaller: int) -> str:
    """The rule before: the plan's prior alone, HARM at P(effect < 0) >= .90 whatever the number of schools."""
    if 1.0 - told.positive >= 0.90:
        return "HARM"
    if smaller < FORMATIVE_BELOW:
        return "CANNOT TELL"
    if told.positive >= 0.95 and told.matters >= 0.50:
        return "SCALE"
    return "STOP" if told.matters <= 0.10 else "NEXT WAVE" if told.positive >= 0.80 else "ITERATE"


def cells() -> Iterator[Cell]:
    """Every cell, those drawn at random first."""
    for design in DESIGNS:
        for schools in (*SIZES, *(FORMATIVE_SIZES if design == "random" else ())):
            for icc in ICCS:
                for effect in (*EFFECTS, *PRIORS):
                    yield Cell(design, schools, icc, effect)


def fill(cell: Cell, runs: int) -> None:
    """Judge ``runs`` districts of the cell, the same ones each time."""
    design = DESIGNS[cell.design]
    name = [list(DESIGNS).index(cell.design), cell.schools, round(100 * cell.icc)]
    rng = np.random.default_rng([SEED, *name, [*EFFECTS, *PRIORS].index(cell.effect)])
    for number in range(runs):
        prior = PRIORS.get(cell.effect)
        effect = EFFECTS[cell.effect] if prior is None else rng.normal(prior.effect_mean, prior.effect_sd or 0.0)
        district = design.make(rng, cell.schools, cell.icc, effect)
        cell.runs.append(judge(district, effect, cell.icc, design.is_random, number))


@dataclass(frozen=True)
class Bound:
    """A share that must not be passed; ``limit`` is from above where ``is_most``."""

    what: str
    found: float
    limit: float
    is_most: bool
    runs: int

    @property
    def error(self) -> float:
        """Monte Carlo error of a share at the limit."""
        return math.sqrt(max(self.limit * (1.0 - self.limit), 0.0) / self.runs)

    @property
    def is_kept(self) -> bool:
        """Whether it is kept, but for two Monte Carlo errors."""
        over = self.found - self.limit if self.is_most else self.limit - self.found
        return over <= 2.0 * self.error


def bounds(found: Sequence[Cell]) -> list[Bound]:
    """The bounds of every cell that has some."""
    checked = []
    for cell in found:
        if not DESIGNS[cell.design].is_bounded or cell.schools in FORMATIVE_SIZES:
            continue
        name, n = f"{cell.design}, {cell.schools} schools, ICC {cell.icc}, effect {cell.effect}", len(cell.runs)

        def at(what: str, value: float, limit: float, is_most: bool, where: str = name, runs: int = n) -> None:
            checked.append(Bound(f"{what}: {where}", value, limit, is_most, runs))

        at("coverage", _coverage(cell), 0.93, is_most=False)
        if cell.effect == "0":
            at("test rejects", sum(run.is_rejected for run in cell.runs) / n, ALPHA, is_most=True)
        if cell.effect in ("0", "-c", "-2c"):
            at("false SCALE", cell.share("SCALE"), 0.05, is_most=True)
        if cell.effect == "2c":
            at("false STOP", cell.share("STOP"), 0.05, is_most=True)
        if cell.effect in ("0", "c", "2c"):
            at("false HARM", cell.share("HARM"), 0.03, is_most=True)
        if (cell.design, cell.schools) == ("random", 40):
            wanted = {"2c": ("SCALE", 0.70), "0": ("STOP", 0.45), "-2c": ("HARM", 0.30)}
            if cell.effect in wanted:
                decision, limit = wanted[cell.effect]
                at(f"true {decision}", cell.share(decision), limit, is_most=False)
    return checked


def _coverage(cell: Cell) -> float:
    return sum(run.is_covered for run in cell.runs) / len(cell.runs)


@dataclass(frozen=True)
class Bin:
    """Printed chances of one statement in one range beside how often it was true."""

    what: str
    printed: float
    true: float
    count: int

    @property
    def error(self) -> float:
        """Monte Carlo error of the share."""
        return math.sqrt(self.printed * (1.0 - self.printed) / self.count)


def calibration(found: Sequence[Cell], design: str, world: str, prior: str) -> list[Bin]:
    """Chances of the prior ``prior`` (or, as "deciding", the lower of both) where effects come from ``world``."""
    runs = [run for cell in found if (cell.design, cell.effect) == (design, world) for run in cell.runs if run.chances]
    effect = np.array([run.effect for run in runs])
    result = []
    for statement, at in (("positive", 0.0), ("matters", SMALLEST)):
        told = np.array([_told(run, statement, prior) for run in runs])
        for low, high in itertools.pairwise(BINS):
            inside = (told >= low) & ((told < high) | (high == 1.0))
            if inside.sum() >= LEAST_IN_BIN:
                what = f"{design}, {statement}, effects of {world}, chances of {prior}, {low:.1f}-{high:.1f}"
                mean, true = float(told[inside].mean()), float((effect[inside] > at).mean())
                result.append(Bin(what, mean, true, int(inside.sum())))
    return result


def _told(run: Run, statement: str, prior: str) -> float:
    chosen = run.chances.values() if prior == "deciding" else [run.chances[prior]]
    return min(float(getattr(one, statement)) for one in chosen)


def table(found: Sequence[Cell]) -> list[list[str]]:
    """One row a cell: shares of decisions, the older rule's where they are errors, of tests and intervals."""
    shown = [name for name in DECISIONS if name != "TOO EARLY"]
    head = ["design", "schools", "ICC", "effect", "runs", *shown, "older HARM", "older SCALE", "older STOP"]
    rows = [[*head, "rejects", "covers"]]
    for cell in found:
        share = [f"{cell.share(name):.3f}" for name in shown]
        older = [f"{cell.share(name, older=True):.3f}" for name in ("HARM", "SCALE", "STOP")]
        has_test = cell.schools not in FORMATIVE_SIZES
        tested = [f"{sum(run.is_rejected for run in cell.runs) / len(cell.runs):.3f}", f"{_coverage(cell):.3f}"]
        kind = [cell.design, str(cell.schools), str(cell.icc), cell.effect, str(len(cell.runs))]
        rows.append([*kind, *share, *older, *(tested if has_test else ["", ""])])
    return rows


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows, the first the head, as a table."""
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def calibration_rows(found: Sequence[Cell]) -> list[list[str]]:
    """Printed chances beside what was true. A prior's own may be .05 off to either side where effects come from it; the
    deciding ones may not overstate by more, whichever prior effects come from."""
    rows = [["chance", "printed", "true", "districts", "within .05"]]
    for design in (name for name, one in DESIGNS.items() if one.is_calibrated):
        for world, prior in (*((name, name) for name in PRIORS), *((name, "deciding") for name in PRIORS)):
            for one in calibration(found, design, world, prior):
                off = one.printed - one.true if prior == "deciding" else abs(one.printed - one.true)
                is_kept = "yes" if off <= 0.05 + 2.0 * one.error else "no"
                rows.append([one.what, f"{one.printed:.3f}", f"{one.true:.3f}", str(one.count), is_kept])
    return rows


def bound_rows(checked: Sequence[Bound]) -> list[list[str]]:
    """One row a kind of bound: the cell that comes nearest to it or passes it furthest."""
    rows = [["bound", "limit", "worst cell", "there", "cells", "missed"]]
    kinds: dict[str, list[Bound]] = {}
    for one in checked:
        kinds.setdefault(one.what.split(":")[0], []).append(one)
    for kind, some in kinds.items():
        worst = max(some, key=lambda one: one.found if one.is_most else -one.found)
        limit = f"{'at most' if worst.is_most else 'at least'} {worst.limit:.2f}"
        missed = sum(not one.is_kept for one in some)
        rows.append([kind, limit, worst.what.split(": ")[1], f"{worst.found:.3f}", str(len(some)), str(missed)])
    return rows


HEAD = """# How often the pilots' rule is right

Written by `{command}`: {districts:,} districts whose truth is
known, {pupils} pupils a school, R2 {r2}, c {c} SD, in {seconds:.0f} s on one core.

An effect of c is the smallest that matters; "plan" and "evidence" draw it from N(0, .20) and N(.05, .10). The older
rule's shares are those of the plan's prior alone, with HARM at P(effect < 0) of .90. A bound is missed where it is
passed by more than two Monte Carlo errors of a share at the bound. With three and four schools an arm nothing is
inferred, and nothing is bounded.

Volunteers choose by the pretest. The product believes that what nothing shows sets volunteers apart as well, by
N(0, .10) SD: where it does (biased volunteers) its chances are right, and where it does not (volunteers) they are
nearer to the prior than they had to be. Hidden volunteers would all have gained {hidden} SD anyway: reported, and not
bounded.
"""


def report(found: Sequence[Cell], seconds: float, command: str) -> str:
    """The page."""
    checked, chances = bounds(found), calibration_rows(found)
    missed = [f"- {one.what}: {one.found:.3f} (limit {one.limit:.2f})" for one in checked if not one.is_kept]
    missed += [f"- {row[0]}: printed {row[1]}, true {row[2]}" for row in chances[1:] if row[-1] == "no"]
    head = HEAD.format(
        command=command,
        districts=sum(len(cell.runs) for cell in found),
        pupils=PUPILS,
        r2=R2,
        c=SMALLEST,
        seconds=seconds,
        hidden=HIDDEN_SD,
    )
    tables = {"Bounds": bound_rows(checked), "Decisions": table(found), "Chances": chances}
    parts = [f"## {name}\n\n{markdown(rows)}\n" for name, rows in tables.items()]
    return "\n".join([head, parts[0], "## Missed\n\n" + ("\n".join(missed) or "Nothing.") + "\n", *parts[1:]])


def main(arguments: Sequence[str]) -> None:
    """Run, write, and say what was missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=200, help="districts a cell")
    parser.add_argument("--full", action="store_true", help="2,000 where schools are drawn at random, 300 elsewhere")
    parser.add_argument("--design", choices=list(DESIGNS), action="append", help="only these")
    parser.add_argument("--schools", type=int, action="append", help="only these sizes")
    given = parser.parse_args(arguments)
    chosen = [
        cell
        for cell in cells()
        if cell.design in (given.design or DESIGNS) and cell.schools in (given.schools or (*SIZES, *FORMATIVE_SIZES))
    ]
    if not chosen:
        parser.error(f"no such cell: sizes are {', '.join(map(str, (*SIZES, *FORMATIVE_SIZES)))}")
    started = time.perf_counter()
    for number, cell in enumerate(chosen, 1):
        is_large = cell.design == "random" and cell.schools in SIZES
        fill(cell, (2_000 if is_large else 300) if given.full else given.runs)
        passed = time.perf_counter() - started
        sys.stderr.write(f"{number}/{len(chosen)} {cell.design}, {cell.schools} schools: {passed:.0f} s\n")
    command = " ".join(["python -m benchmarks.pilots_operating_characteristics", *arguments])
    page = report(chosen, time.perf_counter() - started, command)
    OUT.parent.mkdir(exist_ok=True)
    OUT.with_suffix(".md").write_text(page, encoding="utf-8")
    with OUT.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(table(chosen))
    print(page)


if __name__ == "__main__":
    main(sys.argv[1:])
