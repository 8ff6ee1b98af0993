"""What a person is told of a dbt build that failed: the nodes by name, and of each what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

from releases.warehouse import _failures


def test_a_python_models_traceback_is_told_by_its_last_line(tmp_path: Path) -> None:
    traceback = "Traceback (most recent call last):\n" + '  File "x.py", line 8, in model\n' * 40 + "KeyError: 'k'\n"
    results = [
        {"status": "error", "unique_id": "model.cairn.int_a", "message": f"Python model failed:\n{traceback}"},
        {"status": "fail", "unique_id": "test.cairn.unique_b", "message": "Got 2 results"},
        {"status": "pass", "unique_id": "test.cairn.unique_c", "message": None},
    ]
    (tmp_path / "run_results.json").write_text(json.dumps({"results": results}))
    assert _failures(tmp_path, "") == ("int_a error: Python model failed: KeyError: 'k' | unique_b fail: Got 2 results")
