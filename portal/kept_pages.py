"""Pages that are the same for all their readers, kept as they were drawn: what stands around them is each reader's own.

Such a page tells of two releases and a publication, which never change; fifty readers at 06:10 ask for the same one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from answers.pinned_releases import Opened, Pinned
from answers.published_numbers import Numbers
from answers.school_trust import Age
from cairn.language import current
from cairn.protection.published import Publication
from cairn.protection.rules import Rules
from portal.as_of import asked_day
from portal.web import portal_of, render

MOST = 16


class KeptPages:
    """The pages drawn last, by a key and the publication that they tell of.

    The publication is held by what it is, not by a name: one of another day, or made anew, is another.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._pages: OrderedDict[Hashable, tuple[Publication | None, Markup]] = OrderedDict()
        self._lock = threading.Lock()
        # Held while one draws: of fifty who ask at once for a page that is not there yet, one draws it.
        self._drawing = threading.Lock()

    def get(self, key: tuple[Hashable, ...], publication: Publication | None, draw: Callable[[], Markup]) -> Markup:
        """The page, from ``draw`` where it is not kept. ``key`` names all else that ``draw`` reads."""
        whole = (*key, id(publication))
        if (found := self._kept(whole, publication)) is not None:
            return found
        with self._drawing:
            if (found := self._kept(whole, publication)) is not None:
                return found
            page = draw()
            with self._lock:
                # The publication is kept with the page, so that no other can come to stand at its place in memory.
                self._pages[whole] = publication, page
                while len(self._pages) > self._most:
                    self._pages.popitem(last=False)
            return page

    def _kept(self, whole: Hashable, publication: Publication | None) -> Markup | None:
        with self._lock:
            found = self._pages.get(whole)
            if found is None or found[0] is not publication:
                return None
            self._pages.move_to_end(whole)
            return found[1]


KEPT = KeptPages()


def render_kept(
    request: Request,
    template: str,
    title: str,
    pinned: Pinned,
    numbers: Numbers,
    reads: tuple[Hashable, ...],
    context: Callable[[Age | None, Rules], Mapping[str, Any]],
) -> Response:
    """A page whose main part reads ``pinned``, ``numbers``, the age of the data, the district's rules of what may be
    told, the language, and ``reads``: all of them are in the key that it is kept by.

    ``context`` is asked only where the part has to be drawn, and is given the age and the rules of that key. The
    template extends ``layout``. It is given neither account nor token of a form: one that asks for them fails, and so
    no reader is shown what is another's. Raises HTTPException 503 where the rules cannot be read.
    """
    portal = portal_of(request)
    rules, day = portal.rules(), asked_day(request)
    age = portal.age(pinned.learning.data_date) if pinned.learning else None

    def draw() -> Markup:
        own = {"layout": "main_alone.html", "pinned": pinned, "age": age, "numbers": numbers, "asked_day": day}
        return Markup(portal.environment.get_template(template).render(own, **context(age, rules)))

    releases = (_known_by(pinned.learning), _known_by(pinned.evaluation))
    key = (portal.settings.home, template, current(), releases, age, rules, *reads)
    # Days gone by are asked for by few, and read anew each time.
    main = draw() if day else KEPT.get(key, numbers.publication, draw)
    return render(request, "kept.html", {"title": title, "main": main}, pinned=pinned)


def _known_by(release: Opened | None) -> tuple[str, int] | None:
    return (release.release_id, release.erasures) if release else None
