"""The README tells what the fixtures of the seeds expect."""

from seed_table import in_readme, table


def test_readme_has_the_table_of_the_seeds() -> None:
    assert in_readme() == table()
