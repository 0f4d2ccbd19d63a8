"""A run beside its prediction → text or JSON: one line for each tensor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shapecheck.runtime.confirm import Comparison
    from shapecheck.runtime.verify import Verification


def render(runs: list[Verification], output_format: str) -> str:
    if output_format == "json":
        return json.dumps([_plain(run) for run in runs], indent=2, ensure_ascii=False) + "\n"
    return "\n".join("\n".join([*_head(run), *_table(run), *_foot(run), ""]) for run in runs)


def _head(run: Verification) -> Iterator[str]:
    arguments = ", ".join(f"{name}={value!r}" for name, value in run.arguments.items())
    inputs = ", ".join(f"{name}={list(shape)}" for name, shape in run.inputs.items())
    yield f"{run.symbol}({arguments})({inputs})"


def _table(run: Verification) -> Iterator[str]:
    """Row, name, what is predicted, what was seen; `!` where they differ, `?` where nothing is predicted."""
    rows = [
        (_mark(one), str(one.site.row), one.site.name, one.expected or "…", str(list(one.found)))
        for one in (run.confirmation.comparisons if run.confirmation is not None else ())
    ]
    if not rows:
        return
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for mark, line, name, expected, found in rows:
        yield f"{mark} {line:>{widths[1]}} | {name:{widths[2]}}  {expected:{widths[3]}}  {found}".rstrip()


def _mark(one: Comparison) -> str:
    return {"right": " ", "wrong": "!"}.get(one.verdict.value, "?")


def _foot(run: Verification) -> Iterator[str]:
    if run.confirmation is None and run.error is None:
        yield "nothing is predicted of it: its source isn't at the top of a file"
    if run.confirmation is not None:
        yield str(run.confirmation)
    if run.error is not None:
        yield f"raises {run.error}"
    for finding in run.findings:
        yield f"{finding.path.name}:{finding.span.row}:{finding.span.column}: {finding.code} {finding.message}"
    if run.unfollowed is not None:
        yield f"the rules were asked about the source alone: {run.unfollowed}"
    if run.indivisible is not None:
        yield run.indivisible


def _plain(run: Verification) -> dict[str, Any]:
    confirmation = run.confirmation
    return {
        "symbol": run.symbol,
        "arguments": {name: value if isinstance(value, int | float | str | None) else repr(value) for name, value in run.arguments.items()},
        "inputs": {name: list(shape) for name, shape in run.inputs.items()},
        "ok": run.ok,
        "error": run.error,
        "sizes": dict(confirmation.sizes) if confirmation is not None else {},
        "tensors": [
            {
                "row": one.site.row,
                "column": one.site.column,
                "name": one.site.name,
                "filename": str(one.site.path),
                "verdict": one.verdict.value,
                "predicted": one.expected or None,
                "numbers": one.numbers or None,
                "observed": list(one.found),
                "lost_by": one.lost_by or None,
            }
            for one in (confirmation.comparisons if confirmation is not None else ())
        ],
        "findings": [
            {"code": one.code, "name": one.name, "message": one.message, "filename": str(one.path), "row": one.span.row}
            for one in run.findings
        ],
        "indivisible": run.indivisible,
        "unfollowed": run.unfollowed,
    }  # fmt: skip
