"""Every lake table has one contract, and all that is made from it agrees with it."""

from __future__ import annotations

import pytest

from cairn import dictionary
from cairn.contracts import Contract, all_contracts, load_contract
from lake import arrow_schema

# The lake as DESIGN.md lists it, and the tables that the design's words imply.
LAKE = {
    "bronze": "activity receipts rejected",
    "silver": "learner_activity activity_key activity_quarantine identity_link org academic_session course "
    "class_section person enrollment demographic competency competency_edge item_alignment assessment_result fact "
    "evidence evidence_waiting activity_void",
    "gold": "attempt_day mastery_state mastery_decision mastery_model item_difficulty "
    "pilot_plan pilot_arm pilot_result pilot_decision",
    "ops": "night intake_ledger intake_batch gate_result release disclosure",
}
SCALARS = {"string", "int", "bigint", "double", "boolean", "date", "timestamp"}
TYPES = SCALARS | {"array<string>", "array<bigint>", "map<string,string>"}


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


def test_dictionary_is_fresh() -> None:
    assert dictionary.DICTIONARY.read_text(encoding="utf-8") == dictionary.render()
