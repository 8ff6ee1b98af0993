"""What an attacker works out of the central office's pages with a pencil: cells of fewer pupils than may be told.

It signs in as the central office, reads every page of it and goes on until nothing more follows: a rounded percentage
times its base where one whole number alone fits, a whole without one of its parts, a total without all others, the
same number on two pages. What comes out as one number under ``n_min`` is derived, and printed with how.

    python -m tests.attack.derive --portal http://127.0.0.1:8000 --name central --password-file FILE
    python -m tests.attack.derive --home HOME --name central --password-file FILE

The page's words and headings are all that it has; it imports nothing of what protects them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import httpx
from starlette.testclient import TestClient

from cairn.settings import Settings
from portal.app import create_app
from tests.attack.page_cells import EVERYBODY, PART_OF, Cell, cells, of_share

N_MIN = 10
# Places whose numbers make up everybody's.
SUMMED = ("school", "group by Grade")
Read = Callable[[str], str]
Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Derived:
    """A number of fewer than ``n_min`` pupils that follows: of whom, what, how many, and how."""

    scope: str
    name: str
    metric: str
    value: int
    how: str

    def __str__(self) -> str:
        return f"{self.scope}, {self.name}: {self.metric} = {self.value} ({self.how})"


@dataclass
class Known:
    """What is known of a number: its bounds and how the last of them was found."""

    low: float = 0.0
    high: float = inf
    how: str = "nothing is said"


@dataclass
class Book:
    """All numbers of a portal's pages by (scope, kind, name, metric), and the sums that hold between them."""

    known: dict[Key, Known] = field(default_factory=dict)
    contradictions: dict[Key, str] = field(default_factory=dict)
    sums: list[tuple[Key, list[Key]]] = field(default_factory=list)

    def narrow(self, key: Key, low: float, high: float, how: str) -> bool:
        """Note bounds; True where they say more than was known."""
        known = self.known.setdefault(key, Known())
        if key in self.contradictions:
            return False
        if low > known.high or high < known.low:
            said = f"{how} against {known.how} ({low:g} to {high:g}, {known.low:g} to {known.high:g})"
            self.contradictions[key] = f"{', '.join(key)}: {said}"
            return False
        if low <= known.low and high >= known.high:
            return False
        known.low, known.high, known.how = max(low, known.low), min(high, known.high), how
        return True


def rest(metric: str) -> str:
    """The name of those of the whole who are not in a part."""
    return f"not {metric}"


def read_book(found: Iterable[Cell]) -> Book:
    """The cells and every sum that holds between them."""
    book, shares = Book(), []
    for cell in found:
        key = (cell.scope, cell.kind, cell.name, cell.metric)
        if cell.whole is None:
            book.narrow(key, cell.low, cell.high, f"{cell.page} says {cell.text!r}")
        else:
            book.known.setdefault(key, Known())
            shares.append(cell)
    printed = list(book.known)
    for key in printed:
        if (whole := PART_OF.get(key[3])) is not None:
            of, other = (*key[:3], whole), (*key[:3], rest(key[3]))
            book.known.setdefault(of, Known())
            book.known.setdefault(other, Known())
            book.sums.append((of, [key, other]))
    groups: dict[tuple[str, str, str], list[Key]] = {}
    for scope, kind, name, metric in printed:
        if name != EVERYBODY and kind in SUMMED:
            groups.setdefault((scope, kind, metric), []).append((scope, kind, name, metric))
    for (scope, _, metric), parts in groups.items():
        for said in (metric, rest(metric)):
            if (total := (scope, "all", EVERYBODY, said)) in book.known:
                book.sums.append((total, [(*one[:3], said) for one in parts]))
    solve(book, shares)
    return book


def solve(book: Book, shares: list[Cell]) -> None:
    """Narrow the bounds by shares and sums until nothing more follows."""
    more = True
    while more:
        more = False
        for cell in shares:
            whole = book.known.get((cell.scope, cell.kind, cell.name, str(cell.whole)))
            if whole is not None and whole.high < inf:
                low, high = of_share(cell, (whole.low, whole.high))
                how = f"{cell.page} says {cell.text!r} of {whole.low:g}" + (
                    f" to {whole.high:g}" if whole.high != whole.low else ""
                )
                more |= book.narrow((cell.scope, cell.kind, cell.name, cell.metric), low, high, how)
        for total, parts in book.sums:
            more |= _sum(book, total, parts)


