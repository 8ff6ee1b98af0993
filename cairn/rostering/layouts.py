"""Layouts: how a vendor's or the district's file maps to results, facts and teachers' words. It is data, not code.

A layout is a YAML file in ``layouts/`` of the district's configuration. It names, for each field of the target, a
column (with formats, a map of words, patterns) or a fixed value; columns that are read past; and the key of a row.
This module reads layouts and applies one field; ``layout_rows`` turns whole files into rows.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from cairn.district import EXAMPLES, load_yaml_mapping
from cairn.errors import CairnError
from cairn.rostering.tabular import CellError, Row, parse_bool, parse_date, parse_number
from cairn.settings import Settings
from cairn.spreadsheets import NUMBER_RULES

KINDS = ("assessments", "facts", "overrides")
DEFAULT_FORMATS = ("%Y-%m-%d",)
KEYS = frozenset(
    {
        "layout",
        "kind",
        "title",
        "identifier",
        "fields",
        "measures",
        "key",
        "ignored",
        "fact_type",
        "delimiter",
        "missing",
    }
)
FIELD_KEYS = frozenset(
    {"column", "value", "required", "words", "patterns", "otherwise", "formats", "above", "allowed", "minimum"}
    | {"maximum", "numbers"}
)


@dataclass(frozen=True)
class Field:
    """Where one value comes from: ``column`` of the file, or ``value`` for every row.

    ``words`` maps what the file says to what Cairn says, ``patterns`` the same by regular expression (first match
    wins), ``otherwise`` is for what neither matches (without it, such a row is refused). ``formats`` are strptime
    formats of dates. ``above``: a number over it is true. ``allowed``: the only words taken, and ``minimum`` and
    ``maximum`` the bounds of a number, ``numbers`` what else is read as one (``cairn.spreadsheets.NUMBER_RULES``).
    ``missing``: what the file writes (``*``) where it has no value. ``is_required``: neither the column nor the cell
    may be missing.
    """

    column: str = ""
    value: str = ""
    is_required: bool = False
    words: Mapping[str, str] = field(default_factory=dict)
    patterns: tuple[tuple[re.Pattern[str], str], ...] = ()
    otherwise: str | None = None
    formats: tuple[str, ...] = DEFAULT_FORMATS
    above: float | None = None
    allowed: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    numbers: tuple[str, ...] = ()
    missing: frozenset[str] = frozenset()

    def raw(self, row: Row) -> str:
        """The cell or the fixed value. Raises CellError where it is required and empty."""
        text = self.value or (row.get(self.column) if self.column else "")
        if text in self.missing:
            text = ""
        if not text and self.is_required:
            raise CellError(f"{self.column} is empty")
        return text

    def text(self, row: Row) -> str:
        """The value after words and patterns. Raises CellError for a word that is not foreseen."""
        text = self.raw(row)
        if text and self.words:
            mapped = self.words.get(text.lower(), self.otherwise)
            if mapped is None:
                raise CellError(f"{self.column} is none of {', '.join(sorted(self.words))}")
            text = mapped
        elif text and self.patterns:
            mapped = next((result for pattern, result in self.patterns if pattern.search(text)), self.otherwise)
            if mapped is None:
                raise CellError(f"{self.column} matches none of the layout's patterns")
            text = mapped
        if text and self.allowed and text not in self.allowed:
            raise CellError(f"{self.column} is none of {', '.join(self.allowed)}")
        return text

    def number(self, row: Row) -> float | None:
        """The value as a number within its bounds; None where empty."""
        number = parse_number(self.raw(row), self.column, self.numbers)
        if number is not None:
            if self.minimum is not None and number < self.minimum:
                raise CellError(f"{self.column} is below {self.minimum:g}")
            if self.maximum is not None and number > self.maximum:
                raise CellError(f"{self.column} is above {self.maximum:g}")
        return number

    def day(self, row: Row) -> date | None:
        """The value as a district-local date; None where empty."""
        return parse_date(self.raw(row), self.column, self.formats)

    def flag(self, row: Row) -> bool | None:
        """The value as yes or no: by bound, by words (mapped to true or false), or as it is written."""
        if self.above is not None:
            number = parse_number(self.raw(row), self.column)
            return None if number is None else number > self.above
        return parse_bool(self.text(row), self.column)


@dataclass(frozen=True)
class Measure:
    """One score of a row: what it measures, and where score, error and percentile stand. ``is_optional``: a strand.

    ``window_name`` and ``taken_date``, where a row holds several windows side by side: the measure's own, else None.
    """

    measure: Field
    scale_score: Field
    standard_error: Field
    percentile: Field
    is_optional: bool
    window_name: Field | None = None
    taken_date: Field | None = None

    def fields(self) -> tuple[Field, ...]:
        """All that are given."""
        own = [field for field in (self.window_name, self.taken_date) if field]
        return (self.measure, self.scale_score, self.standard_error, self.percentile, *own)


@dataclass(frozen=True)
class Layout:
    """A layout read. ``identifier``: kind under which the vault knows the student column's values.

    ``fields`` by name of the target's column; ``key``: target fields or columns of the file that, with the layout's
    name, make a row unique; ``ignored``: columns the layout knows and reads past (``*`` stands for any characters).
    """

    name: str
    kind: str
    title: str
    identifier: str
    fields: Mapping[str, Field]
    measures: tuple[Measure, ...]
    key: tuple[str, ...]
    ignored: tuple[str, ...]
    fact_type: str
    delimiter: str
    path: Path

    def get(self, name: str) -> Field:
        """The field, or one that is always empty."""
        return self.fields.get(name, Field())

    def all_fields(self) -> list[Field]:
        """Every field, measures included."""
        return [*self.fields.values(), *(item for measure in self.measures for item in measure.fields())]

    def columns(self) -> list[str]:
        """Columns of the file that are read, each once."""
        named = [item.column for item in self.all_fields() if item.column]
        return list(dict.fromkeys([*named, *(column for column in self.key if column not in TARGETS[self.kind])]))

    def is_ignored(self, column: str) -> bool:
        """Whether the layout knows the column and reads past it; ``*`` in ``ignored`` stands for any characters."""
        name = column.lower()
        return any(fnmatch.fnmatchcase(name, pattern.lower()) for pattern in self.ignored)

    def required_columns(self) -> list[str]:
        """Columns without which a file of this layout cannot be taken."""
        always = [item.column for item in self.fields.values() if item.column and item.is_required]
        scores = [
            measure.scale_score.column
            for measure in self.measures
            if measure.scale_score.column and (measure.scale_score.is_required or not measure.is_optional)
        ]
        return list(dict.fromkeys([*always, *scores]))


TARGETS: dict[str, tuple[str, ...]] = {
    "assessments": ("student", "assessment", "subject", "window_name", "taken_date", "is_rapid_guess", "measure"),
    "facts": ("student", "school_id", "pilot_id", "fact_date", "name", "value", "unit", "text_value"),
    "overrides": ("student", "said_date", "competency_id", "said", "reason", "until_date"),
}


def available_layouts(settings: Settings, kind: str) -> list[str]:
    """Names of the layouts of a kind, the district's own and the examples."""
    found = set()
    for folder in (settings.district_dir / "layouts", EXAMPLES / "layouts"):
        for path in folder.glob("*.yaml"):
            if load_yaml_mapping(path).get("kind") == kind:
                found.add(path.stem)
    return sorted(found)


