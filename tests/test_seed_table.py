"""The README tells what the fixtures of the seeds expect."""

from readme import between
from seed_table import table


def test_readme_has_the_table_of_the_seeds() -> None:
    assert between("seeds") == table(), "python tests/seed_table.py writes it anew"
