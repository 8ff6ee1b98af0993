"""Which cell of the publication is which number of a page: the central office's pages read published numbers by this
and by nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from answers.wording import retold
from cairn.protection.published import EMPTY, Publication, PublishedCell, PublishedTable

Row = Mapping[str, PublishedCell]
# Tables of a publication (releases/publication_tables.py), and the keys of their totals.
SCHOOLS, COMPETENCIES = "school_overview", "competency"
ROLLOUT, GROUPS, PILOT_SCHOOLS = "rollout_school", "rollout_group", "pilot_school"
PUPIL_GROUPS, SCHOOL_PUPIL_GROUPS = "mastery_group", "mastery_school_group"
ALL, TREATMENT = "*", "*treatment"


@dataclass(frozen=True)
class Numbers:
    """The numbers of one publication; without one every cell is a dash."""

    publication: Publication | None

    def table(self, name: str) -> PublishedTable:
        """A published table; an empty one where it was not published yet."""
        return self.publication.table(name) if self.publication else PublishedTable(name, (), (), {})

    def school(self, school_id: str) -> Row:
        """A school's pupils; the shares of them who need an adult and who move on."""
        return self.table(SCHOOLS).rows.get((school_id,), {})

    def pilot(self, pilot_id: str) -> Row:
        """A pilot's figures over all its schools."""
        return self.at_school(pilot_id, ALL)

    def at_school(self, pilot_id: str, school_id: str) -> Row:
        """A pilot's figures at one of its schools."""
        return self.table(ROLLOUT).rows.get((pilot_id, school_id), {})

    def assigned(self, pilot_id: str) -> dict[str, Row]:
        """By school of a pilot: pupils assigned, the share with both tests, the means of the scorecard."""
        return {key[1]: row for key, row in self.table(PILOT_SCHOOLS).rows.items() if key[0] == pilot_id}

    def groups(self, pilot_id: str | None = None) -> list[tuple[str, str, str, Row]]:
        """(pilot, grouping, group, row) of planned pupils and the share reached; without the totals of groupings."""
        return [
            (key[0], key[1], key[2], row)
            for key, row in self.table(GROUPS).rows.items()
            if key[2] != ALL and pilot_id in (None, key[0])
        ]

    def competency(self, competency_id: str) -> Row:
        """Pupils whose plan holds a competency; the shares who have mastered it and whose review is due."""
        return self.table(COMPETENCIES).rows.get((competency_id,), {})


NOT_YET = Numbers(None)


def text(row: Row, metric: str) -> str:
    """What a page prints for a metric of a row: a dash where it was not published."""
    return retold(row.get(metric, EMPTY).text)
