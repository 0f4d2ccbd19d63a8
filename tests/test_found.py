"""docs/found.md tells of every script beside it, and of none that isn't there."""

import re

from tree import ROOT


def test_every_script_is_told_of() -> None:
    told = set(re.findall(r"\(found/(\w+)\.py\)", (ROOT / "docs" / "found.md").read_text("utf-8")))
    assert told == {path.stem for path in (ROOT / "docs" / "found").glob("*.py")}
