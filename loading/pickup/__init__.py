"""Scheduled pick-up of rosters and files: from a drop folder, an SFTP server or a OneRoster service into the loaders.

Whatever the way, a file ends as a copy in the home and goes through the one loader of its kind, so that every rule
about rows, people and ends holds once. The command ``cairn pickup run`` and the DAG ``roster_pickup`` do the same.
"""
