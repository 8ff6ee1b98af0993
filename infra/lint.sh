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
# Types take as long as all the rest: they are checked meanwhile, on a core of their own, and told when they are done.
types_said=$(mktemp)
.venv/bin/mypy >"$types_said" 2>&1 &
types=$!
trap 'kill "$types" 2>/dev/null; rm -f "$types_said"' EXIT
trap 'exit 130' INT TERM
check "ruff" .venv/bin/ruff check -q .
check "format" .venv/bin/ruff format -q --check .
check "imports" .venv/bin/lint-imports --no-cache
[ -d dbt_project/models ] && check "sql" .venv/bin/sqlfluff lint --disable-progress-bar -q dbt_project/models
check "dictionary" .venv/bin/python -m cairn.dictionary --check
check "settings" .venv/bin/python -m cairn.settings_reference --check
check "access" .venv/bin/python -m portal.access_table --check
[ -f releases/dbt_sources.py ] && check "dbt-sources" .venv/bin/python -m releases.dbt_sources --check
types_told() { wait "$types"; status=$?; cat "$types_said" >&2; return "$status"; }
check "types" types_told
[ -z "$failed" ] && exit 0
printf 'error: not clean:%s\n' "$failed" >&2
exit 1
