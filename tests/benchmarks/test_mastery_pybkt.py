"""What needs no pyBKT of its benchmark: what is said without it, what it is given, the judge, the lock."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import numpy as np
import pytest

from benchmarks import mastery_pybkt
from cairn.mastery.fit import STARTS, fit_rounds, make_sequences
from cairn.settings import REPOSITORY

SKILL = np.array([0, 0, 0, 2, 2, 2, 2], dtype=np.int64)
USER = np.array([0, 0, 1, 0, 1, 1, 1], dtype=np.int64)
CORRECT = np.array([0, 1, 1, 1, 0, 0, 1], dtype=np.int8)


def test_without_its_extra_it_says_in_one_line_how_to_get_it() -> None:
    hide = "import sys; sys.modules['pyBKT'] = None; sys.argv = ['x', 'none.parquet']\n"
    run = "from benchmarks import mastery_pybkt; mastery_pybkt.is_installed = lambda: False; mastery_pybkt.main()"
    done = subprocess.run([sys.executable, "-c", hide + run], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == mastery_pybkt.MISSING


def test_responses_are_told_as_pybkt_reads_them() -> None:
    sequences, _ = make_sequences(SKILL, USER, CORRECT)
    first, nothing, last = mastery_pybkt.prepared(sequences)
    assert nothing is None
    assert first is not None and last is not None
    assert first["data"].tolist() == [[1, 2, 2]] and first["data"].dtype == np.int32
    assert (first["starts"].tolist(), first["lengths"].tolist()) == ([1, 3], [2, 1])
    assert last["data"].tolist() == [[2, 1, 1, 2]]
    assert (last["starts"].tolist(), last["lengths"].tolist()) == ([1, 2], [1, 3])


def test_both_are_judged_by_the_likelihood_that_our_fit_reaches() -> None:
    sequences, _ = make_sequences(SKILL, USER, CORRECT)
    parameters, likelihood = fit_rounds(sequences, STARTS[0], 3)
    assert mastery_pybkt.log_likelihoods(sequences, parameters) == pytest.approx(likelihood, rel=1e-9)


def test_the_extra_adds_packages_and_changes_none() -> None:
    def pinned(name: str) -> dict[str, str]:
        text = (REPOSITORY / name).read_text()
        assert "://" not in text
        return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", text, flags=re.MULTILINE))

    extra, lock = pinned("infra/benchmarks.lock"), pinned("requirements.lock")
    assert not set(extra) & set(lock)
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert declared["benchmarks"] == [f"pyBKT=={extra['pybkt']}"]
