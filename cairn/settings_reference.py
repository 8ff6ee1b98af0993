"""The reference of settings in ``docs/reference/settings.md``, made from their fields and descriptions.

``python -m cairn.settings_reference`` writes it; ``--check`` exits 1 where the file is stale (CI runs that).
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from cairn.generated_file import write_or_check
from cairn.settings import REPOSITORY, Settings

REFERENCE = REPOSITORY / "docs" / "reference" / "settings.md"
HEADER = """# Settings

Made from `cairn/settings.py` by `make docs`; do not edit. A setting is read from `cairn.toml` in the folder where
`cairn` is called (`spark_driver_memory = "4g"`); the environment goes over it (`CAIRN_SPARK_DRIVER_MEMORY=4g`). The
secret belongs into the environment, not into the file.

| in `cairn.toml` | in the environment | default | meaning |
|---|---|---|---|
"""
FOOTER = """
`spark_options` is a table of Spark's own options, which go over all that Cairn sets; in the environment it is JSON:

```toml
[spark_options]
"spark.executor.instances" = "4"
"spark.executor.pyspark.memory" = "2g"
```
"""


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, Path) and value.is_relative_to(Path.home()):
        return f"`~/{value.relative_to(Path.home())}`"
    return f"`{value}`" if value not in ("", {}) else "empty"


def render() -> str:
    """The whole reference as Markdown."""
    rows = [
        f"| `{name}` | `CAIRN_{name.upper()}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return HEADER + "\n".join(rows) + "\n" + FOOTER


def main(arguments: list[str]) -> int:
    """Write the reference, or with ``--check`` say whether it is stale."""
    return write_or_check(REFERENCE, render(), arguments, "run 'make docs' and commit it")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
