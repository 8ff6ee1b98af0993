"""The macro that compares grades in SQL says what ``cairn.grades`` says."""

from __future__ import annotations

import duckdb
import jinja2
import pytest

from cairn.grades import grade_key
from cairn.settings import REPOSITORY

WRITTEN = "K,KG,0K,kg,KN,Kindergarten,0,00,04,4,10,PK,PreK,pre-k,TK,UG,IT,013,5th, 07 ,,  "
WRITTEN += ",4.0,Grade 04,gr. 4,4TH grade,grade,K5,-1"
GRADES = [*WRITTEN.split(","), None]


@pytest.mark.parametrize("grade", GRADES)
def test_the_macro_and_the_function_agree(grade: str | None) -> None:
    macro = (REPOSITORY / "dbt_project" / "macros" / "grade_key.sql").read_text()
    sql = jinja2.Environment(autoescape=False).from_string(macro + "{{ grade_key('grade') }}").render()
    found = duckdb.execute(f"select {sql} from (select ?::varchar as grade)", [grade]).fetchone()
    assert found == (grade_key(grade) or None,)