def load_layout(settings: Settings, name: str, *kinds: str) -> Layout:
    """Layout ``name`` of one of ``kinds``. Raises CairnError naming those there are."""
    if re.fullmatch(r"[A-Za-z0-9_-]+", name):
        for folder in (settings.district_dir / "layouts", EXAMPLES / "layouts"):
            path = folder / f"{name}.yaml"
            if path.is_file():
                layout = parse_layout(load_yaml_mapping(path), path)
                if layout.kind in kinds:
                    return layout
    known = [one for kind in kinds for one in available_layouts(settings, kind)]
    raise CairnError(f"no layout {name!r} for {' or '.join(kinds)}: there are {', '.join(known)}")


def parse_layout(raw: Mapping[str, Any], path: Path) -> Layout:
    """A layout from its YAML. Raises CairnError naming file and key where it says something unknown."""
    kind = str(raw.get("kind"))
    if kind not in KINDS:
        raise CairnError(f"{path}: kind is none of {', '.join(KINDS)}: correct it")
    unknown = sorted(set(raw) - KEYS)
    if unknown:
        raise CairnError(f"{path}: unknown key {', '.join(unknown)}: a layout has {', '.join(sorted(KEYS))}")
    missing = frozenset(str(word) for word in raw.get("missing") or ())
    given = (raw.get("fields") or {}).items()
    fields = {name: _field(item, f"{path}: fields.{name}", missing) for name, item in given}
    strange = sorted(set(fields) - set(TARGETS[kind]))
    if strange:
        raise CairnError(f"{path}: unknown field {', '.join(strange)}: fields are {', '.join(TARGETS[kind])}")
    return Layout(
        name=path.stem,
        kind=kind,
        title=str(raw.get("title") or path.stem),
        identifier=str(raw.get("identifier") or "sourcedId"),
        fields=fields,
        measures=tuple(
            _measure(item, f"{path}: measures[{i}]", missing) for i, item in enumerate(raw.get("measures") or ())
        ),
        key=tuple(str(column) for column in raw.get("key") or ()),
        ignored=tuple(str(column) for column in raw.get("ignored") or ()),
        fact_type=str(raw.get("fact_type") or ""),
        delimiter=str(raw.get("delimiter") or ","),
        path=path,
    )


