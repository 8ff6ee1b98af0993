"""Numbers of pupils in a morning mail, of its subject and its words, as somebody reads it on its way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes, policy

from tests.attack.page_cells import NUMBER, Cell, bounds

# What stands after the number, and what it is a number of.
SAID = {"need an adult": "need an adult", "move on": "move on"}
COUNT = re.compile(rf"\b(about |under |fewer than )?{NUMBER} pupils? ([a-z ]+)")
# "About 40" is rounded to tens, as the pages say beside their own numbers.
ROUNDED_TO = 10


def mail_cells(raw: bytes) -> Iterator[Cell]:
    """The cells of a mail: its school is named in the subject before the colon."""
    mail = message_from_bytes(raw, policy=policy.default)
    subject = str(mail["Subject"])
    school = subject.partition(":")[0]
    body = mail.get_body(("plain",))
    for text in (subject, body.get_content() if body else ""):
        for found in COUNT.finditer(text):
            metric = next((name for said, name in SAID.items() if found[3].startswith(said)), None)
            is_about = found[1] == "about "
            said = found[2] if is_about else f"{found[1] or ''}{found[2]}"
            low, high = bounds(said, ROUNDED_TO if is_about else 1) or (0.0, float("inf"))
            if metric:
                yield Cell("mail", "district", "school", school, metric, low, high, None, said)
