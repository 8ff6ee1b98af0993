"""Ralph's own application with a store that keeps nothing: the most that Ralph can do on any store.

It runs in an environment that has Ralph (see ``benchmarks.gateway``), never in this project's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ralph.api import app
from ralph.api.routers import statements
from ralph.backends.lrs.fs import FSLRSBackend

__all__ = ["app"]


class KeepsNothing(FSLRSBackend):  # type: ignore[misc]
    """Finds nothing, and takes all."""

    def query_statements_by_ids(self, ids: Iterable[str], target: str | None = None) -> list[dict[str, Any]]:
        """No statement of these ids is there."""
        return []

    def write(self, data: Iterable[object], *_arguments: object, **_options: object) -> int:
        """How many there were."""
        return sum(1 for _ in data)


statements.BACKEND_CLIENT = KeepsNothing()
