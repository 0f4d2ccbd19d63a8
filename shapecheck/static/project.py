"""Names across files: what a name of a file stands for, here or in the file that it is imported from.

Every file of the project may be read, and nothing outside it. Files are cut into top-level blocks without being
parsed; a block is parsed when somebody asks for one of its names.
"""

from __future__ import annotations

import io
import tokenize
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import libcst as cst

from shapecheck.static.outline import Block, Outline
from shapecheck.static.scope import Scope
from shapecheck.static.syntax import Broken, Slice, outline
from shapecheck.static.values import Class, External, Function

MARKS = ("shapecheck.toml", "pyproject.toml", ".git")
LARGEST = 1200  # lines; a class beyond that is read in its own file only: parsing it costs more than it tells


@dataclass(frozen=True, slots=True)
class Assigned:
    """A name that a top-level statement assigns: whoever wants its value evaluates the slice."""

    slice: Slice
    file: File


@dataclass(eq=False)
class File:
    """One file, cut into blocks."""

    path: Path
    text: str
    project: Project
    notebook: bool = False
    remembered: dict[object, Any] = field(default_factory=dict)  # what was worked out of its classes
    _found: dict[tuple[str, int], Any] = field(default_factory=dict)
    _seen: dict[tuple[str, int], Any] = field(default_factory=dict)
    _slices: dict[int, Slice] = field(default_factory=dict)

    @cached_property
    def outline(self) -> Outline:
        """Raises Broken."""
        return outline(self.text)

    def forget(self) -> None:
        """Let go of all that was found in the file."""
        for known in (self.remembered, self._found, self._seen, self._slices):
            known.clear()

    @cached_property
    def mentions_jaxtyping(self) -> bool:
        return "jaxtyping" in self.text

    def slice(self, block: Block) -> Slice:
        """The block as a slice: always the same one, so that its nodes are the same nodes."""
        if id(block) not in self._slices:
            self._slices[id(block)] = Slice.of(self.path, block)
        return self._slices[id(block)]

    def block(self, name: str, row: int) -> Block | None:
        """What defines a name as seen from `row`: in a notebook the latest before it, in a file the last one."""
        found = self.outline.names.get(name)
        if not found:
            return None
        before = [block for block in found if block.row <= row]
        return before[-1] if self.notebook and before else found[-1]

    def find(self, name: str, row: int) -> Any | None:
        """The Class, Function, External or Assigned that a top-level name stands for; None where nothing defines it."""
        seen = (name, row if self.notebook else 0)
        if seen in self._seen:
            return self._seen[seen]
        block = self.block(name, row)
        if block is None:
            self._seen[seen] = None  # a circle of imports ends here
            self._seen[seen] = self._starred(name)
            return self._seen[seen]
        key = (name, block.row)
        if key not in self._found:
            self._found[key] = None  # a circle of imports ends here
            self._found[key] = self._define(name, block)
        self._seen[seen] = self._found[key]
        return self._found[key]

    def _starred(self, name: str) -> Any | None:
        """What a name stands for that `from … import *` brings in from a file of the project."""
        for node in self._stars if not name.startswith("_") else ():
            found = self.project.imported(self, _dotted(node.module), len(node.relative), name)
            if not isinstance(found, External):
                return found
        return None

    @cached_property
    def _stars(self) -> tuple[cst.ImportFrom, ...]:
        """The imports of everything that stand by themselves."""
        blocks = [block for block in self.outline.blocks if block.kind == "statement" and "import *" in block.text]
        lines = [line for block in blocks for line in self.slice(block).statements]
        found = [small for line in lines if isinstance(line, cst.SimpleStatementLine) for small in line.body]
        return tuple(one for one in found if isinstance(one, cst.ImportFrom) and isinstance(one.names, cst.ImportStar))

    def defined(self, name: str, block: Block) -> Any | None:
        """What one block defines under a name, whatever the later ones do."""
        last = self.outline.names.get(name)
        if last and last[-1] is block:
            return self.find(name, 1 << 30)
        key = (name, block.row)
        if key not in self._found:
            self._found[key] = self._define(name, block)
        return self._found[key]

    def _define(self, name: str, block: Block) -> Any | None:
        try:
            statements = self.slice(block).statements
        except (cst.ParserSyntaxError, RecursionError):
            return None
        scope = Scope(self, block.row)
        for statement in statements:
            value = self._in(statement, name, self.slice(block), scope)
            if value is not None:
                return value
        return None

    def _in(self, node: cst.CSTNode, name: str, slice_: Slice, scope: Scope) -> Any | None:
        match node:
            case cst.ClassDef(name=cst.Name(value=found)) if found == name:
                return Class(name, node, slice_, scope, self)
            case cst.FunctionDef(name=cst.Name(value=found)) if found == name:
                return Function(name, node, slice_, scope)
            case cst.SimpleStatementLine(body=body):
                for small in body:
                    if isinstance(small, cst.Import | cst.ImportFrom):
                        value = self.imported(small, name)
                        if value is not None:
                            return value
                    elif isinstance(small, cst.Assign | cst.AnnAssign) and _assigns(small, name):
                        return Assigned(slice_, self)
            case cst.If() | cst.Try() | cst.Else() | cst.ExceptHandler() | cst.With() | cst.Finally():
                for child in _bodies(node):
                    value = self._in(child, name, slice_, scope)
                    if value is not None:
                        return value
        return None

    def imported(self, node: cst.Import | cst.ImportFrom, name: str) -> Any | None:
        """What an import binds a name to; None where it binds another one."""
        if isinstance(node.names, cst.ImportStar):
            return None
        for alias in node.names:
            path = _dotted(alias.name)
            bound = alias.asname.name.value if alias.asname and isinstance(alias.asname.name, cst.Name) else None
            if isinstance(node, cst.Import):
                if (bound or path.split(".")[0]) == name:
                    return External(path if bound else name)
            elif (bound or path) == name:
                module = _dotted(node.module) if node.module else ""
                return self.project.imported(self, module, len(node.relative), path)
        return None


