"""Made-up names from syllables: nobody's name, and unlike any word of the product, so that a scan can look for them."""

from __future__ import annotations

import numpy as np

GIVEN_START = [
    "Ael",
    "Bri",
    "Cav",
    "Dov",
    "Elv",
    "Fen",
    "Gwi",
    "Hes",
    "Ilv",
    "Jor",
    "Kez",
    "Lum",
    "Miv",
    "Nol",
    "Orv",
    "Pex",
    "Quil",
    "Rov",
    "Syl",
    "Tav",
    "Ulm",
    "Vex",
    "Wil",
    "Xan",
    "Yel",
    "Zor",
]
GIVEN_END = ["adra", "elio", "imba", "onyx", "ushka", "ivel", "areth", "omir", "uvia", "enka", "oril", "aviv"]
FAMILY_START = [
    "Brax",
    "Calv",
    "Drem",
    "Ersk",
    "Fald",
    "Grov",
    "Hald",
    "Irv",
    "Jask",
    "Korv",
    "Lond",
    "Mork",
    "Nesk",
    "Oster",
    "Prav",
    "Quen",
    "Rusk",
    "Stav",
    "Thorv",
    "Umb",
    "Vald",
    "Wesk",
]
FAMILY_MIDDLE = ["a", "e", "i", "o", "u", "ae", "io", "ua"]
FAMILY_END = [
    "dov",
    "lick",
    "mond",
    "nark",
    "penn",
    "quist",
    "rath",
    "sholm",
    "tova",
    "vane",
    "wick",
    "zand",
    "brim",
    "gard",
]
SCHOOL_NAMES = [
    "Hollin",
    "Tarrow",
    "Brambleford",
    "Quarry",
    "Larkmoor",
    "Ashby",
    "Fernhill",
    "Stonebeck",
    "Willowmere",
    "Copperdale",
    "Marlow",
    "Eastfold",
    "Thistle",
    "Harrowgate",
    "Oakmere",
    "Pinecrest",
    "Rivermeet",
    "Saltmarsh",
    "Highfell",
    "Meadowlark",
    "Foxglove",
    "Juniper",
    "Lakeshore",
    "Northgate",
]


def people(count: int, rng: np.random.Generator) -> tuple[list[str], list[str], list[str]]:
    """(given names, family names, usernames) of ``count`` people; usernames are unique."""
    starts, ends = rng.integers(0, len(GIVEN_START), count), rng.integers(0, len(GIVEN_END), count)
    parts = [rng.integers(0, len(choices), count) for choices in (FAMILY_START, FAMILY_MIDDLE, FAMILY_END)]
    given = [GIVEN_START[a] + GIVEN_END[b] for a, b in zip(starts, ends, strict=True)]
    family = [FAMILY_START[a] + FAMILY_MIDDLE[b] + FAMILY_END[c] for a, b, c in zip(*parts, strict=True)]
    suffix = rng.integers(10, 100, count)
    seen: set[str] = set()
    usernames = []
    for first, last, number in zip(given, family, suffix.tolist(), strict=True):
        name = f"{first}.{last}{number}".lower()
        while name in seen:
            number += 1
            name = f"{first}.{last}{number}".lower()
        seen.add(name)
        usernames.append(name)
    return given, family, usernames


def identifiers(prefix: str, count: int, rng: np.random.Generator) -> list[str]:
    """Unique identifiers such as ``stu-4f7a2c91d0``."""
    raw = rng.choice(np.int64(16) ** 9, size=count * 2 + 8, replace=True)
    unique = list(dict.fromkeys((raw + np.int64(16) ** 9).tolist()))[:count]
    return [f"{prefix}-{value:x}" for value in unique]


def school_name(index: int) -> str:
    """Name of school ``index``; names repeat with a number after the list ends."""
    base = SCHOOL_NAMES[index % len(SCHOOL_NAMES)]
    turn = index // len(SCHOOL_NAMES)
    kind = "Elementary School" if index % 2 == 0 else "Middle School"
    return f"{base} {kind}" if turn == 0 else f"{base} {kind} {turn + 1}"
