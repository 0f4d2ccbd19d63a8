"""The README's table of the seeds, made from fixtures/seeds/: `python tests/seed_table.py` writes it there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from fixture_harness import FIXTURES, ROOT, code_cells, read

README = ROOT / "README.md"
BEGIN, END = "<!-- seeds:begin -->", "<!-- seeds:end -->"


def table() -> str:
    """A row for each file: the seed's number, what the code is, and the verdict on it."""
    rows = [f"| {path.name[:3]} | {_title(path)} | {_verdict(path)} |" for path in _paths()]
    return "\n".join(["| seed | code | verdict |", "|--|--|--|", *rows])


def in_readme() -> str:
    """The table as it stands between the marks."""
    return README.read_text("utf-8").partition(BEGIN)[2].partition(END)[0].strip()


def write() -> None:
    head, begin, rest = README.read_text("utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    assert begin and end, f"no {BEGIN} … {END} in {README.name}"
    README.write_text(f"{head}{BEGIN}\n{table()}\n{END}{tail}", "utf-8")


def _paths() -> list[Path]:
    return sorted((FIXTURES / "seeds").iterdir(), key=lambda path: (path.name[:3], path.stem, path.suffix))


def _title(path: Path) -> str:
    link = f"fixtures/seeds/{path.name}"
    if path.suffix == ".py":
        return f"[{(ast.get_docstring(ast.parse(path.read_text('utf-8'))) or '').splitlines()[0].rstrip('.')}]({link})"
    twin = path.with_suffix(".py")
    return (
        f"[the same in a notebook, class and call in different cells]({link})"
        if twin.exists()
        else f"[{path.stem}]({link})"
    )


def _verdict(path: Path) -> str:
    cells = dict(code_cells(path))
    codes: dict[str, list[str]] = {}
    for claim in read(path).expectations:
        codes.setdefault(_code(cells[claim.cell].splitlines()[claim.row - 1]), []).append(claim.code)
    return "; ".join(f"{', '.join(found)} on `{line}`" for line, found in codes.items()) or "silent"


def _code(line: str) -> str:
    return re.sub(r"\s*#.*", "", line).strip().rstrip(",")


if __name__ == "__main__":
    write()
