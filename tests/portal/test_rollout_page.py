"""The page of the rollout: pictures first, each with its numbers as text; what was not sent, with its command."""

from __future__ import annotations

import re
from typing import Any


def test_pictures_come_first_and_tables_after(pages: Any) -> None:
    text = pages.client("central").get("/rollout").text
    assert text.index("<svg") < text.index('<dl class="figures">') < text.index("<table"), "pictures first"
    labels = re.findall(r'class="chart" role="img" aria-label="([^"]+)"', text)
    assert [label.split(":")[0].split(" of ")[0] for label in labels] == [
        "Reached by date against plan",
        "Mean minutes",
        "Reach by group",
        "What adults have learned",
        "Readiness",
        "Cost by kind",
    ]
    # In words it is as many as the figures beside it say, which are published ones.
    assert labels[0].endswith("85 % or more of 100 planned pupils reached")
    assert "<dt>Planned pupils reached</dt><dd>85 % or more</dd>" in text and "<dt>Pupils reached</dt>" not in text
    assert labels[2].endswith("Grade: 4 70 % or fewer; Grade: 5 70 %+") or "Grade: 4" in labels[2]
    assert labels[3].endswith("run a group (teacher) 9 of 14")
    assert labels[4] == "Readiness of schools: Aspen Grove Elementary 3 of 4 ready"
    assert "Licences $3,000, of it $3,000 in classrooms" in labels[5]
    assert "no latest day within a year" in text and "something was added on fewer than three days" in text
    assert "75 % of those of which it is said reaches classrooms" in text
    assert "teachers trained" in text and "a daily period of twelve minutes" in text


def test_what_was_not_sent_is_named_with_its_command_and_is_no_nought(pages: Any) -> None:
    text = pages.client("central").get("/rollout").text
    assert "Not sent: cairn facts load PATH --layout cairn_support." in text
    assert "not sent: cairn facts load PATH --layout cairn_pupil_groups" in text
    assert "0 h" not in text and 'aria-label="Support given' not in text
    assert "1 row of cost of schools in which the pilot is not tried: not counted" in text
    assert "Coach, observe: was sent, and the plan does not name it" in text
    assert "Coach, observe: 1 school says that more have shown it than are to learn it" in text


def test_small_numbers_are_not_told(pages: Any) -> None:
    text = pages.client("central").get("/rollout").text
    assert "under 10 adults" in text, "a role with a few adults in all schools together"
    assert "As published on Wed 14 Oct 2026" in text and "Numbers of pupils are rounded to 10" in text
    shown = re.findall(r'<th scope="row">(?:Aspen|Birch|Cottonwood)[^<]*</th><td class="n">\d</td>(.*?)</tr>', text)
    assert len(shown) == 3
    assert all(re.match(r'<td class="n">30</td><td class="n">(–|\d+ % or (more|fewer))</td>', one) for one in shown)


def test_late_milestones_stand_by_owner(pages: Any) -> None:
    text = pages.client("central").get("/rollout").text
    assert "<strong>Central office</strong>: 2 late, 1 of them still open, at most 14 days" in text
