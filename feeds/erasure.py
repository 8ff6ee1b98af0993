"""Feeds of schools as a place that a person is erased from: a folder that names the person goes whole."""

from __future__ import annotations

from answers import feed_folders
from cairn.settings import Settings
from identity.erasures import Receipt


class Feeds:
    """The folders of feeds; see :class:`night.erasure.Place`."""

    name = "feeds"

    def erase(self, settings: Settings, receipt: Receipt) -> int:
        """Delete the folders that name the person, or may; 'cairn feeds write' makes the newest anew."""
        return feed_folders.remove_naming(settings, receipt.student_keys)

    def count(self, settings: Settings, receipt: Receipt) -> int:
        """How many name the person, or may."""
        return len(feed_folders.naming(settings, receipt.student_keys))
