# Thin over .venv/bin/cairn: see docs/reference/commands.md. `make demo` and `make test` are all a newcomer needs.
.DEFAULT_GOAL := help
SHELL := /bin/sh
# Airflow, dbt and others are called by name in subprocesses.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export GX_ANALYTICS_ENABLED := false
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export AIRFLOW_HOME ?= $(CURDIR)/build/airflow
PYTEST := .venv/bin/python -m pytest

.PHONY: help setup chromium demo down test test-fast lint bench faults screenshots docs clean

help: ## show this
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /	/' | expand -t 14

setup: ## environment, Java and jars, each fetched once; nothing is started
	@infra/bootstrap.sh

chromium: setup
	@infra/bootstrap.sh chromium

demo: setup ## a simulated district through every stage; leaves the stack up and prints the addresses
	@.venv/bin/cairn demo

down: ## stop the stack; nothing stays running
	@if [ -x .venv/bin/cairn ]; then .venv/bin/cairn down; fi

lint: setup ## ruff, mypy, imports one way, SQL, generated files up to date
	@infra/lint.sh

# Two processes: on two cores one waits for broker, browser and disk while the other works (tests/conftest.py).
test: lint chromium ## all that CI runs; names the slowest tests, so that the run stays under its limit
	$(PYTEST) -m "not long_fault" -n 2 --dist loadfile --no-loadscope-reorder --durations=40 --durations-min=5

test-fast: setup ## unit tests alone, under a minute
	$(PYTEST) -m "not spark and not broker and not warehouse and not airflow and not browser and not e2e and not fault and not long_fault"

faults: setup ## rounds of faults and the long tests that kill processes (docs/how-to/run-fault-rounds.md)
	$(PYTEST) -m long_fault
	.venv/bin/python -m tests.faults.rounds --rounds 100
	.venv/bin/python -m tests.faults.rounds --rounds 20 --brokers 3

bench: setup ## measure what docs/reference/benchmarks.md shows
	.venv/bin/python -m benchmarks

screenshots: chromium ## every page of the running stack to build/screenshots/
	.venv/bin/python -m tests.browser.screenshots build/screenshots

docs: setup ## regenerate the reference: data dictionary, settings, who opens what
	.venv/bin/python -m cairn.dictionary
	.venv/bin/python -m cairn.settings_reference
	.venv/bin/python -m portal.access_table

clean: down ## remove what builds leave (data in .cairn/ and the environment stay)
	rm -rf build dbt_project/target dbt_project/logs .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
