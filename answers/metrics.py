"""The metric layer: what each number is called, counts, and how it is printed, from ``schemas/metrics``.

Pilot page, rollout page, PDF, feed and mail take title and text of a number from here, so that one number has one name,
one base, one unit and one rounding wherever it stands. A share that lies outside 0 to 1 is not printed: it is a bug of
whoever made it, and is raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from answers import wording
from cairn.district import load_yaml_mapping
from cairn.errors import CairnError
from cairn.settings import REPOSITORY

FOLDER = REPOSITORY / "schemas" / "metrics"
UNITS = {
    "pupils": ("pupil", "pupils"),
    "pairs": ("pair of pupil and topic", "pairs of pupil and topic"),
    "groups": ("small group", "small groups"),
    "classes": ("class", "classes"),
    "schools": ("school", "schools"),
    "milestones": ("milestone", "milestones"),
    "visits": ("visit", "visits"),
    "barriers": ("barrier", "barriers"),
    "minutes": ("minute", "minutes"),
    "hours": ("hour", "hours"),
    "days": ("day", "days"),
    "usd": ("US dollar", "US dollars"),
    "share": ("share", "shares"),
}
ROUNDINGS = {
    "whole": "to a whole number",
    "tenth": "to a tenth",
    "percent": "to a whole percentage",
    "money": "to a dollar, to a cent under $100",
}
PROTECTIONS = {
    "none": "counts no pupils",
    "count": "rounded and never under the smallest group",
    "share": "in steps by the size of its base, coded at both ends",
    "mean": "told where its base is",
    "cost": "divided by the published base",
    "adults": "told from the smallest group of adults on, over all schools",
    "entitled": "on the school's own pages only",
}


@dataclass(frozen=True)
class Metric:
    """One number: what a person reads of it. ``source`` is mart and column; ``kind`` the release that it is of."""

    name: str
    title: str
    meaning: str
    base: str
    unit: str
    protection: str
    source: str
    kind: str
    rounding: str = "whole"

    def text(self, value: float | None) -> str:
        """The number as it is printed; a dash where it is not known.

        Raises ValueError for a share outside 0 to 1.
        """
        if value is None:
            return wording.number(None)
        if self.unit == "share" and not 0 <= value <= 1:
            raise ValueError(f"{self.name} is {value}: a share of {self.base} lies between 0 and 1")
        if self.rounding == "percent":
            return wording.percent(value)
        if self.rounding == "money":
            return wording.money(value)
        return wording.number(value, 1 if self.rounding == "tenth" else 0)

    def counted(self, text: str) -> str:
        """A printed count with its unit: ``1 pupil``, ``3 pupils``, ``under 10 pupils``."""
        one, many = UNITS[self.unit]
        return f"{text} {one if text == '1' else many}"


@lru_cache(maxsize=1)
def metrics() -> dict[str, Metric]:
    """Every metric by name. Raises CairnError, which names the file, where one is not as it is to be."""
    found: dict[str, Metric] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        raw = load_yaml_mapping(path)
        for one in raw["metrics"]:
            try:
                metric = Metric(kind=raw["kind"], **one)
            except TypeError as error:
                raise CairnError(f"{path}: {one.get('name')}: {error}: write the keys that the others have") from error
            for key, allowed in (("unit", UNITS), ("rounding", ROUNDINGS), ("protection", PROTECTIONS)):
                if (given := getattr(metric, key)) not in allowed:
                    raise CairnError(f"{path}: {metric.name}: {key} {given!r} is none of {', '.join(allowed)}")
            if metric.name in found:
                raise CairnError(f"{path}: {metric.name} stands there twice: one number has one definition")
            found[metric.name] = metric
    return found


def title(name: str) -> str:
    """What a person calls a metric. Raises KeyError for one that is not defined."""
    return metrics()[name].title


def text(name: str, value: float | None) -> str:
    """A metric's number as it is printed. Raises KeyError for one that is not defined, ValueError for what
    :meth:`Metric.text` refuses."""
    return metrics()[name].text(value)
