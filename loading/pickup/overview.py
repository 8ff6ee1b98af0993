"""The sources of the pick-up as a person asks for them: what each takes, how its last run ended, what waits."""

from __future__ import annotations

from typing import Any

from cairn.settings import Settings
from loading.pickup.config import FolderPlace, RestPlace, SftpPlace, Source, load_sources
from loading.pickup.state import IN_PART, LOADED, REFUSED, PickupState


def list_sources(settings: Settings) -> list[dict[str, Any]]:
    """One mapping a source, in the order of pickup.yaml; no secret and no name of a person in it."""
    state = PickupState(settings)
    return [_shown(state, source) for source in load_sources(settings)]


def _shown(state: PickupState, source: Source) -> dict[str, Any]:
    known = state.of_source(source.name)
    last_loaded = state.last_taken(source.name, LOADED)
    last_refused = state.last_taken(source.name, REFUSED, IN_PART)
    return {
        "name": source.name,
        "kind": source.kind,
        "where": _where(source),
        "takes": [
            {"match": take.match, "load": take.load, **({"layout": take.layout} if take.layout else {})}
            for take in source.takes
        ],
        "state": known.state or "never run",
        "message": known.message,
        "last_run_at": known.last_run_at,
        "last_loaded": last_loaded and {"name": last_loaded[0], "at": last_loaded[1]},
        "last_refused": last_refused and {"name": last_refused[0], "at": last_refused[1], "reason": last_refused[2]},
        "waiting": state.waiting(source.name),
        "changed_since_at": known.changed_since_at,
    }


def _where(source: Source) -> str:
    place = source.place
    if isinstance(place, FolderPlace):
        return str(place.path)
    if isinstance(place, SftpPlace):
        return f"sftp://{place.host}:{place.port}{place.path}"
    assert isinstance(place, RestPlace)
    return place.base_url
