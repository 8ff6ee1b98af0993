"""The jars of broker, Spark and (with a lake on S3) S3: fetched once by coordinate, checked by sum, kept in the cache.

``python -m infra.jars`` fetches what is missing; a second run fetches nothing and needs no network.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from cairn.errors import CairnError
from cairn.settings import Settings
from infra.java import find_java

KINDS = ("broker", "spark", "s3")
HERE = Path(__file__).parent
Report = Callable[[str], None]


def locked() -> dict[str, dict[str, str]]:
    """kind -> file name -> sha256 as pinned in ``jars.lock``."""
    sums: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    for line in (HERE / "jars.lock").read_text().splitlines():
        if line and not line.startswith("#"):
            kind, name, digest = line.split()
            sums[kind][name] = digest.removeprefix("sha256:")
    return sums


def needed(settings: Settings) -> dict[str, dict[str, str]]:
    """What is pinned and wanted here: the jars of S3 only where the lake lies on an object store."""
    return {kind: sums for kind, sums in locked().items() if kind != "s3" or settings.is_on_object_store}


def problems(folder: Path, sums: dict[str, str]) -> list[str]:
    """What is wrong with a folder of jars: files that are missing, other than pinned, or not named in the lock."""
    found = []
    for name, expected in sums.items():
        path = folder / name
        if not path.exists():
            found.append(f"{name} is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            found.append(f"{name} is not the pinned file (its sha256 differs)")
    extra = {path.name for path in folder.glob("*.jar")} - set(sums)
    return found + [f"{name} is not in infra/jars.lock" for name in sorted(extra)]


def summary(found: list[str], folder: Path) -> str:
    """One line for a list of problems."""
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{folder}: {found[0]}{more}"


def _ivy() -> Path:
    spec = importlib.util.find_spec("pyspark")
    jars = sorted((Path(spec.origin).parent / "jars").glob("ivy-*.jar")) if spec and spec.origin else []
    if not jars:
        raise CairnError("pyspark is not installed, and with it Ivy, which fetches jars: run 'make setup'")
    return jars[-1]


def _proxy_options() -> list[str]:
    """Java's words for the proxy that ``https_proxy`` names; Java does not read the environment."""
    address = os.environ.get("https_proxy") or os.environ.get("HTTPS_PROXY") or ""
    proxy = urllib.parse.urlsplit(address if "//" in address else f"//{address}")
    if not proxy.hostname:
        return []
    options = [f"-Dhttps.proxyHost={proxy.hostname}"]
    return options + ([f"-Dhttps.proxyPort={proxy.port}"] if proxy.port else [])


def _retrieve(kind: str, into: Path, ivy_cache: Path, report: Report) -> None:
    """Let Ivy bring the jars of ``kind`` into a folder. Raises CairnError with Ivy's own reason."""
    command = [
        str(find_java()),
        *_proxy_options(),
        f"-Divy.default.ivy.user.dir={ivy_cache}",
        "-jar",
        str(_ivy()),
        *("-cache", str(ivy_cache)),
        *("-ivy", str(HERE / f"jars_{kind}.xml")),
        *("-confs", "default"),
        *("-types", "jar", "bundle"),
        *("-retrieve", f"{into}/[artifact]-[revision](-[classifier]).[ext]"),
    ]
    reason = "no message"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as ivy:
        assert ivy.stdout is not None
        for line in ivy.stdout:
            words = line.split()
            if words[:1] == ["downloading"] and len(words) > 1 and words[1].endswith(".jar"):
                report(f"  {words[1].rsplit('/', 1)[-1]}")
            if any(sign in line for sign in ("not found", "unresolved", "SERVER ERROR", "Host ", "UnknownHost")):
                reason = " ".join(line.replace("::", " ").split())[:160]
    if ivy.returncode != 0:
        raise CairnError(f"the {kind} jars could not be fetched ({reason}): check the network, then 'make setup' again")


def _swap(fresh: Path, target: Path) -> None:
    """Put a finished folder in the place of an old one; a crash leaves the old one, the new one, or none."""
    old = target.with_name(f".old-{target.name}-{os.getpid()}")
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def ensure(settings: Settings, report: Report, retrieve: Callable[..., None] = _retrieve) -> bool:
    """Make each folder of jars that is needed be there and right; returns whether anything was fetched.

    Raises CairnError, in one line, where a download fails or brings something else than the lock names.
    """
    root = settings.cache_dir / "jars"
    root.mkdir(parents=True, exist_ok=True)
    fetched = False
    with (root / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for kind, sums in needed(settings).items():
            target = root / kind
            if not problems(target, sums):
                continue
            report(f"fetching {len(sums)} {kind} jars")
            ivy_cache = settings.cache_dir / "ivy"
            with tempfile.TemporaryDirectory(prefix=f".new-{kind}-", dir=root) as scratch:
                fresh = Path(scratch) / kind
                retrieve(kind, fresh, ivy_cache, report)
                found = problems(fresh, sums)
                shutil.rmtree(ivy_cache, ignore_errors=True)
                if found:
                    raise CairnError(f"what was fetched is not what is pinned: {summary(found, fresh)}")
                _swap(fresh, target)
            fetched = True
    return fetched


def main() -> int:
    """Fetch what is missing; 0 when all is there, 1 with one line where it cannot be had."""

    def report(line: str) -> None:
        sys.stderr.write(line + "\n")

    try:
        fetched = ensure(Settings(), report)
    except CairnError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_status
    sys.stderr.write("jars: fetched and checked\n" if fetched else "jars: there already, sums checked\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
