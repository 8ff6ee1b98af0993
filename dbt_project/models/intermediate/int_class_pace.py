"""Each class's pace and outlook: the rules are in cairn/pace.py, not here."""

from releases.pace_rows import paced


def model(dbt, session):
    """One row a class and subject; dbt makes the table of what is returned."""
    return paced(
        dbt.ref("int_class_progress").to_arrow_table(),
        dbt.ref("int_class_change").to_arrow_table(),
        dbt.ref("stg_release").to_arrow_table(),
    )
