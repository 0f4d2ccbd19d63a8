"""The README's table of the seeds, made from fixtures/seeds/: `python tests/seed_table.py` writes it there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from fixture_harness import FIXTURES, code_cells, read
from readme import replace_between


def table() -> str:
    """A row for each file: the seed's number, what the code is, and the verdict on it."""
    rows = [f"| {path.name[:3]} | {_title(path)} | {_verdict(path)} |" for path in _paths()]
    return "\n".join(["| seed | code | verdict |", "|--|--|--|", *rows])


def write() -> None:
    replace_between("seeds", table())


def _paths() -> list[Path]:
    """Seed by seed, the bugs before what is right, a notebook after the module that it repeats."""
    return sorted(
        (FIXTURES / "seeds").iterdir(),
        key=lambda path: (path.name[:3], not read(path).expectations, path.stem, path.suffix == ".ipynb"),
    )


def _title(path: Path) -> str:
    link = f"fixtures/seeds/{path.name}"
    if path.suffix == ".py":
        return f"[{(ast.get_docstring(ast.parse(path.read_text('utf-8'))) or '').splitlines()[0].rstrip('.')}]({link})"
    return f"[the same in a notebook, class and call in different cells]({link})"


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
