"""What an attacker works out of the central office's pages with a pencil: cells of fewer pupils than may be told.

It signs in as the central office, reads every page of it and goes on until nothing more follows: a rounded percentage
times its base where one whole number alone fits, a whole without one of its parts, a total without all others, the
same number on two pages. What comes out as one number under ``n_min`` is derived, and printed with how.

    python -m tests.attack.derive --portal http://127.0.0.1:8000 --name central --password-file FILE
    python -m tests.attack.derive --home HOME --name central --password-file FILE

It reads what anybody may: pages, board PDFs, CSV files beside the tables, and mails where it is given them, each as it
stands and as it was published on every earlier day. Words and headings are all that it has; it imports nothing of what
protects them.
"""

from __future__ import annotations

import argparse
import html
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from pathlib import Path

import httpx
from starlette.testclient import TestClient

from cairn.settings import Settings
from portal.app import create_app
from tests.attack.csv_cells import csv_cells, links_of
from tests.attack.mail_cells import mail_cells
from tests.attack.page_cells import EVERYBODY, PART_OF, Cell, cells, of_share, rounding_of
from tests.attack.pdf_text import html_of

N_MIN = 10
# Places whose numbers make up everybody's.
SUMMED = ("school", "group by Grade")
Read = Callable[[str], bytes]
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
    of_whole = {(cell.scope, cell.kind, cell.name, cell.metric): cell.whole for cell in shares}
    for key in printed:
        if (whole := PART_OF.get(key[3]) or of_whole.get(key)) is not None:
            of, other = (*key[:3], whole), (*key[:3], rest(key[3]))
            book.known.setdefault(of, Known())
            book.known.setdefault(other, Known())
            book.sums.append((of, [key, other]))
    groups: dict[tuple[str, str, str], list[Key]] = {}
    for scope, kind, name, metric in printed:
        if name != EVERYBODY and (kind in SUMMED or " by " in scope):
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


def narrowed(book: Book, n_min: int = N_MIN) -> list[tuple[Key, Known]]:
    """Numbers that are sure to be under ``n_min`` and of which fewer than ``n_min`` values are left."""
    known = sorted(book.known.items())
    return [(key, one) for key, one in known if one.low < one.high < n_min and one.high - one.low + 1 < n_min]


def moved(before: Book, after: Book, n_min: int = N_MIN) -> list[Derived]:
    """Numbers of two publications of which the difference is that of few pupils, to within fewer than ``n_min`` values:
    the one nearest to none is told. What was not published anew tells nothing."""
    found = []
    for key, one in sorted(after.known.items()):
        old = before.known.get(key)
        if old is None or (one.low, one.high) == (old.low, old.high):
            continue
        low, high = one.low - old.high, one.high - old.low
        if high - low + 1 < n_min and low < n_min and high > -n_min:
            nearest = min((low, high, 0.0 if low <= 0 <= high else low), key=abs)
            found.append(Derived(key[0], key[2], key[3], int(nearest), f"two publications: {low:g} to {high:g}"))
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


def pages_of(read: Read, day: str | None = None) -> dict[str, str]:
    """Every page and PDF of the central office that shows pupils, by address, as HTML: found by following its links.

    ``day``: as published then.
    """
    asked = f"?as-of={day}" if day else ""
    pages = {path: read(f"{path}{asked}").decode() for path in ("/", "/rollout", "/pilots", "/equity")}
    for school in re.findall(r'<option value="([^"]+)"', pages["/equity"]):
        path = f"/equity?school={school}"
        pages[path] = read(f"{path}&as-of={day}" if day else path).decode()
    linked = {path for page in pages.values() for path in re.findall(r'href="(/(?:pilots|schools)/[^"/?#]+)"', page)}
    for path in sorted(linked):
        found = read(f"{path}{asked}")
        pages[path] = html_of(found) if path.endswith(".pdf") else found.decode()
    compared = re.findall(r'href="(/releases/[^"/?#]+/[^"/?#]+)"', read("/releases").decode())
    return pages | {path: read(path).decode() for path in compared}


