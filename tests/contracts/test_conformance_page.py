"""docs/reference/conformance.md names tests: each of them is there, and each golden file that it names too."""

from __future__ import annotations

import re

from cairn.settings import REPOSITORY

PAGE = REPOSITORY / "docs" / "reference" / "conformance.md"
TESTS = REPOSITORY / "tests"


def test_every_test_that_the_page_names_is_there() -> None:
    page = PAGE.read_text(encoding="utf-8")
    paths = list(TESTS.rglob("test_*.py"))
    named_files = set(re.findall(r"`(test_\w+\.py)", page))
    named_tests = set(re.findall(r"[`:](test_\w+)`", page))
    assert named_files
    assert named_tests
    assert named_files <= {path.name for path in paths}
    texts = [path.read_text(encoding="utf-8") for path in paths]
    defined = {name for text in texts for name in re.findall(r"^def (test_\w+)\(", text, re.MULTILINE)}
    assert named_tests <= defined
    cases = {path.stem for path in (TESTS / "cairn" / "xapi_cases").glob("*.json")}
    assert set(re.findall(r"`cases/(\w+)`", page)) == cases
