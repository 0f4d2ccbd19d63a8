"""A module or a function → the functions that its call may run, as far as they are of the same project."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from shapecheck.runtime.gate import GATE

_CALLED = ("forward", "__call__")
MOST = 600  # functions; a project that reaches more is looked at no further


class Reach:
    """What is found by the names that code mentions: globals, cells, and methods of the classes met so far."""

    def __init__(self, home: Any) -> None:
        self.package = (getattr(home, "__module__", None) or "").partition(".")[0]
        self.folder = _folder(home)
        self.functions: dict[int, types.FunctionType] = {}
        self.classes: list[type] = []
        self.names: set[str] = set(_CALLED)
        self._waiting: list[types.FunctionType] = []
        self._seen: set[int] = set()

    def module(self, module: torch.nn.Module) -> None:
        for part in module.modules():
            self._class(type(part))
            for value in list(vars(part).values()):
                self._value(value)
        self._settle()

    def function(self, function: Any) -> None:
        self._value(function)
        self._settle()

    def _settle(self) -> None:
        while self._waiting and len(self.functions) < MOST:
            self._mentioned(self._waiting.pop())

    def _mentioned(self, function: types.FunctionType) -> None:
        for name in _names(function.__code__):
            if name in function.__globals__:
                self._value(function.__globals__[name])
            if name not in self.names:
                self.names.add(name)
                for of in self.classes:
                    self._method(of, name)
        for cell in function.__closure__ or ():
            self._value(_content(cell))

    def _value(self, value: object) -> None:
        """Look at a function, a class or a module of the project; anything else is passed over."""
        if isinstance(value, types.ModuleType):
            if id(value) in self._seen:
                return
            self._seen.add(id(value))
        match value:
            case types.MethodType(__func__=function):
                self._value(function)
            case types.FunctionType():
                for one in _unwrapped(value):
                    self._add(one)
            case type() if self._ours(value):
                self._class(value)
            case types.ModuleType() if self._ours(value):
                for name in self.names & vars(value).keys():
                    self._value(vars(value)[name])

    def _class(self, of: type) -> None:
        for base in of.__mro__:
            if base not in self.classes and self._ours(base):
                self.classes.append(base)
                for name in self.names & vars(base).keys():
                    self._method(base, name)

    def _method(self, of: type, name: str) -> None:
        value = vars(of).get(name)
        match value:
            case property(fget=function) if function is not None:
                self._value(function)
            case staticmethod() | classmethod():
                self._value(value.__func__)
            case types.FunctionType():
                self._value(value)

    def _add(self, function: types.FunctionType) -> None:
        generated = function.__code__.co_filename == GATE
        if id(function) not in self.functions and self._ours(function) and not generated:
            self.functions[id(function)] = function
            self._waiting.append(function)

    def _ours(self, value: Any) -> bool:
        name = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
        package = (name or "").partition(".")[0]
        if package == "torch":
            return self.package == "torch"
        if package and package == self.package:
            return True
        folder = _folder(value)
        return folder is not None and self.folder is not None and self.folder in (folder, *folder.parents)


def _folder(value: Any) -> Path | None:
    """The folder of the file of something that is in no installed package."""
    if isinstance(value, types.FunctionType):
        name: str | None = value.__code__.co_filename
    else:
        module = (
            value if isinstance(value, types.ModuleType) else sys.modules.get(getattr(value, "__module__", "") or "")
        )
        name = getattr(module, "__file__", None)
    path = Path(name) if name else None
    if path is None or not path.is_file() or {"site-packages", "dist-packages"} & set(path.parts):
        return None
    return None if _is_standard(path) else path.parent


def _is_standard(path: Path) -> bool:
    return Path(types.__file__).parent in path.parents


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    yield from code.co_freevars
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _unwrapped(function: types.FunctionType) -> Iterator[types.FunctionType]:
    """A function and those that it wraps."""
    seen: list[object] = []
    one: object = function
    while one is not None and one not in seen:
        if isinstance(one, types.FunctionType):
            yield one
        seen.append(one)
        one = getattr(one, "__wrapped__", None)


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # empty as yet
        return None
