"""The reference of metrics in ``docs/reference/metrics.md``, made from ``schemas/metrics``.

``python -m answers.metrics_reference`` writes it; ``--check`` exits 1 where the file is stale (CI runs that).
"""

from __future__ import annotations

import sys
from itertools import groupby

from answers.metrics import PROTECTIONS, ROUNDINGS, UNITS, metrics
from cairn.generated_file import write_or_check
from cairn.settings import REPOSITORY

REFERENCE = REPOSITORY / "docs" / "reference" / "metrics.md"
HEADER = """# Metrics

Made from `schemas/metrics` by `make docs`; do not edit. Every number of the pages, of the board's PDF, of feeds and of
mail is one of these: one name, one base, one unit, one rounding. *Protection* is what those read who have no duty to
see few pupils; a school's own pages count its pupils one by one. A pair is one pupil and one topic: pairs are never
called competencies, of which the district has some dozens.
"""


def render() -> str:
    """The whole reference as Markdown."""
    parts = [HEADER]
    for kind, found in groupby(metrics().values(), key=lambda metric: metric.kind):
        parts.append(f"## Of {kind}\n")
        parts.append("| metric | title | what it is | of | unit, rounding | protection | source |")
        parts.append("|---|---|---|---|---|---|---|")
        parts += [
            f"| `{one.name}` | {one.title} | {one.meaning} | {one.base} | {UNITS[one.unit][1]},"
            f" {ROUNDINGS[one.rounding]} | {PROTECTIONS[one.protection]} | `{one.source}` |"
            for one in found
        ]
        parts.append("")
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Write the reference, or with ``--check`` say whether it is stale."""
    return write_or_check(REFERENCE, render(), arguments, "run 'make docs' and commit it")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
