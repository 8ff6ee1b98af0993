"""Parts of pages that are the same for all readers of one release and one published table, kept as they were drawn."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from markupsafe import Markup

from cairn.protection.published import PublishedTable

MOST = 16


class KeptParts:
    """The parts drawn last, by a key and the published table that they tell of.

    The table is held by what it is, not by a name: a publication of another day, or one made anew, is another table.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._parts: OrderedDict[Hashable, tuple[PublishedTable, Markup]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[Hashable, ...], published: PublishedTable, make: Callable[[], Markup]) -> Markup:
        """The part, from ``make`` where it is not kept. ``key`` names all else that ``make`` reads."""
        whole = (*key, id(published))
        with self._lock:
            found = self._parts.get(whole)
            if found is not None and found[0] is published:
                self._parts.move_to_end(whole)
                return found[1]
        part = make()
        with self._lock:
            # The table is kept with the part, so that no other can come to stand at its place in memory.
            self._parts[whole] = published, part
            while len(self._parts) > self._most:
                self._parts.popitem(last=False)
        return part
