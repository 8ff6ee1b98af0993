"""Every lake table has one contract, and all that is made from it agrees with it."""

from __future__ import annotations

import re

import pytest

from cairn import dictionary
from cairn.contracts import Contract, all_contracts, load_contract
from cairn.settings import REPOSITORY
from lake import arrow_schema

# The lake's tables, as docs/architecture.md lists them by writer.
LAKE = {
    "bronze": "activity receipts rejected",
    "silver": "learner_activity activity_key activity_quarantine identity_link org academic_session course "
    "class_section person enrollment demographic competency competency_edge competency_resource item_alignment "
    "assessment_result fact evidence evidence_waiting activity_void",
    "gold": "attempt_day mastery_state mastery_decision mastery_model item_difficulty "
    "group_member pilot_plan pilot_arm pilot_practice pilot_result pilot_decision pilot_allocation",
    "ops": "night intake_ledger intake_batch gate_result release disclosure",
}
SCALARS = {"string", "int", "bigint", "double", "boolean", "date", "timestamp"}
TYPES = SCALARS | {"array<string>", "array<bigint>", "array<double>", "map<string,string>"}


def test_every_table_of_the_design_has_a_contract() -> None:
    named = {f"{layer}.{table}" for layer, tables in LAKE.items() for table in tables.split()}
    assert named <= {contract.name for contract in all_contracts()}


@pytest.mark.parametrize("contract", all_contracts(), ids=lambda contract: contract.name)
class TestContract:
    def test_says_what_a_row_is_and_what_makes_it_unique(self, contract: Contract) -> None:
        assert contract.grain
        assert contract.keys
        assert len(set(contract.column_names)) == len(contract.columns)

    def test_every_column_is_typed_and_described(self, contract: Contract) -> None:
        for column in contract.columns:
            assert column.type in TYPES, column
            assert column.description.endswith("."), column
            assert column.classification in {"internal", "pseudonymous", "sensitive"}, column

    def test_names_keep_the_conventions(self, contract: Contract) -> None:
        for column in contract.columns:
            if column.name.endswith("_date"):
                assert column.type == "date", column
            if column.name.endswith(("_at", "_from", "_to")):
                assert column.type == "timestamp", column
            if column.name.startswith(("is_", "has_")):
                assert column.type == "boolean", column

    def test_says_who_answers_for_it_and_which_file_writes_it(self, contract: Contract) -> None:
        assert contract.owner
        named = re.fullmatch(r".+ \(([\w/]+\.py)\)", contract.written_by)
        assert named, f"{contract.name}: write 'who (room/file.py)', not {contract.written_by!r}"
        assert (REPOSITORY / named[1]).is_file(), f"{contract.name} is written by a file that is not there: {named[1]}"

    def test_what_is_said_of_files_and_rows_makes_sense(self, contract: Contract) -> None:
        assert set(contract.sorted_by) <= set(contract.column_names)
        assert not contract.needs_partition_filter or contract.partitions
        assert contract.file_retention_days >= 1
        assert contract.retention_days is None or contract.retention_days >= contract.file_retention_days

    def test_arrow_schema_has_the_same_columns(self, contract: Contract) -> None:
        schema = arrow_schema(contract)
        assert tuple(schema.names) == contract.column_names
        assert [not field.nullable for field in schema] == [column.is_required for column in contract.columns]


def test_two_time_tables_carry_both_recorded_times() -> None:
    for name in ("silver.org", "silver.enrollment", "silver.identity_link", "silver.item_alignment"):
        contract = load_contract(name)
        assert {"recorded_from", "recorded_to"} <= set(contract.column_names)
        assert "recorded_from" in contract.keys


def test_an_unknown_table_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match=r"silver\.nonsense"):
        load_contract("silver.nonsense")


def test_the_dictionary_says_who_writes_a_table_and_how_long_it_is_kept() -> None:
    text = dictionary.render()
    assert "written by: cairn roster load (loading/sections.py); partitions: none" in text
    for contract in all_contracts():
        kept = "for good" if contract.retention_days is None else f"{contract.retention_days} days"
        part = text.partition(f"### {contract.name}\n")[2].partition("### ")[0]
        assert f"Owner: {contract.owner}" in part
        assert f"rows kept {kept}" in part


def test_dictionary_is_fresh() -> None:
    assert dictionary.DICTIONARY.read_text(encoding="utf-8") == dictionary.render()
