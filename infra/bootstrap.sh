#!/bin/sh
# Everything a fresh clone needs, and nothing twice: environment from the lock, Java, jars.
# Usage: infra/bootstrap.sh [environment|chromium]     (default: environment)
# Second run: no download, no network. Every failure is one line that says what to do.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }
can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }
apt_install() {
    say "setup: apt-get install $*"
    DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND
    apt-get install -y -q --no-install-recommends "$@" >build/apt.log 2>&1 && return 0
    apt-get update -q >build/apt.log 2>&1 || true
    apt-get install -y -q --no-install-recommends "$@" >>build/apt.log 2>&1
}
lock_sum() { cat requirements.lock pyproject.toml infra/uv.lock infra/bootstrap.sh | cksum | tr ' ' '-'; }

is_python_311() {
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${PYTHON:-} python3.11 python3 python; do
        if command -v "$candidate" >/dev/null 2>&1 && is_python_311 "$candidate"; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

environment() {
    stamp=.venv/.cairn-lock
    if [ -x .venv/bin/cairn ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(lock_sum)" ]; then
        say "setup: environment is as the lock says"
        return 0
    fi
    python=$(find_python) || fail "Python 3.11 is needed and not found (python3 is $(python3 -V 2>&1 || echo missing)): install it, or set PYTHON to it"
    say "setup: environment .venv with $("$python" -V 2>&1)"
    if ! { [ -x .venv/bin/python ] && is_python_311 .venv/bin/python; }; then
        rm -rf .venv
        "$python" -m venv .venv 2>build/venv.log ||
            fail "no virtual environment can be made with $python (Debian, Ubuntu: apt-get install python3.11-venv): see build/venv.log"
    fi
    # uv lives beside the environment's packages, not among them: syncing to the lock would remove it.
    if ! .venv/uv/bin/uv --version >/dev/null 2>&1; then
        say "setup: uv (pinned)"
        .venv/bin/python -m venv .venv/uv
        .venv/uv/bin/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r infra/uv.lock ||
            fail "uv could not be fetched: check the network, then 'make setup' again"
    fi
    say "setup: $(grep -c '==' requirements.lock) pinned packages (a minute or two the first time)"
    # Compiled now, for half a minute: where PYTHONDONTWRITEBYTECODE is set, every process would else compile it anew.
    rm -f build/synced
    { .venv/uv/bin/uv pip sync --compile-bytecode --python .venv/bin/python --require-hashes requirements.lock && : >build/synced; } 2>&1 |
        sed '/^ [-+~] /d' >&2
    [ -f build/synced ] ||
        fail "the packages could not be installed (uv says above which): check the network, then 'make setup' again"
    .venv/uv/bin/uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation --offline -e . ||
        fail "this repository could not be installed into .venv (uv says above why)"
    .venv/bin/python -m compileall -q answers cairn cli feeds gates identity infra lake loading night pilots portal releases simulator spark_jobs streaming
    lock_sum >"$stamp"
}

java() {
    if .venv/bin/python -c 'from infra.java import find_java; find_java()' 2>/dev/null; then
        return 0
    fi
    if can_apt; then
        apt_install openjdk-17-jre-headless || fail "Java could not be installed: see build/apt.log"
    fi
    .venv/bin/python - <<'END' || exit 1
import sys
from cairn.errors import CairnError
from infra.java import find_java
try:
    find_java()
except CairnError as error:
    sys.exit(f"error: {error}")
END
}

# For browser tests: the system's, or Debian's package as root, or playwright's own. None is no failure: the tests
# that need one are skipped by name.
chromium() {
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null 2>&1 && return 0
    done
    ls "${PLAYWRIGHT_BROWSERS_PATH:-$HOME/.cache/ms-playwright}"/chromium*/ >/dev/null 2>&1 && return 0
    if can_apt && apt_install chromium; then
        return 0
    fi
    say "setup: no Chromium on this machine, trying playwright's"
    .venv/bin/playwright install chromium >build/playwright.log 2>&1 ||
        say "setup: no Chromium can be had: browser tests will be skipped"
}

# The machine code of the mastery kernels is kept beside their source: compiled here, no night waits for it.
kernels() {
    [ -f .venv/.cairn-kernels ] && return 0
    say "setup: compiling the mastery kernels"
    .venv/bin/python -m cairn.mastery.warm
    touch .venv/.cairn-kernels
}

mkdir -p build
case "${1:-environment}" in
environment)
    environment
    java
    .venv/bin/python -m infra.jars
    kernels
    say "setup: done"
    ;;
chromium) chromium ;;
*) fail "unknown part '$1': environment or chromium" ;;
esac
