"""A fixture's `# run:` line → what torch does.

    # run: Attention(d_model=12, n_heads=3)(x=[2, 5, 12]) -> silent
    # run: Encoder(config=Config(width=12))(ids=int[2, 5], mask=bool[5, 5]) -> raises "mat1 and mat2"

The arguments of the outer call are tensors: a list is the shape of a float one, `int[…]` holds indices, `bool[…]` is all
True. The arguments of a constructor are literals, or objects of the fixture built in the same way.
"""

from __future__ import annotations

import ast
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def loaded(text: str) -> Iterator[dict[str, Any]]:
    """The names that a fixture defines."""
    module = types.ModuleType("fixture_under_test")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        exec(compile(text, module.__name__, "exec"), module.__dict__)
        yield module.__dict__
    finally:
        del sys.modules[module.__name__]


def outcome(text: str, call: str) -> str | None:
    """The error that a run line ends in, or None where it returns tensors."""
    torch.manual_seed(0)
    with warnings.catch_warnings(), loaded(text) as names:
        warnings.simplefilter("ignore")
        try:
            result = _call(ast.parse(call, mode="eval").body, names)
        except Exception as error:  # noqa: BLE001 — whatever the fixture raises is the answer
            return f"{type(error).__name__}: {error}"
    assert _tensors(result), f"{call} returns {type(result).__name__}"
    return None


def _call(node: ast.expr, names: dict[str, Any]) -> Any:
    called, arguments, keywords = prepared(node, names)
    return called(*arguments, **keywords)


def prepared(node: ast.expr, names: dict[str, Any]) -> tuple[Any, list[Any], dict[str, Any]]:
    """What a run line calls, built, and the tensors that it is given."""
    if not isinstance(node, ast.Call):
        raise TypeError(f"`{ast.unparse(node)}` is no call")
    called = names[node.func.id] if isinstance(node.func, ast.Name) else _built(node.func, names)
    keywords = {keyword.arg: _tensor(keyword.value) for keyword in node.keywords if keyword.arg}
    return called, list(map(_tensor, node.args)), keywords


def _built(node: ast.expr, names: dict[str, Any]) -> Any:
    match node:
        case ast.Call(func=ast.Name(id=name)):
            keywords = {keyword.arg: _built(keyword.value, names) for keyword in node.keywords if keyword.arg}
            return names[name](*(_built(argument, names) for argument in node.args), **keywords)
        case ast.Name(id=name):
            return names[name]
        case _:
            return ast.literal_eval(node)


def _tensor(node: ast.expr) -> Any:
    match node:
        case ast.List():
            return torch.randn(ast.literal_eval(node))
        case ast.Subscript(value=ast.Name(id="int"), slice=sizes):
            return torch.randint(0, 5, _sizes(sizes))
        case ast.Subscript(value=ast.Name(id="bool"), slice=sizes):
            return torch.ones(_sizes(sizes), dtype=torch.bool)
        case ast.Tuple(elts=elements):
            return tuple(map(_tensor, elements))
        case _:
            return ast.literal_eval(node)


def _sizes(node: ast.expr) -> tuple[int, ...]:
    sizes = ast.literal_eval(node)
    return sizes if isinstance(sizes, tuple) else (sizes,)


def _tensors(result: Any) -> bool:
    if isinstance(result, (tuple, list)):
        return any(map(_tensors, result))
    return isinstance(result, torch.Tensor)
