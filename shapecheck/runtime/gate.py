"""Generated code: the gate that lets known signatures pass, and the comparisons that are made in compiled code.

Both have the parameters of the function that they stand before. The gate asks whether the shapes and dtypes of a call
were seen before; the comparisons are plain integer ones, so that a compiler checks them as it traces and leaves nothing
of them in the graph.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from shapecheck.runtime.annotations import Array, Choice, Parts, Wanted
from shapecheck.runtime.errors import ShapeError
from shapecheck.shapes.annotation import AxisSpec, Of

GATE = "<the gate of shapecheck>"  # the file name of generated code
RESULT = "result_"
ALL_DTYPES = tuple(one for one in vars(torch).values() if isinstance(one, torch.dtype))


@dataclass(frozen=True, slots=True)
class Pure:
    """Comparisons as functions: of the arguments, and of the arguments and the result where something is asked of it.

    `whole` where they leave out nothing that was asked.
    """

    before: Callable[..., None]
    after: Callable[..., None] | None
    whole: bool


# -- comparisons ---------------------------------------------------------------------------------------------------------
def pure(symbol: str, parameters: Sequence[str], asked: Mapping[str, Wanted], bound: Sequence[str]) -> Pure:
    """Functions of `parameters` that raise where a value isn't as asked; `return` is what is asked of the result.

    `bound` are the names of axes that are attributes of `self`, the first parameter.
    """
    arguments = {name: one for name, one in asked.items() if name in parameters}
    before, whole = _comparing(symbol, parameters, arguments, bound)
    if "return" not in asked:
        return Pure(before, None, whole)
    after, whole = _comparing(symbol, [*parameters, RESULT], {**arguments, RESULT: asked["return"]}, bound)
    return Pure(before, after, whole)


def _comparing(
    symbol: str, parameters: Sequence[str], asked: Mapping[str, Wanted], bound: Sequence[str]
) -> tuple[Callable[..., None], bool]:
    writer = _Writer(symbol)
    lines = [f"    s_{one} = whole_(getattr({parameters[0]}, {one!r}, None))" for one in bound]
    writer.names += bound
    for one in parameters:
        if one in asked:
            lines += writer.value(one, "the result" if one == RESULT else one, asked[one])
    first = [f"    s_{one} = None" for one in writer.names if one not in bound]
    first += [f"    m_{one} = None" for one in writer.several]
    body = [*first, *lines] or ["    pass"]
    names = {"Error_": ShapeError, "whole_": _whole, **writer.constants}
    return _defined("compare", f"def compare({', '.join(parameters)}):", body, names), writer.whole


def _whole(value: Any) -> Any:
    return value if type(value) is int else None


class _Writer:
    """Annotations → lines of comparisons."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.whole = True
        self.names: list[str] = []
        self.several: list[str] = []
        self.constants: dict[str, Any] = {}

    def value(self, variable: str, told: str, asked: Wanted, indent: str = "    ") -> Iterator[str]:
        match asked:
            case Array():
                yield from self._array(variable, told, asked, indent)
            case Choice(options=(option,), none=True, free=False):
                yield f"{indent}if {variable} is not None:"
                yield from self._array(variable, told, option, indent + "    ")
            case Parts(parts):
                yield f"{indent}if not isinstance({variable}, tuple) or len({variable}) != {len(parts)}:"
                yield self._raise(indent, f"`{told}` is no tuple of {len(parts)}")
                for index, part in enumerate(parts):
                    if part is not None:
                        yield from self.value(f"{variable}[{index}]", f"{told}[{index}]", part, indent)
            case _:
                self.whole = False

    def _raise(self, indent: str, fact: str, *values: str) -> str:
        said = f"{self.symbol}: {fact}".replace("{", "{{").replace("}", "}}")
        return f"{indent}    raise Error_(f{said + ''.join(values)!r})"

    def _array(self, variable: str, told: str, asked: Array, indent: str) -> Iterator[str]:
        place = asked.many
        kind = f"type_{len(self.constants)}"
        self.constants[kind] = asked.type
        yield f"{indent}if not isinstance({variable}, {kind}):"
        yield self._raise(indent, f"`{told}` is no tensor {asked}")
        if asked.dtypes is not None:
            dtypes = f"dtypes_{len(self.constants)}"
            self.constants[dtypes] = tuple(one for one in ALL_DTYPES if asked.takes(one))
            yield f"{indent}if {variable}.dtype not in {dtypes}:"
            yield self._raise(indent, f"the dtype of `{told}` isn't as asked: ", f"{{{variable}.dtype}}")
        least = len(asked.axes) - (place is not None)
        yield f"{indent}if {variable}.dim() {'!=' if place is None else '<'} {least}:"
        yield self._raise(indent, f"`{told}` doesn't have the axes {asked}: ", f"{{{variable}.shape}}")
        before = asked.axes if place is None else asked.axes[:place]
        for index, spec in enumerate(before):
            yield from self._axis(f"{variable}.size({index})", told, spec, indent)
        if place is not None:
            behind = asked.axes[place + 1 :]
            for index, spec in enumerate(behind):
                yield from self._axis(f"{variable}.size({index - len(behind)})", told, spec, indent)
            yield from self._many(variable, told, asked, place, indent)

    def _axis(self, size: str, told: str, spec: AxisSpec, indent: str) -> Iterator[str]:
        if spec.of is Of.ANY:
            return
        if spec.broadcasts:
            yield f"{indent}if {size} != 1:"
            indent += "    "
        match spec.of:
            case Of.NUMBER:
                expected = str(spec.number)
            case Of.NAME:
                expected = f"s_{spec.name}"
                if spec.name not in self.names:
                    self.names.append(spec.name)
                yield f"{indent}if {expected} is None:"
                yield f"{indent}    {expected} = {size}"
            case _:
                found = self._sum(spec.name)
                if found is None:
                    self.whole = False
                    yield f"{indent}pass"
                    return
                expected = found
        yield f"{indent}if {size} != {expected}:"
        yield self._raise(indent, f"axis `{spec.text}` of `{told}` is ", f"{{{size}}}, not {{{expected}}}")

    def _sum(self, text: str) -> str | None:
        """An expression over names that are bound by then; None for one that only jaxtyping's way can work out."""
        try:
            tree = ast.parse(text, mode="eval")
        except SyntaxError:
            return None
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node in names:
            if id(node) in called:
                if node.id not in ("min", "max"):
                    return None
            elif node.id not in self.names:
                return None
            else:
                node.id = f"s_{node.id}"
        if not all(isinstance(node, _PLAIN) for node in ast.walk(tree)):
            return None
        return f"({ast.unparse(tree)})"

    def _many(self, variable: str, told: str, asked: Array, place: int, indent: str) -> Iterator[str]:
        spec = asked.axes[place]
        if spec.of is Of.ANY:
            return
        if spec.broadcasts:
            self.whole = False
            return
        behind = len(asked.axes) - place - 1
        sizes = f"tuple({variable}.shape[{place}:{variable}.dim() - {behind}])"
        if spec.name not in self.several:
            self.several.append(spec.name)
        yield f"{indent}if m_{spec.name} is None:"
        yield f"{indent}    m_{spec.name} = {sizes}"
        yield f"{indent}if {sizes} != m_{spec.name}:"
        yield self._raise(indent, f"axes `{spec.text}` of `{told}` are ", f"{{{sizes}}}, not {{m_{spec.name}}}")


