"""Scheduled pick-up of rosters and files: from a drop folder, an SFTP server or a OneRoster service into the loaders.

Whatever the way, a file ends as a copy in the home and goes through the one loader of its kind, so that every rule
about rows, people and ends holds once. The command ``cairn pickup run`` and the DAG ``roster_pickup`` do the same.
"""

from loading.pickup.overview import list_sources
from loading.pickup.run import SourceOutcome, run_pickup
from loading.pickup.take import FileOutcome

__all__ = ["FileOutcome", "SourceOutcome", "list_sources", "run_pickup"]
