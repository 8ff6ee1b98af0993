"""The learning release: build aside, audit, hold back what a gate covers, publish by one rename."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cairn.errors import CairnError
from cairn.settings import Settings
from releases import holding, store, warehouse

if TYPE_CHECKING:
    from gates.run import GateOutcome

KIND = "learning"
LAST_GATE = "before_publish"


def build(
    settings: Settings,
    data_date: date,
    *,
    as_of: datetime | None = None,
    cut_offsets: dict[str, dict[str, int]] | None = None,
    unit_tests: bool = False,
) -> store.Release:
    """Build the day's marts into a new file beside the current release; nothing is published.

    ``as_of`` is the instant as of which rosters and other two-time tables are read (now where not given). A draft of
    the same day that was never published is replaced. Raises CairnError naming the models or tests that failed.
    """
    with store.building(settings):
        context = warehouse.ReleaseContext.of(settings, data_date, as_of)
        built = warehouse.build_warehouse(settings, context, unit_tests=unit_tests)
        folder = store.new_folder(settings, KIND, data_date)
        path = folder / "warehouse.duckdb"
        counts = _copy_marts(built, path)
        built.unlink()
        release = store.Release(
            release_id=folder.name,
            kind=KIND,
            data_date=data_date,
            built_at=datetime.now(UTC),
            path=path,
            cut_offsets=cut_offsets or {},
            tables=counts,
            as_of=context.as_of,
        )
        store.save(release)
    store.record(settings, release, "built")
    return release


def _copy_marts(built: Path, path: Path) -> dict[str, int]:
    """Copy the marts, constraints and all, into the release's own file; returns rows by table.

    Working schemas stay behind: they hold more about pupils than any page needs, and the delta plugin's views cannot
    be read outside dbt.
    """
    import duckdb

    draft = path.with_suffix(".building")
    connection = duckdb.connect(str(built))
    try:
        schemas = connection.execute(
            "select schema_name from duckdb_schemas() where database_name = current_database()"
            " and not internal and schema_name <> 'main'"
        ).fetchall()
        for (schema,) in schemas:
            connection.execute(f'drop schema "{schema}" cascade')
        connection.execute(f"attach '{holding.quoted(draft)}' as release")
        connection.execute(f"copy from database {built.stem} to release")
        names = [
            name
            for (name,) in connection.execute(
                "select table_name from duckdb_tables() where database_name = 'release' order by 1"
            ).fetchall()
        ]
        counts = {name: _count(connection, f"release.main.{name}") for name in names}
        connection.execute("detach release")
    finally:
        connection.close()
    draft.replace(path)
    return counts


def _count(connection: Any, table: str) -> int:
    return int(connection.execute(f"select count(*) from {table}").fetchone()[0])


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


def audit(settings: Settings, release: store.Release) -> GateOutcome:
    """Run the gate before_publish on the built file and write its results into it. Returns the gate's outcome."""
    from gates.run import run_gate

    present = store.current(settings, KIND)
    outcome = run_gate(
        LAST_GATE,
        settings,
        release.data_date,
        warehouse=release.path,
        previous=present.path if present else None,
    )
    holding.add_gate_results(settings, release, LAST_GATE)
    return outcome


def publish(settings: Settings, release: store.Release, held: Iterable[tuple[str, str]] = ()) -> store.Release:
    """Make the built release current. Idempotent: a release that is current already is returned as it is.

    ``held`` are the scopes (type, id) that gates hold back: for a school among them, yesterday's rows are shown,
    labelled, or none where there was no yesterday. A held source holds back no school.
    """
    with store.building(settings):
        present = store.current(settings, KIND)
        release = store.get(settings, KIND, release.release_id)
        if present and present.release_id == release.release_id:
            return present
        if not release.path.is_file():
            raise CairnError(f"{release.release_id}: its warehouse file is gone: run 'cairn marts build' again")
        schools = sorted({scope_id for scope_type, scope_id in held if scope_type == "school"})
        labels = holding.hold_back(settings, release, schools, present)
        schools = [label["school_id"] for label in labels]
        release = replace(
            release, held=labels, published_at=datetime.now(UTC), tables=holding.count_tables(release.path)
        )
        store.save(release)
        store.swap(settings, release)
    detail = f"held schools: {', '.join(schools)}" if schools else ""
    if schools:
        store.record(settings, release, "held", detail)
    store.record(settings, release, "published", detail)
    return release


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
        warehouse.building_path(settings).unlink(missing_ok=True)
    return page