_PLAIN = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Name, ast.Constant, ast.Load, ast.operator, ast.unaryop, ast.Call,
)  # fmt: skip


# -- the gate ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Behind:
    """What the gate calls: the original, the way of a signature not seen before, and the comparisons of compiled code."""

    original: Callable[..., Any]
    unseen: Callable[..., Any]
    comparisons: Pure
    seen: set[object]


def gate(
    function: Any, behind: Behind, tensors: Sequence[str], bound: Sequence[str], *, once: bool, always: bool
) -> Any:
    """A function with the parameters of `function` that calls it at once where the signature was seen.

    `tensors` are the parameters that are tensors by annotation, `bound` the attributes of `self` that axes are bound to.
    """
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    names: dict[str, Any] = {
        "original_": behind.original, "unseen_": behind.unseen, "before_": behind.comparisons.before, "after_": behind.comparisons.after, "seen_": behind.seen,
        "compiling_": torch.compiler.is_compiling, "signed_": signed, "Tensor_": torch.Tensor,
    }  # fmt: skip
    called = ", ".join(_passed(one) for one in parameters)
    key = ", ".join([*_keys(parameters, tensors, bound), ""])
    known = "bool(seen_)" if once else f"({key}) in seen_"
    compiled = [
        "    if compiling_():",
        f"        before_({', '.join(one.name for one in parameters)})",
        f"        {RESULT} = original_({called})",
        f"        after_({', '.join([*(one.name for one in parameters), RESULT])})",
        f"        return {RESULT}",
    ]
    if behind.comparisons.after is None:
        del compiled[3]
    body = [
        *compiled,
        "    try:",
        f"        known_ = {known}",
        "    except (TypeError, AttributeError):",
        "        known_ = False",
        "    if known_:",
        f"        return original_({called})",
        f"    return unseen_({called})",
    ]
    if always:
        body = [*compiled, body[-1]]
    head = f"def {function.__name__}({_declared(parameters, names)}):"
    return _defined(function.__name__, head, body, names)


