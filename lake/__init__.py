"""The only door to the tables: nothing else imports deltalake or names the format (import-linter holds it).

``import lake`` gives what every room needs: read and append in Arrow, replace and delete, files that a Spark task wrote
by itself, versions, upkeep. Spark's own reader is ``lake.spark``, so that a page does not import Spark.
"""

from lake.commit import (
    Transaction,
    append,
    append_once,
    append_rows,
    commit_files,
    create,
    overwrite,
    replace_partitions,
    restore,
)
from lake.dataset import (
    EVERY,
    by_number,
    by_partition,
    current_version,
    dataset,
    dataset_of,
    file_at,
    files_added,
    partition_values,
    partitions_of,
    read,
    read_files,
    table_files,
)
from lake.delete import change_rows, delete_rows, replace_rows
from lake.expunge import expunge, tables_that_say
from lake.files import WRITE_FAILED, File, Layout, PartitionValue, read_named, read_portions, read_rows, write_file
from lake.key_probe import KeyProbe
from lake.lease import Lease, lease
from lake.location import actual_columns, count_rows, exists, join, open_table, table_uri
from lake.migration import Progress, Transform, migrate, needs_migration
from lake.newest import read_newest
from lake.runs import merge_sorted
from lake.shape import arrow_schema, conform, file_schema, read_schema
from lake.upkeep import TARGET_FILE_BYTES, compact, vacuum

__all__ = [
    "EVERY",
    "TARGET_FILE_BYTES",
    "WRITE_FAILED",
    "File",
    "KeyProbe",
    "Layout",
    "Lease",
    "PartitionValue",
    "Progress",
    "Transaction",
    "Transform",
    "actual_columns",
    "append",
    "append_once",
    "append_rows",
    "arrow_schema",
    "by_number",
    "by_partition",
    "change_rows",
    "commit_files",
    "compact",
    "conform",
    "count_rows",
    "create",
    "current_version",
    "dataset",
    "dataset_of",
    "delete_rows",
    "exists",
    "expunge",
    "file_at",
    "file_schema",
    "files_added",
    "join",
    "lease",
    "merge_sorted",
    "migrate",
    "needs_migration",
    "open_table",
    "overwrite",
    "partition_values",
    "partitions_of",
    "read",
    "read_files",
    "read_named",
    "read_newest",
    "read_portions",
    "read_rows",
    "read_schema",
    "replace_partitions",
    "replace_rows",
    "restore",
    "table_files",
    "table_uri",
    "tables_that_say",
    "vacuum",
    "write_file",
]