def _sum(book: Book, total: Key, parts: list[Key]) -> bool:
    """What a total says of its parts and they of it."""
    known = [book.known[one] for one in parts]
    more = book.narrow(
        total, sum(one.low for one in known), sum(one.high for one in known), f"the sum of its {len(parts)} parts"
    )
    whole = book.known[total]
    for place, key in enumerate(parts):
        others = known[:place] + known[place + 1 :]
        low = whole.low - sum(one.high for one in others)
        high = whole.high - sum(one.low for one in others)
        more |= book.narrow(key, low, high, f"{total[3]} of {total[2]} without {len(others)} others")
    return more


def derived(book: Book, n_min: int = N_MIN) -> list[Derived]:
    """Every number under ``n_min`` that is exactly known, printed or not."""
    return [
        Derived(key[0], key[2], key[3], int(one.low), one.how)
        for key, one in sorted(book.known.items())
        if one.low == one.high < n_min
    ]


def moved(before: Book, after: Book, n_min: int = N_MIN) -> list[Derived]:
    """Numbers that two publications say exactly and that differ by fewer than ``n_min`` pupils, but by some."""
    found = []
    for key, one in sorted(after.known.items()):
        old = before.known.get(key)
        if old and one.low == one.high and old.low == old.high and 0 < abs(one.low - old.low) < n_min:
            found.append(Derived(key[0], key[2], key[3], int(one.low - old.low), "two publications"))
    return found


def apart(book: Book, n_min: int = N_MIN) -> list[Derived]:
    """Pupils of a school by two counts of two pages that differ by fewer than ``n_min``: who came, left or is missing.

    Only counts of everybody (enrolled, planned) are compared: of parts the sums have said it already.
    """
    enrolled = {key[2]: one for key, one in book.known.items() if key[3] == "enrolled" and one.low == one.high}
    found = []
    for key, one in sorted(book.known.items()):
        other = enrolled.get(key[2])
        if other is None or key[1] != "school" or key[3] != "planned" or one.low != one.high:
            continue
        if 0 < abs(difference := other.low - one.low) < n_min:
            found.append(Derived(key[0], key[2], "enrolled less planned", int(difference), "two pages"))
    return found


def pages_of(read: Read) -> dict[str, str]:
    """Every page of the central office that shows pupils, by address: found by following its links."""
    pages = {path: read(path) for path in ("/", "/rollout", "/pilots")}
    linked = {path for html in pages.values() for path in re.findall(r'href="(/(?:pilots|schools)/[^"/?#]+)"', html)}
    return pages | {path: read(path) for path in sorted(linked) if not path.endswith(".pdf")}


def cells_of(read: Read) -> list[Cell]:
    """The cells of all pages."""
    return [cell for path, html in pages_of(read).items() for cell in cells(path, html)]


def sign_in(client: httpx.Client, name: str, password: str) -> Read:
    """Sign in by the form; returns what reads a page. Raises SystemExit where the portal does not let us in."""
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/login").text)
    form = {"csrf": token[1] if token else "", "name": name, "password": password}
    if client.post("/login", data=form, follow_redirects=False).status_code != 303:
        raise SystemExit("the portal does not let this account in: give --name and --password-file of a central office")

    def read(path: str) -> str:
        answer = client.get(path)
        answer.raise_for_status()
        return answer.text

    return read


def report(read: Read) -> tuple[list[Derived], Book]:
    """All that follows from a portal's pages."""
    book = read_book(cells_of(read))
    return derived(book) + apart(book), book


def main(arguments: list[str] | None = None) -> int:
    """Print what follows from a portal's pages; 1 where something does."""
    parser = argparse.ArgumentParser(description="Derive small cells from the central office's pages.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--portal", help="address of a portal that runs")
    where.add_argument("--home", type=Path, help="home folder of a district; its portal is served within this process")
    parser.add_argument("--name", default="central")
    parser.add_argument("--password-file", type=Path, required=True)
    given = parser.parse_args(arguments)
    password = given.password_file.read_text(encoding="utf-8").strip()
    with client_of(given.portal, given.home) as client:
        found, book = report(sign_in(client, given.name, password))
    for one in found:
        print(one)
    for said in book.contradictions.values():
        print(f"two pages, two numbers: {said}")
    exact = Counter(known.low == known.high for known in book.known.values())
    print(f"{len(book.known)} numbers, {exact[True]} exactly known; {len(found)} under {N_MIN} derived", end="; ")
    print(f"{len({one.name for one in found})} names; {len(book.contradictions)} contradictions")
    return 1 if found or book.contradictions else 0


def client_of(portal: str | None, home: Path | None) -> httpx.Client:
    """A client of a portal that runs, or of one over a home in this process."""
    if portal:
        return httpx.Client(base_url=portal, follow_redirects=True)
    assert home is not None  # the command asks for one of the two
    return TestClient(create_app(Settings(home=home)), base_url="http://localhost")


if __name__ == "__main__":
    sys.exit(main())
