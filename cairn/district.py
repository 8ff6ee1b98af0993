"""The district's configuration files: those in ``settings.district_dir``, else the repository's examples."""

from __future__ import annotations

import copy
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from cairn.errors import CairnError
from cairn.settings import REPOSITORY, Settings

# libyaml's reader takes an eighth of the time, on every page and command; not every platform has it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# A file that was written this short a time ago may be written again at what its clock calls the same instant.
SETTLED_NS = 2_000_000_000
EXAMPLES = REPOSITORY / "schemas" / "district"


def district_path(settings: Settings, name: str) -> Path:
    """Where configuration file ``name`` lies: the district's own, else the repository's example.

    Raises CairnError where there is neither.
    """
    for folder in (settings.district_dir, EXAMPLES):
        if (folder / name).is_file():
            return folder / name
    raise CairnError(f"no {name} in {settings.district_dir}: copy one from schemas/district and edit it")


def load_district_yaml(settings: Settings, name: str) -> dict[str, Any]:
    """Configuration file ``name`` as a mapping. Raises CairnError with file and line where it is not YAML."""
    return load_yaml_mapping(district_path(settings, name))


def load_yaml_mapping(path: Path) -> dict[str, Any]:
    """A YAML file whose top is a mapping. Raises CairnError with file and line where it is not."""
    about = path.stat()
    if time.time_ns() - about.st_mtime_ns < SETTLED_NS:
        return _parsed(path)
    # A copy of the caller's own: whoever reads it may change it.
    return copy.deepcopy(_kept(path, about.st_mtime_ns, about.st_size, about.st_ino))


@lru_cache(maxsize=64)
def _kept(path: Path, _changed_ns: int, _size: int, _inode: int) -> dict[str, Any]:
    """The file's content, kept until it is another: pages ask for the same few files each time."""
    return _parsed(path)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CairnError(f"{path}:{line}: not valid YAML ({error.problem}): correct the line") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CairnError(f"{path}: not a YAML file in UTF-8: save it again as text") from error
    except ValueError as error:
        raise CairnError(f"{path}: a date in it does not exist ({error}): correct it") from error
    if not isinstance(content, dict):
        raise CairnError(f"{path}:1: expected 'key: value' lines at the top")
    return content
