"""The learning release: build aside, hold back what a gate covers, audit that very file, publish by one rename.

``warehouse.built`` is what dbt made; ``warehouse.duckdb`` is composed from it with the held schools' rows of the
release before (``holding``); it is what the last gate looks at and what readers will open. Its SHA-256 is noted with
the audit and :func:`publish` refuses any other file. The gate's own results are the one thing written after its last
look, before the sum is taken.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

import lake
from cairn.errors import CairnError
from cairn.settings import Settings
from gates.model import GateOutcome
from gates.run import run_gate
from loading import actions, judgements
from releases import action_follow_up, group_memory, holding, store, warehouse

KIND = "learning"
LAST_GATE = "before_publish"
BUILT = "warehouse.built"
# As pages ask: a school's rows, of them a pupil's.
LAID_OUT_BY = ("school_id", "student_key")
# A form is a commit, and a file: pages read them, so that each build merges those of the day.
PAGE_LEDGERS = (judgements.TABLE, actions.TABLE)


def build(
    settings: Settings,
    data_date: date,
    *,
    as_of: datetime | None = None,
    cut_offsets: dict[str, dict[str, int]] | None = None,
    unit_tests: bool = False,
    on_built: Callable[[Path], None] | None = None,
) -> store.Release:
    """Build the day's marts into a new file beside the current release; nothing is published.

    ``as_of`` is the instant as of which rosters and other two-time tables are read (now where not given). A draft of
    the same day that was never published is replaced. ``on_built`` is called with dbt's own file while that still holds
    the working tables. Raises CairnError naming the models or tests that failed.
    """
    with store.building(settings):
        context = warehouse.ReleaseContext.of(settings, data_date, as_of)
        for ledger in PAGE_LEDGERS:
            lake.compact(settings, ledger)
        action_follow_up.write(settings, data_date, context.as_of)
        built = warehouse.build_warehouse(settings, context, unit_tests=unit_tests)
        if on_built:
            on_built(built)
        folder = store.new_folder(settings, KIND, data_date)
        counts = _copy_marts(built, folder / BUILT)
        holding.keep_statements(warehouse.recomputed_statements(settings), folder / BUILT)
        warehouse.clear_building(settings)
        release = store.Release(
            release_id=folder.name,
            kind=KIND,
            data_date=data_date,
            built_at=datetime.now(UTC),
            path=folder / "warehouse.duckdb",
            cut_offsets=cut_offsets or {},
            tables=counts,
            as_of=context.as_of,
            read_at=context.read_at,
        )
        store.save(release)
    store.record(settings, release, "built")
    return release


def _copy_marts(built: Path, path: Path) -> dict[str, int]:
    """Copy the marts, constraints and all, into the release's own file; returns rows by table.

    Rows are laid down by school, then by pupil, as pages ask for them: one finds its rows in a few blocks. Working
    schemas stay behind: they hold more about pupils than any page needs, and the delta plugin's views cannot be read
    outside dbt.
    """
    draft = path.with_suffix(".copying")
    connection = duckdb.connect(str(built))
    try:
        schemas = connection.execute(
            "select schema_name from duckdb_schemas() where database_name = current_database()"
            " and not internal and schema_name <> 'main'"
        ).fetchall()
        for (schema,) in schemas:
            connection.execute(f'drop schema "{schema}" cascade')
        connection.execute(f"attach '{holding.quoted(draft)}' as release")
        connection.execute(f"copy from database {built.stem} to release (schema)")
        names = [
            name
            for (name,) in connection.execute(
                "select table_name from duckdb_tables() where database_name = 'release' order by 1"
            ).fetchall()
        ]
        for name in names:
            connection.execute(f"insert into release.main.{name} from main.{name} {_laid_out(connection, name)}")
        counts = {name: _count(connection, f"release.main.{name}") for name in names}
        connection.execute("detach release")
    finally:
        connection.close()
    store.make_private(draft)
    draft.replace(path)
    return counts


def _laid_out(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """The order in which a mart's rows are laid down; none for one that is of no school."""
    found = connection.execute(
        "select column_name from duckdb_columns() where database_name = current_database() and table_name = ?", [table]
    ).fetchall()
    keys = [key for key in LAID_OUT_BY if (key,) in found]
    return f"order by {', '.join(keys)}" if keys else ""


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"select count(*) from {table}").fetchall()[0][0])


def find_draft(settings: Settings, data_date: date) -> store.Release:
    """The day's newest build that was not published. Raises CairnError where there is none."""
    drafts = []
    for manifest in store.kind_dir(settings, KIND).glob(f"{KIND}-{data_date.isoformat()}-*/manifest.json"):
        release = store.get(settings, KIND, manifest.parent.name)
        if not release.published_at:
            drafts.append(release)
    if not drafts:
        raise CairnError(f"no unpublished build of {data_date}: run 'cairn marts build --date {data_date}'")
    return max(drafts, key=lambda release: release.built_at)