def cells_of(read: Read, day: str | None = None) -> list[Cell]:
    """The cells of all pages and of the files that they link to."""
    pages = pages_of(read, day)
    found = [cell for path, page in pages.items() for cell in cells(path, page)]
    named = re.findall(r'<a href="/pilots/([^"/?#.]+)">([^<]+)</a>', pages["/pilots"])
    titles = {pilot: html.unescape(title) for pilot, title in named}
    linked = {link: rounding_of(page) for page in pages.values() for link in links_of(page)}
    for link, rounded_to in linked.items():
        found += csv_cells(link, read(link).decode(), titles, rounded_to)
    return found


def days_of(read: Read) -> list[str]:
    """The days of which published numbers can be read, the oldest first."""
    return sorted(set(re.findall(r'href="/\?as-of=([\d-]+)"', read("/releases").decode())))


def sign_in(client: httpx.Client, name: str, password: str) -> Read:
    """Sign in by the form; returns what reads a page. Raises SystemExit where the portal does not let us in."""
    token = re.search(r'name="csrf" value="([^"]+)"', client.get("/login").text)
    form = {"csrf": token[1] if token else "", "name": name, "password": password}
    if client.post("/login", data=form, follow_redirects=False).status_code != 303:
        raise SystemExit("the portal does not let this account in: give --name and --password-file of a central office")

    def read(path: str) -> bytes:
        answer = client.get(path)
        answer.raise_for_status()
        return answer.content

    return read


@dataclass(frozen=True)
class Found:
    """All that follows: numbers of few pupils, numbers narrowed to few values, the book, and the days compared."""

    derived: list[Derived]
    narrowed: list[tuple[Key, Known]]
    book: Book
    days: list[str]

    @property
    def is_leak(self) -> bool:
        """Whether anything follows that may not."""
        return bool(self.derived or self.narrowed or self.book.contradictions)


def report(read: Read, mails: Sequence[bytes] = ()) -> Found:
    """All that follows from a portal's pages, as they stand and as published before, and from mails."""
    days = days_of(read)
    past = [read_book(cells_of(read, day)) for day in days]
    book = read_book([*cells_of(read), *(cell for mail in mails for cell in mail_cells(mail))])
    found = derived(book) + apart(book)
    for before, after in pairwise([*past, book]):
        found += moved(before, after)
    return Found(found, narrowed(book), book, days)


def main(arguments: list[str] | None = None) -> int:
    """Print what follows from a portal's pages; 1 where something does."""
    parser = argparse.ArgumentParser(description="Derive small cells from the central office's pages.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--portal", help="address of a portal that runs")
    where.add_argument("--home", type=Path, help="home folder of a district; its portal is served within this process")
    parser.add_argument("--name", default="central")
    parser.add_argument("--password-file", type=Path, required=True)
    parser.add_argument("--mails", type=Path, help="folder of .eml files that were sent")
    given = parser.parse_args(arguments)
    password = given.password_file.read_text(encoding="utf-8").strip()
    mails = [path.read_bytes() for path in sorted(given.mails.glob("*.eml"))] if given.mails else []
    with client_of(given.portal, given.home) as client:
        found = report(sign_in(client, given.name, password), mails)
    for one in found.derived:
        print(one)
    for key, known in found.narrowed:
        print(f"{', '.join(key)}: {known.low:g} to {known.high:g} ({known.how})")
    for said in found.book.contradictions.values():
        print(f"two pages, two numbers: {said}")
    known_well = sum(one.low == one.high for one in found.book.known.values())
    print(
        f"{len(found.book.known)} numbers, {known_well} exactly known; {len(found.derived)} under {N_MIN} derived;"
        f" {len({one.name for one in found.derived})} names; {len(found.narrowed)} narrowed;"
        f" {len(found.book.contradictions)} contradictions; {len(found.days)} days of publication, {len(mails)} mails"
    )
    return 1 if found.is_leak else 0


def client_of(portal: str | None, home: Path | None) -> httpx.Client:
    """A client of a portal that runs, or of one over a home in this process."""
    if portal:
        return httpx.Client(base_url=portal, follow_redirects=True)
    assert home is not None  # the command asks for one of the two
    return TestClient(create_app(Settings(home=home)), base_url="http://localhost")


if __name__ == "__main__":
    sys.exit(main())
