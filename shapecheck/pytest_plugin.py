"""`pytest --shapecheck[=PACKAGE]`: every attention module that the tests call is confirmed, strictly.

Loaded by pytest wherever shapecheck is installed, so it imports nothing until the option is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from shapecheck.runtime.call import Checker

HERE = "."  # the option without a package: what lies under the root folder


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("shapecheck").addoption(
        "--shapecheck",
        nargs="?",
        const=HERE,
        metavar="PACKAGE",
        help="confirm the shapes of every attention module that the tests call: those of PACKAGE, or of the root folder",
    )


def pytest_configure(config: pytest.Config) -> None:
    package = config.getoption("--shapecheck")
    if package is not None:
        config.pluginmanager.register(Confirming(package, config.rootpath), "shapecheck-confirming")


class Confirming:
    """What is registered once the option is given."""

    def __init__(self, package: str, root: Path) -> None:
        self.package = package
        self.root = root
        self.checkers: list[Checker] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Decorate the classes that the tests have imported."""
        from torch import nn

        from shapecheck.runtime.checked import checker_of, confirming

        for of in list(_below(nn.Module)):
            if self._wanted(of) and "forward" in vars(of):
                made = confirming(of)
                if made is not None:
                    self.checkers.append(checker_of(made))

    def _wanted(self, of: type) -> bool:
        if self.package != HERE:
            return of.__module__ == self.package or of.__module__.startswith(f"{self.package}.")
        from shapecheck.runtime.predict import file_of

        path = file_of(of)
        installed = path is not None and {"site-packages", "dist-packages"} & set(path.parts)
        return path is not None and not installed and self.root in path.parents

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        called = [one for one in self.checkers if one.calls]
        told = ", ".join(f"{one.symbol} ({one.tensors} tensors)" for one in called)
        terminalreporter.write_line(
            f"shapecheck: {len(called)} of {len(self.checkers)} attention modules were called{': ' if told else ''}{told}"
        )


def _below(of: type) -> Iterator[type]:
    seen: set[type] = set()
    waiting: list[type] = [of]
    while waiting:
        below: list[type] = type.__subclasses__(waiting.pop())
        for one in below:
            if one not in seen:
                seen.add(one)
                waiting.append(one)
                yield one
