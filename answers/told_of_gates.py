"""What gates say in English, as patterns of :mod:`answers.told_sentences`: why a school is held back, what to do.

The rules' messages stand in ``gates/``; a rule that fails for a scope ends with what was measured.
"""

from __future__ import annotations

from cairn.language import noted

# By contract or row (gates/suites.py, gates/silver_to_mastery.py): they end as they are.
OF_ROWS = (
    noted("columns of {table} differ from its contract: bring the writer or the contract up to date"),
    noted("{columns} is empty though the contract requires it: correct the writer and load the rows again"),
    noted("{columns} has a value that the contract does not allow: correct the writer, or add it to the contract"),
    noted("{columns} lies outside the contract's range: correct the writer"),
    noted("{columns} is there more than once: see how the rows were written, then remove the repeats"),
    noted("{table} is not there: run 'cairn mastery update'"),
    noted("the expected share lies outside its own interval: fit the model again with 'cairn mastery fit'"),
    noted("more right than counted, or more counted than attempted: rebuild the pairs with 'cairn mastery update'"),
    noted("the state asks for more evidence than there is, or for none: rebuild the pairs with 'cairn mastery update'"),
    noted(
        "the state does not follow from the pair's days or has more counted attempts than evidence: "
        "rebuild the pairs with 'cairn mastery update'"
    ),
    noted("columns of {table} differ from its model: bring {files} in step"),
    noted("a table of the warehouse has a column that could name a person: take it out of the model"),
    noted("no event has reached silver yet"),
    noted("a gate failed for this school"),
)
# Measured by school, source or night (gates/before_publish.py, gates/bronze_to_silver.py).
MEASURED = (
    noted(
        "rows of {table} fell against the release before: see 'cairn marts diff', then the roster of the school "
        "(share left {share})"
    ),
    noted(
        "states in the mart differ from the lake: build the marts again with 'cairn marts build' (differing {count})"
    ),
    noted("the mart's books hold more than the lake: build the marts again with 'cairn marts build' (missing {count})"),
    noted("a share of fewer than {smallest} pupils is published: suppress it in {table} (shown {count})"),
    noted(
        "received statements that are nowhere (above 0) or records without a receipt (below 0): "
        "see 'cairn intake ledger', then 'cairn logs intake' (unexplained {count})"
    ),
    noted(
        "more than {wanted} refused or set aside: see 'cairn intake rejected list', tell the sender "
        "(refused share {share})"
    ),
    noted(
        "work dated after it was received: the sender's clock is wrong; it counts in the night of its own date "
        "(share {share})"
    ),
    noted(
        "events of subjects without a link to a pupil: they wait; load the roster, or link with 'cairn students' "
        "(share {share})"
    ),
    noted(
        "the source worked and then fell silent on school days: ask its vendor, see 'cairn intake watch' "
        "(is silent {count})"
    ),
)
GATES = (*OF_ROWS, *MEASURED)
