"""Scores on one scale over grades: standardised within grade and term, in SD of the comparison pupils.

On a vertical scale a fifth grader stands above a third grader, so an SD over grades is too large and a school with more
fifth graders looks better than it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

OWN_SD_FROM = 30  # comparison pupils of a grade from which its SD is its own; under it, that within all grades


@dataclass(frozen=True)
class StandardScores:
    """``score`` of each pupil with the grade's level taken off, over the SD of comparison pupils of the grade;
    ``sd`` is that within grades over all of them, in points."""

    score: Floats
    sd: float


def compared_grades(grade: Ints, school: Ints, is_treated: Bools) -> Bools:
    """Of each pupil, whether the grade can be compared: it, or one that its schools tie it to, is in both arms.

    Grades of one school are tied by it: third grade here and fifth grade there can be compared where some school has
    both. Primary schools in one arm and secondary schools in the other can not.
    """
    part = _parts(grade, school)[grade]
    count = np.bincount(part)
    treated = np.bincount(part, is_treated, minlength=len(count))
    return np.asarray((treated[part] > 0) & (treated[part] < count[part]))


def standard_scores(score: Floats, grade: Ints, school: Ints, is_treated: Bools) -> StandardScores | None:
    """Standardise one term's scores; None where those of the comparison pupils do not vary.

    Grades are told apart by their pupils within the same school and not by arm: levels then hold nothing of the
    treatment, so that values are the same whichever schools had been drawn, and a different mix of grades in the two
    arms takes nothing off the effect. Arrays have one entry a pupil; ``grade`` and ``school`` are numbered from 0.
    """
    left = score - _levels(score, grade, school)[grade]
    compared, grades = left[~is_treated], grade[~is_treated]
    count = np.bincount(grades, minlength=int(grade.max()) + 1)
    total, squares = (np.bincount(grades, value, minlength=len(count)) for value in (compared, compared**2))
    within = np.maximum(squares - total**2 / np.maximum(count, 1), 0.0)
    free = int(np.maximum(count - 1, 0).sum())
    if free < 1 or within.sum() <= 1e-12 * max(1.0, float(squares.sum())):
        return None
    sd = math.sqrt(float(within.sum()) / free)
    has_own = (count >= OWN_SD_FROM) & (within > 0)
    by_grade = np.where(has_own, np.sqrt(within / np.maximum(count - 1, 1)), sd)
    return StandardScores(left / by_grade[grade], sd)


def _levels(score: Floats, grade: Ints, school: Ints) -> Floats:
    """Level of each grade: by contrasts within schools, and over grades that no school ties, by their pupils' mean."""
    grades, schools = int(grade.max()) + 1, int(school.max()) + 1
    cells = np.zeros((schools, grades))
    np.add.at(cells, (school, grade), 1.0)
    sums = np.zeros_like(cells)
    np.add.at(sums, (school, grade), score)
    size = cells.sum(axis=1)
    # Normal equations of grade effects with a school effect taken off: least squares, the smallest solution.
    square = np.diag(cells.sum(axis=0)) - cells.T @ (cells / size[:, None])
    right = sums.sum(axis=0) - cells.T @ (sums.sum(axis=1) / size)
    level = np.linalg.lstsq(square, right, rcond=1e-10)[0]
    part = _parts(grade, school)
    of_pupil = part[grade]
    rest = np.bincount(of_pupil, score - level[grade]) / np.bincount(of_pupil)
    return np.asarray(level + rest[part])


def _parts(grade: Ints, school: Ints) -> Ints:
    """Of each grade, the number of the group of grades that schools tie together."""
    grades, schools = int(grade.max()) + 1, int(school.max()) + 1
    ties = csr_matrix((np.ones(len(grade)), (grade, grades + school)), shape=(grades + schools, grades + schools))
    return np.asarray(connected_components(ties, directed=False)[1][:grades], dtype=np.int64)
