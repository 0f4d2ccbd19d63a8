"""file.py::Class → the class, by running the file; texts of the command line → arguments and tensors."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import linecache
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch


class CannotLoad(Exception):
    """A target, an argument or an input that can't be had; says which and why."""


def load(path: Path, name: str) -> Any:
    """What a file defines under a name. The file is run; what that raises is told as CannotLoad."""
    try:
        module = _module(path)
    except Exception as error:
        raise CannotLoad(f"{path} can't be run: {type(error).__name__}: {error}") from error
    if not hasattr(module, name):
        from shapecheck.selectors import nearest

        raise CannotLoad(f"{path} defines no `{name}`{nearest(name, sorted(vars(module)))}")
    return getattr(module, name)


def classes(path: Path) -> list[Any]:
    """The modules with a forward that a file defines."""
    try:
        module = _module(path)
    except Exception as error:
        raise CannotLoad(f"{path} can't be run: {type(error).__name__}: {error}") from error
    own = [value for value in vars(module).values() if getattr(value, "__module__", None) == module.__name__]
    modules = [value for value in own if isinstance(value, type) and issubclass(value, torch.nn.Module)]
    return [of for of in modules if of.forward is not torch.nn.Module.forward]


def _module(path: Path) -> Any:
    """The module that a file is: in its package, where it is in one, so that relative imports work."""
    if path.suffix != ".py" or not path.is_file():
        raise FileNotFoundError("there is no such Python file")
    names, folder = [path.stem], path.parent
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        names.insert(0, folder.name)
        folder = folder.parent
    sys.path.insert(0, str(folder))
    linecache.checkcache(str(path))  # what is run now is what the file says now
    name = ".".join(names).removesuffix(".__init__")
    if len(names) > 1:
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def arguments(texts: Sequence[str]) -> dict[str, Any]:
    """`d_in=768,num_heads=12` as keywords; values are Python literals."""
    found: dict[str, Any] = {}
    for text in texts:
        try:
            call = ast.parse(f"f({text})", mode="eval").body
            assert isinstance(call, ast.Call) and not call.args
            found |= {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}
        except (SyntaxError, ValueError, AssertionError) as error:
            raise CannotLoad(f"`{text}` is not of the form name=value,name=value, with Python literals") from error
    return found


_INPUT = re.compile(r"(?P<name>[^\W\d]\w*)=(?:(?P<kind>int|bool):)?(?P<sizes>[\d, ]*)")
_MADE = {
    "": lambda sizes, device: torch.randn(sizes, device=device),
    "int": lambda sizes, device: torch.zeros(sizes, dtype=torch.int64, device=device),
    "bool": lambda sizes, device: torch.ones(sizes, dtype=torch.bool, device=device),
}


def inputs(texts: Sequence[str], device: str) -> dict[str, torch.Tensor]:
    """`x=8,1024,768` as random floats, `ids=int:8,1024` as zeros, `mask=bool:8,1024` as True."""
    found: dict[str, torch.Tensor] = {}
    for text in texts:
        form = _INPUT.fullmatch(text)
        if form is None:
            raise CannotLoad(f"`{text}` is not of the form name=sizes, name=int:sizes or name=bool:sizes")
        sizes = [int(size) for size in form["sizes"].split(",") if size.strip()]
        found[form["name"]] = _MADE[form["kind"] or ""](sizes, device)
    return found


def check_device(device: str) -> None:
    """Raises CannotLoad where a device isn't there."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise CannotLoad("there is no cuda device here; cpu and meta are")
