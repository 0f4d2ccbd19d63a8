"""Fixtures of the tests of the front end: the stub engine, and the command line run in this process."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

import shapecheck.static
from shapecheck import linter
from shapecheck.cli import main
from stub_engine import RULES, analyse


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The stub and its four rules instead of ours."""
    monkeypatch.setattr(shapecheck.static, "analyse", analyse, raising=False)
    monkeypatch.setattr(linter, "load_rules", lambda folders=(): RULES)
    linter._loaded.cache_clear()
    yield
    linter._loaded.cache_clear()


@dataclass(frozen=True)
class Run:
    status: int
    out: str
    err: str


RunShapecheck = Callable[..., Run]


@pytest.fixture
def run_shapecheck(
    engine: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> RunShapecheck:
    """The command line, in an empty folder and with the stub engine."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, stdin: bytes = b"") -> Run:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Run(ended.value.code, out, err)

    return run


# In CI the same examples each time: a new failure there is the change's, not the draw's. On a desk every run draws anew.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
