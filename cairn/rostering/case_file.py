"""The file of a CASE package: JSON, as exporters and services write it, into one CFPackage."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cairn.errors import CairnError

# Half of a character: JSON may hold one, no text in UTF-8 can.
_HALF = re.compile(r"\\ud[89a-f]", re.IGNORECASE)


def read_package(path: Path) -> tuple[dict[str, Any], str]:
    """The package and the file's text. A service's answer has it under ``CFPackage``.

    Raises CairnError with file, line and column for a file that is not JSON in UTF-8, and for one that is no CFPackage.
    """
    text = _read_text(path)
    try:
        package = json.loads(text)
    except json.JSONDecodeError as error:
        raise CairnError(
            f"{path.name}:{error.lineno}: not valid JSON at column {error.colno} ({error.msg}): "
            "the file may be cut; export it again"
        ) from error
    except RecursionError:
        raise CairnError(f"{path.name}:1: lists within lists without end: no CASE package") from None
    if _HALF.search(text):
        _refuse_half_characters(path, package)
    if isinstance(package, dict) and isinstance(package.get("CFPackage"), dict):
        package = package["CFPackage"]
    document = package.get("CFDocument") if isinstance(package, dict) else None
    if not isinstance(document, dict) or not document.get("identifier"):
        raise CairnError(f"{path.name}:1: no CFDocument with an identifier: expected a CASE package (CFPackage)")
    return package, text


def _refuse_half_characters(path: Path, package: object) -> None:
    try:
        json.dumps(package, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise CairnError(f"{path.name}: half of a character (a lone surrogate) in a text: export it again") from None


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CairnError(f"{path}: cannot be read ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise CairnError(f"{path.name}: not UTF-8: export the CASE package again") from error
