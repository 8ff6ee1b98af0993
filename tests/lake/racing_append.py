"""One of two processes that append under the same transactions: ``python racing_append.py NAME ROUNDS START``.

Prints the rounds in which its append was the one that counted.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

import lake
from cairn.settings import Settings

name, rounds, start = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
settings = Settings()
lake.read(settings, "ops.intake_batch", partitions=lake.EVERY)  # whatever is loaded late is loaded now
time.sleep(max(0.0, start - time.time()))
now = datetime.now(UTC)
for number in range(rounds):
    row = {"intake_app_id": "app", "batch_id": number, "end_offsets": name, "records": 1, "written_at": now}
    if lake.append_rows(settings, "ops.intake_batch", [row | {"written_date": now.date()}], ("app", number)):
        print(number, flush=True)
