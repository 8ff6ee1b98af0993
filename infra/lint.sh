#!/bin/sh
# What is checked without running the product. Every check runs; the exit status says whether all were clean.
set -u
cd "$(dirname "$0")/.."
failed=""
check() {
    name=$1; shift
    printf 'lint: %s\n' "$name" >&2
    "$@" || failed="$failed $name"
}
check "ruff" .venv/bin/ruff check -q .
check "format" .venv/bin/ruff format -q --check .
check "types" .venv/bin/mypy
check "imports" .venv/bin/lint-imports --no-cache
[ -d dbt_project/models ] && check "sql" .venv/bin/sqlfluff lint --disable-progress-bar -q dbt_project/models
check "dictionary" .venv/bin/python -m cairn.dictionary --check
check "settings" .venv/bin/python -m cairn.settings_reference --check
[ -f releases/dbt_sources.py ] && check "dbt-sources" .venv/bin/python -m releases.dbt_sources --check
[ -z "$failed" ] && exit 0
printf 'error: not clean:%s\n' "$failed" >&2
exit 1
