"""The marts' models run by dbt on a real Postgres server: row by row what DuckDB made of the same working tables."""

from __future__ import annotations

import re
import shutil
from contextlib import closing
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from pathlib import Path

import duckdb
import pytest
from psycopg2 import sql

from cairn.errors import CairnError
from cairn.settings import Settings
from gates.mart_models import MARTS, mart_models
from releases import postgres_copy, postgres_models, store, warehouse
from tests.marts.small_roster import DATA_DATE

pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(600)]

# What the small district has none of: words with all that a file of rows has to escape, and rows for each empty mart.
MORE = r"""
insert into work.int_pupil_competency
select * replace ('k-gamma' as competency_id, 'review_due' as state, 'A "quoted", \back' as competency_title)
from work.int_pupil_competency where student_key = 'p1' and competency_id = 'k-alpha';
update work.stg_pilot_plan set
    barriers = [
        '{"kind": "people", "what": "No \"coach\", yet \\ or {never}", "owner": "", "opened_on": "2026-09-01"}'::json,
        '{"kind": "time", "what": "Élèves absents", "owner": "Office", "opened_on": "2026-09-02"}'::json
    ],
    guardrails = [
        '{"name": "absences", "source": "attendance"}'::json,
        '{"name": "winter scores", "assessment": "Interim", "window": "winter", "measure": "overall"}'::json
    ];
insert into work.stg_assessment_result
select result.* replace (moved.score as scale_score, moved.pupil as student_key, date '2026-10-09' as taken_date)
from work.stg_assessment_result as result
cross join (values ('p4', 201.5), ('p5', 233.25), ('p2', 219.0)) as moved (pupil, score)
where result.student_key = 'p1' and result.window_name = 'winter';
insert into work.stg_guardrail_fact by name
select fact_type: 'attendance', name: 'absent', value: 1.0, student_key: pupil, fact_date: date '2026-09-20'
from (values ('p1'), ('p4')) as absent (pupil);
insert into work.stg_fact by name
select 'b1' as fact_id, 'barrier' as fact_type, 'pilot-1' as pilot_id, date '2026-10-01' as fact_date,
    'ÉLÈVES  absents' as name, 'closed' as text_value;
insert into work.stg_gate_result by name
select gate: 'g', rule_id: 'r', scope_type: 'all', scope_id: '*', severity: 'warning', is_passed: false,
    rows_checked: 3, rows_failed: 2, sample_event_ids: ['a "b"', 'c\d,{e}'], message: '',
    run_at: timestamptz '2026-10-15 07:00:00+00',
    data_date: date '2026-10-14';
insert into work.int_rollout_fact by name
select fact_id: 'r' || place, fact_type: kind, pilot_id: 'pilot-1', school_id: 's-north', name: 'thing ' || place,
    fact_date: date '2026-09-01' + cast(place as integer), value: place / 3, text_value: 'yes'
from (values ('readiness', 1), ('readiness', 2), ('support', 3), ('support', 4)) as told (kind, place);
"""


def _rebuild(connection: duckdb.DuckDBPyConnection, compiled: Path) -> None:
    """Every mart again in DuckDB, by the statement that dbt compiled, each after those that it reads."""
    # By its own path: rows that unit tests give a mart lie under its name too.
    paths = {
        path.stem: compiled / "cairn" / "models" / "marts" / path.relative_to(MARTS) for path in MARTS.rglob("*.sql")
    }
    reads = {path.stem: set(re.findall(r"ref\('(mart_\w+)'\)", path.read_text())) for path in MARTS.rglob("*.sql")}
    for mart in TopologicalSorter(reads).static_order():
        statement = paths[mart].read_text(encoding="utf-8")
        columns = ", ".join(f'"{name}"' for name in mart_models()[mart].types)
        connection.execute(f"delete from main.{mart}")
        connection.execute(f"insert into main.{mart} ({columns}) select {columns} from ({statement})")


@pytest.fixture(scope="module")
def richer(
    release: store.Release, small_lake: Settings, working_copy: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """dbt's own file of the small district, with rows in every mart."""
    path = tmp_path_factory.mktemp("richer") / "warehouse.duckdb"
    shutil.copyfile(working_copy, path)
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(MORE)
        _rebuild(connection, warehouse.target_dir(small_lake) / "compiled")
        for mart in mart_models():
            assert connection.execute(f"select count(*) from main.{mart}").fetchall() != [(0,)], f"{mart} is empty"
    return path


@pytest.fixture(scope="module")
def differing(richer: Path, small_lake: Settings, postgres_url: str) -> dict[str, int]:
    """Rows that differ by mart, after one real run of dbt on the server."""
    context = warehouse.ReleaseContext.of(small_lake, DATA_DATE, datetime(2026, 10, 15, 8, tzinfo=UTC))
    return postgres_models.run(small_lake, postgres_url, richer, context)


def test_every_mart_has_the_same_rows_on_both_engines(differing: dict[str, int]) -> None:
    assert differing == dict.fromkeys(mart_models(), 0)


def test_a_row_that_is_missing_or_changed_is_found(differing: dict[str, int], richer: Path, postgres_url: str) -> None:
    """Else the test above would hold whatever the server had."""
    with closing(duckdb.connect(str(richer))) as source, postgres_copy.connected(postgres_url) as connection:
        source.execute("set TimeZone = 'UTC'")
        with connection.cursor() as cursor:
            place = sql.Identifier(postgres_models.SCHEMA, "mart_student_competency")
            cursor.execute(sql.SQL("delete from {} where competency_id = 'k-gamma'").format(place))
            assert cursor.rowcount == 1
            name = ("mart_student_competency", postgres_models.SCHEMA)
            assert postgres_copy.differing_rows(cursor, source, *name) == 1
            cursor.execute(sql.SQL("update {} set expected_share = expected_share + 1e-6").format(place))
            assert postgres_copy.differing_rows(cursor, source, *name) > 1
        connection.rollback()


def test_a_type_nobody_thought_of_is_refused() -> None:
    with pytest.raises(CairnError, match=r"mart_x\.y is MAP\(VARCHAR, INTEGER\): say in releases/postgres_copy\.py"):
        postgres_copy.postgres_type("mart_x", "y", "MAP(VARCHAR, INTEGER)")


def test_a_server_that_does_not_answer_is_said_in_one_line() -> None:
    with (
        pytest.raises(CairnError, match=r"Postgres: .*refused") as refused,
        postgres_copy.connected("postgresql://nobody@127.0.0.1:1/nothing"),
    ):
        pass
    assert "\n" not in str(refused.value)
