"""Errors a person can act on."""

from __future__ import annotations


class CairnError(Exception):
    """Something was refused or failed; the message says what, where and what to do, in one line.

    The command line prints the message without a traceback and exits with ``exit_status``.
    """

    exit_status = 1


class UsageError(CairnError):
    """The call itself was wrong."""

    exit_status = 2


class BusyError(CairnError):
    """Somebody else is at work there just now: nothing is wrong with what was given, and later it can be done."""
