"""Some thousand mutated requests: see fuzz.py, which runs a million."""

from __future__ import annotations

import os
import random
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import fuzz, mutations

INPUTS = 3_000
MEMORY = Path("/dev/shm")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where the system has one: each refusal is sealed on disk before it is answered."""
    if not os.access(MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="cairn-fuzz-", dir=MEMORY) as path:
        yield Path(path)


def test_whatever_comes_has_one_answer_below_500(folder: Path, shared_fixture: Callable[[str], Path]) -> None:
    seed = secrets.token_hex(4)
    print(f"seed {seed}")
    found = fuzz.run(folder, shared_fixture("fixtures"), seed, range(INPUTS), lambda _: None)
    assert not found.problems, f"seed {seed}: {found.problems[:5]}"
    assert found.inputs == INPUTS
    assert found.asked_twice > INPUTS / 20 and found.through_server > 5
    # It reaches what lies behind the first refusal, too.
    assert found.statuses[200] > INPUTS / 20 and {400, 401, 405, 409} <= found.statuses.keys()


def test_an_input_is_made_of_its_seed_and_number(shared_fixture: Callable[[str], Path]) -> None:
    material = mutations.load_material(shared_fixture("fixtures"))
    tokens = [b"one", b"two"]
    run = dict(mutations.requests(material, tokens, "seed", 0, 300))
    again = mutations.request(material, tokens, random.Random("seed-123"))
    assert again == run[123]
    assert len({made.body for made in run.values()}) > 200


def test_growth_of_memory_is_told() -> None:
    flat, leak = ([(n, 90.0 + n * rate) for n in range(0, 1_001, 50)] for rate in (0.0, 0.2))
    assert fuzz.Found(inputs=1_000, memory=flat).growth_mib() == 0
    assert fuzz.Found(inputs=1_000, memory=leak).growth_mib() > fuzz.MOST_GROWTH_MIB