def audit(settings: Settings, release: store.Release, held: Iterable[str] = ()) -> GateOutcome:
    """Compose the file to be published, run the gate before_publish on it, and note the audit in its manifest.

    Held back are the schools ``held``, those that dbt labelled from the results of earlier gates, and those that this
    gate finds red itself; the gate looks again after each, until it finds no more. Where it stops on something
    structural nothing is noted, so that nothing can be published. A release that was published already is only looked
    at. Returns the gate's outcome, with the schools that this gate held back.
    """
    with store.building(settings):
        release = store.get(settings, KIND, release.release_id)
        if release.published_at:
            return run_gate(LAST_GATE, settings, release.data_date, warehouse=release.path, held=_reasons(release))
        built = _built(release)
        present = store.current(settings, KIND)
        reasons = dict.fromkeys(held, holding.NO_REASON) | holding.labelled(built)
        labels = holding.compose(built, release.path, reasons, present)

        def hold_back(schools: Mapping[str, str]) -> None:
            labels[:] = holding.compose(built, release.path, schools, present)

        outcome = run_gate(
            LAST_GATE,
            settings,
            release.data_date,
            warehouse=release.path,
            previous=present.path if present else None,
            held=reasons,
            hold_back=hold_back,
        )
        audit = None if outcome.is_structural_failure else _noted(release, outcome, present)
        store.save(
            replace(release, held=labels, audit=audit, tables=holding.count_tables(release.path) if audit else {})
        )
    return outcome


def _reasons(release: store.Release) -> dict[str, str]:
    return {label["school_id"]: label["reason"] for label in release.held}


def _built(release: store.Release) -> Path:
    path = release.path.with_name(BUILT)
    if not path.is_file():
        raise CairnError(f"{release.release_id}: its built file is gone: run 'cairn marts build' again")
    return path


def _noted(release: store.Release, outcome: GateOutcome, present: store.Release | None) -> store.Audit:
    """The gate's results into the file, then the file's sum."""
    holding.add_gate_results(release.path, outcome.results)
    return {
        "gate_run_id": str(outcome.results[0]["gate_run_id"]),
        "sha256": store.sha256_of(release.path),
        "against": present.release_id if present else None,
    }


def publish(settings: Settings, release: store.Release) -> store.Release:
    """Make the audited release current, without touching its file.

    Idempotent: a release that is current already is returned as it is. Raises CairnError for a file that was not
    audited, that changed since, or that was audited against another release than the one readers see now.
    """
    with store.building(settings):
        present = store.current(settings, KIND)
        release = store.get(settings, KIND, release.release_id)
        if present and present.release_id == release.release_id:
            group_memory.remember(settings, present)
            return present
        _require_audit(release, present)
        release = replace(release, published_at=datetime.now(UTC))
        store.save(release)
        store.swap(settings, release)
        group_memory.remember(settings, release)
        release.path.with_name(BUILT).unlink(missing_ok=True)
        shutil.rmtree(release.path.parent / holding.RECOMPUTED, ignore_errors=True)
    schools = ", ".join(label["school_id"] for label in release.held)
    detail = f"held schools: {schools}" if schools else ""
    if schools:
        store.record(settings, release, "held", detail)
    store.record(settings, release, "published", detail)
    return release


def _require_audit(release: store.Release, present: store.Release | None) -> None:
    again = f"run 'cairn marts publish --date {release.data_date}', which audits it anew"
    if not release.path.is_file():
        raise CairnError(f"{release.release_id}: its warehouse file is gone: run 'cairn marts build' again")
    if release.audit is None:
        raise CairnError(f"{release.release_id} was not passed by the gate {LAST_GATE}: {again}")
    if release.audit["sha256"] != store.sha256_of(release.path):
        raise CairnError(f"{release.release_id}: its file is not the one that was audited: {again}")
    if release.audit["against"] != (present.release_id if present else None):
        against = release.audit["against"] or "no release"
        raise CairnError(f"{release.release_id} was audited against {against}, which is no longer current: {again}")


def discard(settings: Settings, release: store.Release) -> None:
    """Remove a build that was never published."""
    if release.published_at:
        raise CairnError(f"{release.release_id} was published: published releases are only pruned")
    with store.building(settings):
        shutil.rmtree(release.path.parent, ignore_errors=True)


def write_docs(settings: Settings) -> Path:
    """dbt's documentation as one page without a server: ``home/reports/dbt_docs/index.html``; returns its path."""
    with store.building(settings):
        warehouse.ensure_lake_tables(settings)
        # Without a catalogue: the working file is gone, and the page's descriptions come from the project.
        warehouse.building_path(settings).parent.mkdir(parents=True, exist_ok=True)
        warehouse.run_dbt(settings, ["--quiet", "docs", "generate", "--static", "--empty-catalog", "--no-compile"])
        page = settings.reports_dir / "dbt_docs" / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(warehouse.target_dir(settings) / "static_index.html", page)
        warehouse.clear_building(settings)
    return page
