"""Tonight's groups from needs, last night's members and locks: the rules are in cairn/grouping.py, not here."""

from releases.group_rows import grouped


def model(dbt, session):
    """One row a member, and one a pupil who has left; dbt makes the table of what is returned."""
    return grouped(
        dbt.ref("int_group_need").to_arrow_table(),
        dbt.ref("int_group_standing").to_arrow_table(),
        dbt.ref("int_group_lock").to_arrow_table(),
        dbt.ref("stg_release").to_arrow_table(),
    )
