"""When the next batch is due: often when much comes, rarely when little does, at once when somebody waits.

Each batch costs a few seconds and a few files whatever it holds, so small ones are put off; none longer than a minute.
"""

from __future__ import annotations

# So many records waiting are worth a batch at once: a backlog is worked off without a pause.
MANY_RECORDS = 20_000
SOME_RECORDS = 1_000
SHORTEST_SECONDS = 15.0
LONGEST_SECONDS = 60.0


def is_due(waiting: int, seconds: float, *, is_asked: bool) -> bool:
    """Whether a batch is due with ``waiting`` records, ``seconds`` after the last batch began.

    ``is_asked``: somebody (a night, a command) waits for what is there now.
    """
    if waiting <= 0:
        return False
    if is_asked or waiting >= MANY_RECORDS:
        return True
    return seconds >= (SHORTEST_SECONDS if waiting >= SOME_RECORDS else LONGEST_SECONDS)