def key_of(parameters: Sequence[inspect.Parameter], tensors: Sequence[str], bound: Sequence[str]) -> Any:
    """A function of the same arguments that makes the key which the gate looks up."""
    names: dict[str, Any] = {"signed_": signed, "Tensor_": torch.Tensor}
    key = ", ".join([*_keys(parameters, tensors, bound), ""])
    return _defined("key", f"def key({_declared(parameters, names)}):", [f"    return ({key})"], names)


def _keys(parameters: Sequence[inspect.Parameter], tensors: Sequence[str], bound: Sequence[str]) -> Iterator[str]:
    owner = parameters[0].name if parameters else ""
    for one in parameters:
        if one.name == owner == "self":  # another object may be built otherwise
            yield "id(self)"
            continue
        if one.name in tensors:
            yield f"{one.name}.shape"
            yield f"{one.name}.dtype"
        else:
            yield f"signed_({one.name})"
    for name in bound:
        yield f"{owner}.{name}"


def signed(value: Any) -> object:
    """What a value adds to the signature: shape and dtype of a tensor, a plain value itself, the type of anything else."""
    if isinstance(value, torch.Tensor):
        return value.shape, value.dtype
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, tuple | list):
        return tuple(signed(one) for one in value)
    if isinstance(value, dict):
        return tuple((name, signed(one)) for name, one in value.items())
    return type(value)


def _declared(parameters: Sequence[inspect.Parameter], names: dict[str, Any]) -> str:
    """The parameters as they stand in a `def`; defaults are put into `names`."""
    words: list[str] = []
    for index, one in enumerate(parameters):
        before = parameters[index - 1] if index else None
        if before is not None and before.kind is before.POSITIONAL_ONLY and one.kind is not one.POSITIONAL_ONLY:
            words.append("/")
        starred = any(earlier.kind is earlier.VAR_POSITIONAL for earlier in parameters[:index])
        if one.kind is one.KEYWORD_ONLY and not starred and (before is None or before.kind is not one.KEYWORD_ONLY):
            words.append("*")
        prefix = "*" if one.kind is one.VAR_POSITIONAL else "**" if one.kind is one.VAR_KEYWORD else ""
        default = ""
        if one.default is not one.empty:
            names[f"default_{one.name}"] = one.default
            default = f"=default_{one.name}"
        words.append(f"{prefix}{one.name}{default}")
    if parameters and parameters[-1].kind is inspect.Parameter.POSITIONAL_ONLY:
        words.append("/")
    return ", ".join(words)


def _passed(one: inspect.Parameter) -> str:
    match one.kind:
        case one.VAR_POSITIONAL:
            return f"*{one.name}"
        case one.VAR_KEYWORD:
            return f"**{one.name}"
        case one.KEYWORD_ONLY:
            return f"{one.name}={one.name}"
    return one.name


def _defined(name: str, head: str, body: Sequence[str], names: dict[str, Any]) -> Any:
    """The function, with `names` in its closure: a compiler looks globals up by the name of a module, and there is none."""
    inner = [f"    {line}" for line in (head, *body)]
    code = compile("\n".join([f"def around({', '.join(names)}):", *inner, f"    return {name}", ""]), GATE, "exec")
    namespace: dict[str, Any] = {}
    exec(code, namespace)  # noqa: S102 (made from the names of parameters and axes alone)
    return namespace["around"](**names)
