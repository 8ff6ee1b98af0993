#!/bin/sh
# Everything a fresh clone needs, and nothing twice: environment from the lock, Java, jars.
# Usage: infra/bootstrap.sh [environment|chromium|benchmarks]     (default: environment)
# Second run: no download, no network. Every failure is one line that says what to do.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }
# The file of a program on PATH. Not `command -v`: that answers for functions, aliases and builtins of this shell too, so
# a function named as the program it should install finds itself and installs nothing.
program() {
    case $1 in */*) [ -f "$1" ] && [ -x "$1" ] && printf '%s\n' "$1"; return ;; esac
    folders=$PATH:
    while [ -n "$folders" ]; do
        found=${folders%%:*}/$1
        folders=${folders#*:}
        [ -f "$found" ] && [ -x "$found" ] && { printf '%s\n' "$found"; return 0; }
    done
    return 1
}
can_apt() { [ "$(id -u)" = 0 ] && program apt-get >/dev/null; }
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
        if found=$(program "$candidate") && is_python_311 "$found"; then
            printf '%s\n' "$found"
            return 0
        fi
    done
    return 1
}

install_environment() {
    stamp=.venv/.cairn-lock
    if [ -x .venv/bin/cairn ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(lock_sum)" ]; then
        say "setup: environment is as the lock says"
        return 0
    fi
    python=$(find_python) || fail "Python 3.11 is needed and not found (python3 is $(python3 -V 2>/dev/null || echo missing)): install it, or set PYTHON to it"
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
    for room in */__init__.py; do
        .venv/bin/python -m compileall -q "${room%/*}"
    done
    lock_sum >"$stamp"
}

install_java() {
    .venv/bin/python -m infra.java >/dev/null 2>&1 && return 0
    if can_apt; then
        apt_install openjdk-17-jre-headless || fail "Java could not be installed: see build/apt.log"
    fi
    .venv/bin/python -m infra.java >/dev/null
}

# For browser tests: the system's, or Debian's package as root, or playwright's own. It counts when it starts, not when
# an installer said so. Where none can be had, tests that need one are skipped and named; under CI that is a failure.
install_chromium() {
    .venv/bin/python -m infra.browser >/dev/null 2>&1 && return 0
    if can_apt && apt_install chromium && .venv/bin/python -m infra.browser >/dev/null 2>&1; then
        return 0
    fi
    say "setup: no Chromium from the system's packages, trying playwright's"
    .venv/bin/playwright install chromium >build/playwright.log 2>&1 || true
    .venv/bin/python -m infra.browser >/dev/null 2>&1 && return 0
    case ${CI:-} in
    "" | 0 | false) say "setup: no Chromium can be had: browser tests will be skipped (see build/apt.log, build/playwright.log)" ;;
    *) fail "no Chromium can be had, and under CI no test is skipped: see build/apt.log and build/playwright.log" ;;
    esac
}

# The peer of one benchmark (the extra "benchmarks"): packages beside the lock's, none of which is touched. Its C++ is built
# from source against the environment's numpy; the ready-made wheel is pure Python, and no peer.
install_benchmarks() {
    [ -x .venv/uv/bin/uv ] || fail "the environment comes first: 'make setup'"
    program g++ >/dev/null || fail "no C++ compiler (g++) to build pyBKT with: install one (Debian, Ubuntu: apt-get install g++)"
    .venv/uv/bin/uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation --require-hashes \
        --no-cache --no-binary pybkt -r infra/benchmarks.lock ||
        fail "the packages of infra/benchmarks.lock could not be installed (uv says above which)"
    .venv/bin/python -c "import pyBKT.fit.E_step" 2>/dev/null ||
        fail "pyBKT was built without its C++ (Python's headers are needed; Debian, Ubuntu: apt-get install python3.11-dev)"
}

# The machine code of the mastery kernels is kept beside their source: compiled here, no night waits for it. The stamp
# lies with it, so that what takes the code away (make clean, a fresh checkout) takes the stamp as well.
compile_kernels() {
    stamp=cairn/mastery/__pycache__/kernels.stamp
    sum=$(cat cairn/mastery/*.py cairn/mastery/share/*.py requirements.lock | cksum)
    [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && return 0
    say "setup: compiling the mastery kernels"
    .venv/bin/python -m cairn.mastery.warm
    mkdir -p cairn/mastery/__pycache__
    printf '%s\n' "$sum" >"$stamp"
}

mkdir -p build
case "${1:-environment}" in
environment)
    install_environment
    install_java
    .venv/bin/python -m infra.jars
    compile_kernels
    say "setup: done"
    ;;
chromium) install_chromium ;;
benchmarks) install_benchmarks ;;
*) fail "unknown part '$1': environment, chromium or benchmarks" ;;
esac
