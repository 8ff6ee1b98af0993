"""What every reader of a release asks for, made before the first of them asks: charts, templates, the schools' rows.

A release or publication is new once a night; who opens a page first would wait seconds for its charts. A thread of each
portal process looks for one and makes these. A page that comes meanwhile makes its own, as it did without this.
"""

from __future__ import annotations

import logging
import threading
import time

from answers.as_published import as_published
from answers.pilot_answers import load_scorecards
from answers.pinned_releases import Opened, Pinned
from answers.published_numbers import Numbers
from answers.school_answers import load_school
from answers.scorecard_parts import present
from portal.pages_overview import funnel_drawn, funnel_of, school_rows
from portal.pages_pilots import CHARTS
from portal.pages_rollout import pilots_of
from portal.web import Portal

LOG = logging.getLogger("portal")
EVERY_SECONDS = 5.0
# Learning release, evaluation release, publication, each as far as it is there; erasures make a release another.
Made = tuple[object, ...]


class Ahead:
    """What was made ahead in one process, and for which releases."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._made: Made | None = None
        self._is_over = threading.Event()

    def keep(self) -> None:
        """Look again and again from now on, in a thread that ends with the process."""
        threading.Thread(target=self._go_on, name="ahead", daemon=True).start()

    def end(self) -> None:
        """Look no longer."""
        self._is_over.set()

    def _go_on(self) -> None:
        while not self._is_over.is_set():
            try:
                self.look()
            except Exception as error:  # whatever it is: pages make what they need themselves, and say what is wrong
                LOG.error("pages could not be made ready: %s", type(error).__name__)
            self._is_over.wait(EVERY_SECONDS)

    def look(self) -> bool:
        """Make what is new; False where nothing is. What fails is not tried again until the next release."""
        portal = self._portal
        numbers = Numbers(as_published(portal.settings))
        found = _named(portal.reader.pin(), numbers)
        if found == self._made:
            return False
        self._made = found
        for name in portal.environment.list_templates(extensions=["html"]):
            portal.environment.get_template(name)
        _charts(portal, portal.reader.pin(), numbers)
        self._schools()
        return True

    def _schools(self) -> None:
        """The rows of each school, as long as there is room; pinned anew for each: a release that somebody is erased
        from meanwhile is not held open."""
        reader = self._portal.reader
        for school_id in _school_ids(reader.pin().learning):
            learning = reader.pin().learning
            if learning is None or self._is_over.is_set() or not reader.has_room:
                return
            began = time.thread_time()
            load_school(learning, school_id)
            # Readers who come meanwhile go first: a thread that never rests takes every second turn from them.
            self._is_over.wait(time.thread_time() - began)


def _named(pinned: Pinned, numbers: Numbers) -> Made:
    """What tells that something is new."""
    releases = ((one.release_id, one.erasures) if one else None for one in (pinned.learning, pinned.evaluation))
    return (*releases, numbers.publication.publication_id if numbers.publication else None)


def _school_ids(learning: Opened | None) -> list[str]:
    return (
        [row["school_id"] for row in learning.rows("select school_id from mart_school order by 1")] if learning else []
    )


def _charts(portal: Portal, pinned: Pinned, numbers: Numbers) -> None:
    """Every chart of the central office's pages, which keep them."""
    rules = portal.rules()
    if pinned.learning is not None:
        age = portal.age(pinned.learning.data_date)
        found = funnel_of(school_rows(pinned.learning, numbers, age, portal.settings.zone))
        if found is not None:
            funnel_drawn(found)
    if pinned.evaluation is None:
        return
    publication = numbers.publication.publication_id if numbers.publication else None
    for card in load_scorecards(pinned.evaluation):
        CHARTS.charts(pinned.evaluation.release_id, publication, present(card, rules, numbers))
    pilots_of(pinned.evaluation, numbers, rules)
