"""README.md as tests and generators see it: its sections, its blocks of code, and the parts between marks."""

import re

from tree import ROOT

README = ROOT / "README.md"


def blocks(language: str, *, text: str | None = None) -> list[str]:
    """The contents of the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text or README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    """What stands under a heading of the second level."""
    (found,) = re.findall(
        rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", README.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return str(found)


def between(mark: str) -> str:
    """What stands between `<!-- mark:begin -->` and `<!-- mark:end -->`."""
    return README.read_text("utf-8").partition(_begin(mark))[2].partition(_end(mark))[0].strip()


def replace_between(mark: str, text: str) -> None:
    head, begin, rest = README.read_text("utf-8").partition(_begin(mark))
    _, end, tail = rest.partition(_end(mark))
    assert begin, f"no {_begin(mark)} in {README.name}"
    assert end, f"no {_end(mark)} in {README.name}"
    README.write_text(f"{head}{begin}\n{text}\n{end}{tail}", "utf-8")


def _begin(mark: str) -> str:
    return f"<!-- {mark}:begin -->"


def _end(mark: str) -> str:
    return f"<!-- {mark}:end -->"
