"""The list of erasures: one receipt a person, and no name on any; by it a restored backup is brought up to date.

A receipt is ``home/erasures/<erasure_id>.json``, for its owner only. It holds keys, which say nothing without the
vault, since a backup from before the erasure can only be cleared of whom one knows by key. Keep a copy of the folder
apart from lake and vault, and for as long as their backups.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cairn.errors import CairnError
from cairn.settings import Settings
from cairn.whole_file import write_private
from identity.forgetting import Period


@dataclass(frozen=True)
class Receipt:
    """What was erased: keys, who asked for it and why, rows by place.

    ``periods``: (subject key, from, to) of identifiers that meant others too; ``kinds``: of her identifiers.
    ``topic_until_date``: the last local day on which the topic may still hold records; ``finished_at`` is empty while
    it is being done; ``passes``: how often it went through all places.
    """

    erasure_id: str
    erased_at: datetime
    erased_by: str
    reason: str
    student_keys: tuple[str, ...]
    subject_keys: tuple[str, ...]
    periods: tuple[Period, ...]
    kinds: tuple[str, ...]
    topic_until_date: date
    removed: Mapping[str, int] = field(default_factory=dict)
    finished_at: datetime | None = None
    passes: int = 0

    @property
    def words(self) -> list[str]:
        """Keys that may be nowhere but here."""
        return sorted({*self.student_keys, *self.subject_keys})

    def shown(self) -> dict[str, Any]:
        """The receipt as a command prints it: without the keys."""
        kept = ("erasure_id", "erased_at", "erased_by", "reason", "topic_until_date", "removed", "finished_at")
        return {name: getattr(self, name) for name in kept}


def new_id() -> str:
    """A random id, which says nothing of whom."""
    return f"e_{secrets.token_hex(8)}"


def folder(settings: Settings) -> Path:
    """Where the receipts lie."""
    return settings.home / "erasures"


def save(settings: Settings, receipt: Receipt) -> Path:
    """Write a receipt so that a reader sees the old or the new one."""
    folder(settings).mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder(settings) / f"{receipt.erasure_id}.json"
    write_private(path, json.dumps(asdict(receipt), indent=1, default=_text).encode())
    return path


def every(settings: Settings) -> list[Receipt]:
    """All receipts, oldest first."""
    found = [_read(path) for path in folder(settings).glob("e_*.json")]
    return sorted(found, key=lambda receipt: (receipt.erased_at, receipt.erasure_id))


def get(settings: Settings, erasure_id: str) -> Receipt:
    """A receipt by id, or by the path of its file. Raises CairnError where there is none."""
    path = folder(settings) / f"{Path(erasure_id).name.removesuffix('.json')}.json"
    if not path.is_file():
        raise CairnError(f"no receipt {Path(erasure_id).name} in {folder(settings)}: copy it there")
    return _read(path)


def of_student(settings: Settings, student_key: str) -> Receipt | None:
    """The receipt of a person who was erased, by key; None where she was not."""
    return next((one for one in every(settings) if student_key in one.student_keys), None)


def finished(receipt: Receipt, removed: Mapping[str, int], topic_until_date: date) -> Receipt:
    """The receipt of an erasure that has been through all places now; counts of earlier tries are added up."""
    total = {name: receipt.removed.get(name, 0) + removed.get(name, 0) for name in {*receipt.removed, *removed}}
    kept = {name: count for name, count in sorted(total.items()) if count}
    return replace(
        receipt,
        removed=kept,
        topic_until_date=topic_until_date,
        finished_at=datetime.now(UTC),
        passes=receipt.passes + 1,
    )


def _text(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"a receipt holds no {type(value).__name__}")


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _read(path: Path) -> Receipt:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return Receipt(
            erasure_id=raw["erasure_id"],
            erased_at=datetime.fromisoformat(raw["erased_at"]),
            erased_by=raw["erased_by"],
            reason=raw["reason"],
            student_keys=tuple(raw["student_keys"]),
            subject_keys=tuple(raw["subject_keys"]),
            periods=tuple(
                (subject, datetime.fromisoformat(begins), _instant(ends)) for subject, begins, ends in raw["periods"]
            ),
            kinds=tuple(raw["kinds"]),
            topic_until_date=date.fromisoformat(raw["topic_until_date"]),
            removed=raw["removed"],
            finished_at=_instant(raw["finished_at"]),
            # Receipts of before were not counted: what is finished went through once at least.
            passes=raw.get("passes", 1 if raw["finished_at"] else 0),
        )
    except (ValueError, KeyError) as error:
        raise CairnError(f"{path} is no receipt of an erasure: restore it from its copy") from error