def _field(raw: Any, where: str, missing: frozenset[str]) -> Field:
    """A field: a column's name alone, or a mapping."""
    if isinstance(raw, str):
        return Field(column=raw, missing=missing)
    if not isinstance(raw, dict) or set(raw) - FIELD_KEYS:
        raise CairnError(f"{where}: expected a column's name or a mapping of {', '.join(sorted(FIELD_KEYS))}")
    numbers = tuple(str(rule) for rule in raw.get("numbers") or ())
    if set(numbers) - set(NUMBER_RULES):
        raise CairnError(f"{where}: numbers are read by {', '.join(NUMBER_RULES)}: correct the rule")
    try:
        patterns = tuple((re.compile(str(p), re.IGNORECASE), str(r)) for p, r in (raw.get("patterns") or {}).items())
    except re.error as error:
        raise CairnError(f"{where}: not a regular expression ({error}): correct the pattern") from error
    return Field(
        column=str(raw.get("column") or ""),
        value=str(raw.get("value") or ""),
        is_required=bool(raw.get("required")),
        words={str(word).lower(): str(result) for word, result in (raw.get("words") or {}).items()},
        patterns=patterns,
        otherwise=raw.get("otherwise"),
        formats=tuple(raw.get("formats") or DEFAULT_FORMATS),
        above=raw.get("above"),
        allowed=tuple(str(word) for word in raw.get("allowed") or ()),
        minimum=raw.get("minimum"),
        maximum=raw.get("maximum"),
        numbers=numbers,
        missing=missing,
    )


def _measure(raw: Any, where: str, missing: frozenset[str]) -> Measure:
    scores, own = ("scale_score", "standard_error", "percentile"), ("window_name", "taken_date")
    known = {"measure", "optional", *scores, *own}
    if not isinstance(raw, dict) or set(raw) - known:
        raise CairnError(f"{where}: expected {', '.join(sorted(known))}")
    parts = {name: _field(raw.get(name) or {}, f"{where}.{name}", missing) for name in scores}
    window, taken = (_field(raw[name], f"{where}.{name}", missing) if name in raw else None for name in own)
    name = raw.get("measure")
    measure = Field(value=name) if isinstance(name, str) else _field(name, f"{where}.measure", missing)
    return Measure(
        measure=measure, is_optional=bool(raw.get("optional")), window_name=window, taken_date=taken, **parts
    )