@dataclass(eq=False)
class Project:
    """A folder whose files may be read for names."""

    root: Path
    package: str | None = None  # where nothing marks the root: the package whose files may be read, and no other's
    _files: dict[Path, File | None] = field(default_factory=dict)

    @staticmethod
    def of(path: Path) -> Project:
        """The project of a file: the nearest folder above it with a config, pyproject.toml or .git, else its package's."""
        folder = path if path.is_dir() else path.parent
        for above in (folder, *folder.parents):
            if any((above / mark).exists() for mark in MARKS):
                return Project(above)
        package = None
        while (folder / "__init__.py").exists() and folder != folder.parent:
            package, folder = folder.name, folder.parent
        return Project(folder, package)

    def file(self, path: Path) -> File | None:
        """A file of the project by its path; None where there is none, or none that can be read."""
        if path not in self._files:
            self._files[path] = self._read(path)
        return self._files[path]

    def home(self, path: Path, name: str) -> Path:
        """The file that defines what a name stands for in a file: another one where it is imported."""
        file = self.file(path) if path.suffix == ".py" else None
        found = file.find(name, 1 << 30) if file is not None else None
        return found.slice.path if isinstance(found, Class | Function) else path

    def _read(self, path: Path) -> File | None:
        try:
            data = path.read_bytes()
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            text = io.IncrementalNewlineDecoder(None, translate=True).decode(data.decode(encoding))
            file = File(path, text, self)
            _ = file.outline
        except (OSError, SyntaxError, ValueError, LookupError, Broken):
            return None
        return file

    def imported(self, file: File, module: str, level: int, name: str) -> Any:
        """What `from {'.' * level}{module} import name` means in a file: External where it isn't of the project."""
        dotted = f"{module}.{name}" if module else name
        if level == 0 and self.package is not None and module.partition(".")[0] != self.package:
            return External(dotted)
        for folder in self._folders(file, level):
            base = folder.joinpath(*module.split(".")) if module else folder
            for path in (base.with_suffix(".py") if module else None, base / "__init__.py"):
                found = self.file(path) if path is not None and path.is_file() else None
                if found is None or found is file:
                    continue
                value = found.find(name, 1 << 30)
                if isinstance(value, Class | Function) and value.slice.block.text.count("\n") > LARGEST:
                    return External(dotted)
                if value is not None:
                    return value
                break
        return External(dotted)

    def _folders(self, file: File, level: int) -> list[Path]:
        if level:
            return [file.path.parents[level - 1]] if level <= len(file.path.parents) else []
        inside = [folder for folder in file.path.parents if folder == self.root or self.root in folder.parents]
        package = [folder for folder in inside if not (folder / "__init__.py").exists()]
        return list(dict.fromkeys([*package[:1], self.root, self.root / "src"]))


def _dotted(node: cst.CSTNode | None) -> str:
    match node:
        case cst.Name(value=value):
            return value
        case cst.Attribute(value=value, attr=cst.Name(value=last)):
            return f"{_dotted(value)}.{last}"
    return ""


def _assigns(node: cst.Assign | cst.AnnAssign, name: str) -> bool:
    targets = [target.target for target in node.targets] if isinstance(node, cst.Assign) else [node.target]
    for target in targets:
        elements = [element.value for element in target.elements] if isinstance(target, cst.Tuple) else [target]
        if any(isinstance(element, cst.Name) and element.value == name for element in elements):
            return True
    return False


def _bodies(node: cst.CSTNode) -> list[cst.CSTNode]:
    found: list[cst.CSTNode] = []
    body = getattr(node, "body", None)
    if isinstance(body, cst.IndentedBlock):
        found += body.body
    for part in (getattr(node, "orelse", None), getattr(node, "finalbody", None)):
        if part is not None:
            found.append(part)
    found += getattr(node, "handlers", ())
    return found
