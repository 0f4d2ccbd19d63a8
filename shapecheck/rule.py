"""Rule, Finding, Edit: what a rule is, what it yields, and how rules are loaded."""

from __future__ import annotations

import ast
import enum
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shapecheck.shapes.built import Construction
    from shapecheck.shapes.trace import Place, Trace


class Severity(enum.Enum):
    """How bad a finding is; INFO rules run only when they are named or ALL is selected."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Holds(enum.Enum):
    """On which paths of a forward a finding must hold before it is reported."""

    SOME = "some"  # a silent bug: one path proves it
    REACHING = "reaching"  # something that is missing there: every completed path that runs the place
    RAISING = "raising"  # something that raises: the same, and resting on no rank that is only usual
    EVERY = "every"  # something missing: every completed path


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """A stretch of a module's text: rows and columns from 1, columns in code points, the end exclusive."""

    row: int
    column: int
    end_row: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text at `span` by `content`."""

    span: Span
    content: str


@dataclass(frozen=True, slots=True)
class Fix:
    """A repair of the source: safe (the meaning is kept, or there is only one sensible repair) or unsafe."""

    message: str
    edits: tuple[Edit, ...]
    safe: bool


@dataclass(frozen=True, slots=True)
class Related:
    """A second place that a finding speaks of: `d_out comes in whole here`."""

    message: str
    path: Path
    span: Span


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, at one place.

    `message` states the fact with shapes; `outcome` says what happens at run time (`silent: …`, `raises …`) and stands
    under the caret; `help` says what to do. `symbol` is the class or function that it happens in. `span` is in the
    coordinates of the module's text (all code cells of a notebook joined), `source.Source.locate` turns it into a
    cell and a row.
    """

    code: str
    name: str
    severity: Severity
    path: Path
    span: Span
    symbol: str
    message: str
    outcome: str | None = None
    help: str | None = None
    related: tuple[Related, ...] = ()
    fix: Fix | None = None

    @property
    def order(self) -> tuple[str, Span, str, str]:
        """The order in which findings are reported: by file, place, code."""
        return (str(self.path), self.span, self.code, self.message)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: a value and a function, read from one file of the folder of rules.

    `page` is the file's docstring: the first line says what is wrong, an indented block with `# expect: CODE` is the
    bad example, the last indented block the good one.
    """

    code: str
    name: str
    severity: Severity
    page: str
    holds: Holds
    check: Callable[[Trace], Iterator[Draft]]
    check_construction: Callable[[Construction], Iterator[Draft]] | None = None

    @property
    def summary(self) -> str:
        return self.page.strip().splitlines()[0].rstrip(".")


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A repair whose places are still nodes of the trace: what stands at each is replaced by the text."""

    message: str
    edits: tuple[tuple[Place, str], ...]
    safe: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """What a rule yields: a finding whose place is still a node of the trace; static/ turns it into a Finding.

    `place` is any Place of the trace; `severity` overrides the rule's.
    """

    place: Place
    message: str
    outcome: str | None = None
    help: str | None = None
    related: tuple[tuple[str, Place], ...] = ()
    severity: Severity | None = None
    step: int | None = None  # the step of the trace that it speaks of: what descends from it isn't reported again
    spoils: bool = True  # False where the step's result has the axes that it should have: what descends is judged
    everywhere: bool = False  # it holds only if every path of the class has it
    key: object = None  # drafts of one rule in one class with one key are one finding
    agrees: Callable[[Trace], bool] | None = None  # whether a path of which nothing is said is no witness against it
    meant: bool = False  # no finding, but the sign that the place is as it is on purpose, on whatever path
    fix: Rewrite | None = None


class RuleError(Exception):
    """A file in a folder of rules that is no rule; says the file and what is missing."""


def load_rules(folders: Sequence[Path] = ()) -> tuple[Rule, ...]:
    """Every rule of the package's own folder and of `folders` (`rule-paths` in the config), ordered by code.

    Raises RuleError for a file without docstring, code, severity or check, and for a code or name used twice.
    """
    from shapecheck import rules as package

    modules = [
        importlib.import_module(f"{package.__name__}.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
        if not found.name.startswith("_")
    ]
    modules += [_import_file(path) for folder in folders for path in sorted(folder.glob("[!_]*.py"))]
    loaded = sorted((_rule_of(module) for module in modules), key=lambda rule: rule.code)
    seen: dict[str, str] = {}
    for rule in loaded:
        for key in (rule.code, rule.name):
            if key in seen:
                raise RuleError(f"{key} is the code or name of two rules: {seen[key]} and {rule.name}")
        seen[rule.code] = seen[rule.name] = rule.name
    return tuple(loaded)


def _import_file(path: Path) -> ModuleType:
    name = f"shapecheck_rules_{path.stem}_{abs(hash(path.resolve())):x}"
    if name in sys.modules:
        return sys.modules[name]
    try:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except Exception as error:
        raise RuleError(f"{path}: {type(error).__name__}: {error}") from error
    sys.modules[name] = module
    return module


def _rule_of(module: ModuleType) -> Rule:
    where = module.__file__ or module.__name__
    missing = [name for name in ("__doc__", "code", "severity") if not getattr(module, name, None)]
    if missing or not (hasattr(module, "check") or hasattr(module, "check_construction")):
        raise RuleError(f"{where}: no {', '.join(missing) or 'check'}")
    return Rule(
        code=module.code,
        name=Path(where).stem.replace("_", "-"),
        severity=module.severity,
        page=ast.get_docstring(ast.parse(Path(where).read_text("utf-8"))) or "",
        holds=getattr(module, "holds", Holds.SOME),
        check=getattr(module, "check", lambda trace: iter(())),
        check_construction=getattr(module, "check_construction", None),
    )
