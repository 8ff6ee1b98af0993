"""Who opens what, in ``docs/reference/access.md``, made from what guards each address (``portal.web``).

``python -m portal.access_table`` writes it; ``--check`` exits 1 where the file is stale (CI runs that), so that no
change of who opens what goes unseen. That the guards hold is what tests/portal/test_access_matrix.py asks of every
address here with every method and every role.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute, Mount, Route

from answers.accounts import ROLES
from cairn.generated_file import write_or_check
from cairn.settings import REPOSITORY
from portal.app import routes
from portal.web import GUARDED, PUBLIC

REFERENCE = REPOSITORY / "docs" / "reference" / "access.md"
# What an address with one of these in it narrows to, for those who are entitled by school or class.
OWN = {"school_leader": "own school", "teacher": "own classes"}
NARROWING = ("{school_id}", "{class_id}", "{student_key}")
# Here names show only after a reason, which is written down.
NAMED = "/named/"
HEADER = """# Who opens what

Made from the portal's guards by `make docs`; do not edit. Whoever is not signed in is sent to the sign-in page (303);
a role that is not named gets 403, as do other schools, classes and pupils, alike whether they exist or not; a method
that is not named gets 405. HEAD is answered where GET is. Reports, feeds and static files are in it by their address.
`tests/portal/test_access_matrix.py` tries every line with every role and method.

| address | method | nobody | school leader | teacher | central office | engineer |
|---|---|---|---|---|---|---|
"""
FOOTER = """
Open to anybody:

| address | method | why |
|---|---|---|
"""


@dataclass(frozen=True)
class Line:
    """An address and its methods; ``roles`` that it opens to, or ``why`` it is open to anybody."""

    path: str
    methods: tuple[str, ...]
    roles: tuple[str, ...]
    why: str

    def told(self, role: str) -> str:
        """What a role gets of it."""
        if role not in self.roles:
            return "–"
        if self.path.startswith(NAMED):
            return "with a reason"
        return OWN.get(role, "yes") if any(part in self.path for part in NARROWING) else "yes"


def lines(served: Sequence[BaseRoute]) -> list[Line]:
    """Every address that is served, in the order in which requests are matched."""
    found = []
    for route in served:
        if isinstance(route, Mount):
            found.append(Line(f"{route.path}/*", ("GET",), (), "style, pictures, fonts: nothing of the district's"))
        elif isinstance(route, Route):
            methods = tuple(sorted((route.methods or set()) - {"HEAD"}))
            roles, why = GUARDED.get(route.endpoint, ()), PUBLIC.get(route.endpoint, "")
            found.append(Line(route.path, methods, roles, why))
    return found


def render() -> str:
    """The whole reference as Markdown."""
    every = lines(routes())
    guarded = [
        f"| `{one.path}` | {', '.join(one.methods)} | – | {' | '.join(one.told(role) for role in ROLES)} |"
        for one in every
        if one.roles
    ]
    public = [f"| `{one.path}` | {', '.join(one.methods)} | {one.why} |" for one in every if not one.roles]
    return HEADER + "\n".join(guarded) + "\n" + FOOTER + "\n".join(public) + "\n"


def main(arguments: list[str]) -> int:
    """Write the reference, or with ``--check`` say whether it is stale."""
    return write_or_check(REFERENCE, render(), arguments, "run 'make docs' and commit it")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
