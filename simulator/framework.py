"""The simulated district's framework and items: two subjects, four domains each, five competencies a domain."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://case.cedar.example/frameworks/k8")
SUBJECTS = ("math", "reading")
ITEMS_RANGE = (8, 12)

DOMAINS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "math": {
        "NF": (
            "Number and fractions",
            (
                "Name unit fractions of a whole",
                "Place fractions on a number line",
                "Find equivalent fractions",
                "Compare fractions with unlike denominators",
                "Add and subtract fractions",
            ),
        ),
        "OA": (
            "Operations and algebraic thinking",
            (
                "Multiply within one hundred",
                "Divide with remainders",
                "Multiply multi-digit numbers",
                "Write expressions for a situation",
                "Solve one-step equations",
            ),
        ),
        "MD": (
            "Measurement and data",
            (
                "Read scales and convert units",
                "Find area and perimeter",
                "Find the volume of a box",
                "Read line plots and bar charts",
                "Summarise data by a centre",
            ),
        ),
        "RP": (
            "Ratio and proportion",
            (
                "Describe a ratio",
                "Find unit rates",
                "Solve percent problems",
                "Scale a drawing",
                "Represent proportional relationships",
            ),
        ),
    },
    "reading": {
        "KI": (
            "Key ideas",
            (
                "Answer questions from the text",
                "State the main idea",
                "Summarise a passage",
                "Infer what is not said",
                "Quote evidence for a claim",
            ),
        ),
        "VO": (
            "Vocabulary",
            (
                "Use context for word meaning",
                "Use prefixes and suffixes",
                "Tell figurative from literal meaning",
                "Relate words by shades of meaning",
                "Use domain words",
            ),
        ),
        "CS": (
            "Craft and structure",
            (
                "Find the structure of a text",
                "Tell the narrator's point of view",
                "Explain how a part builds the whole",
                "Compare points of view",
                "Explain the effect of word choice",
            ),
        ),
        "IN": (
            "Integration of ideas",
            (
                "Use text features and graphics",
                "Compare two texts on a topic",
                "Follow an argument",
                "Judge whether evidence is relevant",
                "Combine several sources",
            ),
        ),
    },
}


@dataclass(frozen=True)
class Competency:
    """A leaf competency; ``order`` counts from 0 within its subject, in the order classes meet it."""

    identifier: str
    subject: str
    domain: str
    code: str
    title: str
    order: int


# One item in so many is an open task.
RUBRIC_EVERY = 12


@dataclass(frozen=True)
class Items:
    """All items, flat, in the order of their competencies.

    ``ids`` are IRIs; ``difficulty`` in logits; ``start[c]`` and ``count[c]`` bound competency c's items.
    """

    ids: list[str]
    difficulty: NDArray[np.float64]
    competency: NDArray[np.int64]
    start: NDArray[np.int64]
    count: NDArray[np.int64]

    def are_rubric(self, item: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which items are open tasks, scored by a rubric in quarters and not as right or wrong."""
        found: NDArray[np.bool_] = item % RUBRIC_EVERY == RUBRIC_EVERY - 1
        return found


def identifier(*parts: str) -> str:
    """A stable CASE identifier (UUIDv5 of the parts): frameworks do not change with the seed."""
    return str(uuid.uuid5(NAMESPACE, "|".join(parts)))


def competencies() -> list[Competency]:
    """The forty leaves, math first; position in the list is the competency's index everywhere in the simulator."""
    leaves: list[Competency] = []
    for subject in SUBJECTS:
        order = 0
        for domain, (_, titles) in DOMAINS[subject].items():
            for number, title in enumerate(titles, start=1):
                code = f"{subject[0].upper()}.{domain}.{number}"
                leaves.append(Competency(identifier("leaf", code), subject, domain, code, title, order))
                order += 1
    return leaves


def prerequisites(leaves: list[Competency]) -> list[tuple[int, int]]:
    """``precedes`` edges (from, to) as indices: along each domain, and from each domain's first leaf to the next's."""
    edges: list[tuple[int, int]] = []
    for index, leaf in enumerate(leaves):
        if leaf.order % 5:
            edges.append((index - 1, index))
        elif leaf.order:
            edges.append((index - 5, index))
    return edges


def make_items(leaves: list[Competency], rng: np.random.Generator) -> Items:
    """Eight to twelve items a competency, difficulty N(0, 0.7) logits."""
    count = rng.integers(ITEMS_RANGE[0], ITEMS_RANGE[1] + 1, len(leaves))
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    ids = [
        f"https://content.cedar.example/items/{leaf.code.lower().replace('.', '-')}-{number:02d}"
        for leaf, n in zip(leaves, count, strict=True)
        for number in range(1, n + 1)
    ]
    difficulty = np.round(rng.normal(0.0, 0.7, int(count.sum())), 3)
    return Items(ids, difficulty, np.repeat(np.arange(len(leaves)), count), start, count)
