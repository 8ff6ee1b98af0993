"""The district's privacy rules: ``privacy.yaml`` in the district's folder, read here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cairn.district import load_yaml_mapping
from cairn.errors import CairnError
from cairn.settings import Settings

FILE_NAME = "privacy.yaml"
DEFAULT_SMALLEST_GROUP = 10


def smallest_group(settings: Settings) -> int:
    """The smallest group of pupils about which a published table or a page says anything (``n_min``).

    Ten where the district has no ``privacy.yaml``. Raises CairnError, which names the file and what to write, where it
    cannot be read or gives no whole number of one or more: a rule that cannot be read protects nobody, so nothing is
    published or shown under a guess.
    """
    path = settings.district_dir / FILE_NAME
    if not path.exists():
        return DEFAULT_SMALLEST_GROUP
    try:
        rules = load_yaml_mapping(path)
    except OSError as error:
        raise CairnError(f"{path}: cannot be read ({type(error).__name__}): let the service read it") from error
    given = rules.get("n_min")
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise CairnError(
            f"{path}: n_min must be a whole number of pupils, 1 or more: write 'n_min: {DEFAULT_SMALLEST_GROUP}' in it"
        )
    return given


def held_back(pupils: Mapping[str, int], n_min: int) -> set[str]:
    """Names of groups of which nothing is told, by how many pupils each has; ``n_min``: the district's smallest group.

    Those under ``n_min``, and of the next larger ones as many as it takes for all that are held back to have ``n_min``
    pupils together: else what is left of a total, when the others are taken off, would tell on the few.
    """
    found: set[str] = set()
    together = 0
    for name, size in sorted(pupils.items(), key=lambda one: (one[1], one[0])):
        if size < n_min or 0 < together < n_min:
            found.add(name)
            together += size
    return found


# What a card tells of a school's pupils; a school of too few keeps its name and arm.
_OF_A_SCHOOL = ("pupils", "mean_baseline", "mean_outcome", "mean_minutes")


def school_told(school: Mapping[str, Any], n_min: int) -> dict[str, Any]:
    """A scorecard's row of a school as anybody may see it: without its numbers under ``n_min`` pupils."""
    return dict(school) | (dict.fromkeys(_OF_A_SCHOOL) if (school.get("pupils") or 0) < n_min else {})
