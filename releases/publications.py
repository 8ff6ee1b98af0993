"""The publications that stand: protected tables made of releases on fixed days, for every reader without a duty to
see few pupils.

``home/releases/publications/<kind>/<publication_id>.json`` never changes once written; ``current.json`` names the one
that stands. Each publication, made or blocked, is a row of ops.publication.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from cairn.privacy_dates import publication_rules
from cairn.protection.published import Publication, from_json
from cairn.settings import Settings
from releases.store import KINDS

FOLDER = "publications"


def kind_dir(settings: Settings, kind: str) -> Path:
    """Where publications of a kind lie."""
    return settings.releases_dir / FOLDER / kind


def standing(settings: Settings, kind: str) -> Publication | None:
    """The publication of a kind that stands, or None before the first."""
    folder = kind_dir(settings, kind)
    try:
        current = json.loads((folder / "current.json").read_text(encoding="utf-8"))["publication_id"]
    except FileNotFoundError:
        return None
    return from_json(json.loads((folder / f"{current}.json").read_text(encoding="utf-8")))


def read_publication(settings: Settings) -> Publication | None:
    """Every protected table that stands now, of both kinds, for a page; None where nothing was published yet.

    Its date, release and note are those of the learning publication where there is one; ``standing`` says by table
    which publication it belongs to.
    """
    found = [one for kind in KINDS if (one := standing(settings, kind))]
    if not found:
        return None
    tables = {name: table for one in found for name, table in one.tables.items()}
    belongs = {name: of for one in found for name, of in one.standing.items()}
    next_date = publication_rules(settings).next_date(found[0].publication_date)
    return replace(found[0], tables=tables, standing=belongs, next_date=next_date)
