"""Numbers as they are typed: what is not a number is refused by the option's name."""

from __future__ import annotations

import math
from collections.abc import Mapping


def finite(options: Mapping[str, object]) -> None:
    """Raise UsageError for an option whose number is nan or infinite: no bound of the command line refuses those."""
    from cairn.errors import UsageError

    for name, given in options.items():
        for number in given if isinstance(given, list) else [given]:
            if isinstance(number, float) and not math.isfinite(number):
                raise UsageError(f"--{name.replace('_', '-')} is {number}: give a number")
