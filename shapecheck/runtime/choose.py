"""A class → arguments and inputs of sizes that can't be mistaken for one another."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from shapecheck.runtime.annotations import Array, Choice, asked_of
from shapecheck.runtime.unify import Sizes
from shapecheck.shapes.annotation import Of
from shapecheck.shapes.dim import Symbol
from shapecheck.shapes.shape import Axis, Row
from shapecheck.shapes.trace import Trace

HEADS, KV_HEADS, HEAD_DIM, D_IN, LENGTH, BATCH, TOKENS = 3, 1, 7, 11, 64, 2, 5
EVEN = 8  # a width of a head for those that cut it in halves
FRESH = (13, 17, 19, 23, 29, 31)  # sizes for what has no part in this
_NAMES = """
heads: num_heads heads n_heads n_head nhead num_attention_heads attention_heads h
kv: num_kv_heads kv_heads n_kv_heads num_key_value_heads num_groups n_groups
head: head_dim dim_head d_head d_k d_v head_size attention_head_dim
in: d_in dim_in in_dim in_features input_dim d_input
width: d_out dim_out out_dim d_model dim embed_dim embedding_dim hidden_size hidden_dim width n_embd emb_dim channels
width: out_features d query_dim inner_dim
length: context_length max_len max_length max_seq_len seq_len block_size max_position_embeddings n_positions
rate: dropout drop p attn_drop proj_drop dropout_p attn_dropout dropout_rate attention_dropout
flag: bias qkv_bias causal is_causal
"""
ROLES = {name: line.partition(":")[0] for line in _NAMES.split("\n") for name in line.partition(":")[2].split()}


class CannotChoose(TypeError):
    """A parameter or an input that no size or value can be chosen for; says which and how to give it."""


def arguments(of: type, given: Mapping[str, Any], head_dim: int = HEAD_DIM) -> dict[str, Any]:
    """Every argument that a constructor must be given: those that are given, and sizes for the others.

    Raises CannotChoose.
    """
    parameters = list(inspect.signature(of).parameters.values())
    names = {one.name for one in parameters}
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters)
    unknown = [name for name in given if name not in names and not open_ended]
    if unknown:
        from shapecheck.selectors import nearest

        raise CannotChoose(f"{of.__name__} has no parameter `{unknown[0]}`{nearest(unknown[0], sorted(names))}")
    heads = next((given[name] for name in given if ROLES.get(name) == "heads"), HEADS)
    chosen = dict(given)
    for one in parameters:
        if one.name in chosen or one.default is not one.empty or one.kind in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
            continue
        value = _value(ROLES.get(one.name), heads, head_dim)
        if value is None:
            raise CannotChoose(f"no value can be chosen for `{one.name}` of {of.__name__}: give {one.name}=…")
        chosen[one.name] = value
    return chosen


def _value(role: str | None, heads: int, head_dim: int) -> Any:
    values: dict[str | None, Any] = {
        "heads": heads, "kv": KV_HEADS, "head": head_dim, "in": D_IN, "width": heads * head_dim, "length": LENGTH,
        "rate": 0.0, "flag": False,
    }  # fmt: skip
    return values.get(role)


def square(of: type, chosen: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The same with d_in as wide as d_out, for a class that takes no other."""
    width = next((value for name, value in chosen.items() if ROLES.get(name) == "width"), None)
    return {
        name: width if ROLES.get(name) == "in" and name not in given and width is not None else value
        for name, value in chosen.items()
    }


def indivisible(chosen: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same with a width that the heads don't divide; None where there is no width or no heads."""
    heads = next((value for name, value in chosen.items() if ROLES.get(name) == "heads"), None)
    widths = [name for name in chosen if ROLES.get(name) == "width"]
    if type(heads) is not int or heads < 2 or not widths or any(ROLES.get(name) == "head" for name in chosen):
        return None
    return {name: value + 1 if name in widths and type(value) is int else value for name, value in chosen.items()}


# -- inputs --------------------------------------------------------------------------------------------------------------
def inputs(
    of: Any,
    traces: Sequence[Trace],
    known: Mapping[str, Any],
    given: Mapping[str, torch.Tensor],
    device: str,
) -> dict[str, Any]:
    """Tensors for what forward must be given: as annotated, or of the rank and sizes that its use speaks for."""
    forward: Any = vars(of).get("forward") or getattr(of, "forward", None) if isinstance(of, type) else of
    parameters = list(inspect.signature(forward).parameters.values())[1 if isinstance(of, type) else 0 :]
    names = {one.name for one in parameters}
    unknown = [
        name for name in given if name not in names and all(one.kind is not one.VAR_KEYWORD for one in parameters)
    ]
    if unknown:
        from shapecheck.selectors import nearest

        raise CannotChoose(f"{of.__name__} takes no input `{unknown[0]}`{nearest(unknown[0], sorted(names))}")
    needed = [
        one.name for one in parameters
        if one.default is one.empty and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL) and one.name not in given
    ]  # fmt: skip
    annotated = _Annotated(forward, known)
    used = _Used(traces, known)
    chosen: dict[str, Any] = dict(given)
    for name in needed:
        shape = annotated.shape(name) or used.shape(name)
        if shape is None:
            raise CannotChoose(f"no shape can be chosen for the input `{name}`: give --input {name}=2,5,… (sizes)")
        chosen[name] = torch.randn(shape, device=device)
    return chosen


class _Annotated:
    """Shapes from jaxtyping's annotations, with the constructor's sizes for the names that it has."""

    def __init__(self, forward: Any, known: Mapping[str, Any]) -> None:
        self.asked = asked_of(forward)
        self.sizes = {name: value for name, value in known.items() if type(value) is int}
        self.fresh = _fresh()

    def shape(self, name: str) -> tuple[int, ...] | None:
        asked = self.asked.get(name)
        if isinstance(asked, Choice):
            asked = asked.options[0]
        if not isinstance(asked, Array) or asked.many is not None:
            return None
        sizes = []
        for axis in asked.axes:
            if axis.of is Of.NUMBER:
                sizes.append(axis.number)
            elif axis.of is Of.NAME:
                if axis.name not in self.sizes:
                    self.sizes[axis.name] = next(self.fresh)
                sizes.append(self.sizes[axis.name])
            else:
                return None
        return tuple(sizes)


class _Used:
    """Shapes from the first path of the prediction that ends well."""

    def __init__(self, traces: Sequence[Trace], known: Mapping[str, Any]) -> None:
        self.trace = next((trace for trace in traces if trace.completed), None)
        self.known = known
        self.sizes = Sizes()
        self.fresh = _fresh()

    def shape(self, name: str) -> tuple[int, ...] | None:
        for step in self.trace.steps if self.trace is not None else ():
            entries = step.result.shape.entries if step.op == "input" and step.result.shape is not None else ()
            if len(entries) == 1 and isinstance(entries[0], Row) and _argument(entries[0]) == name:
                assert self.trace is not None
                shape = self.trace.shape(step.result)
                assert shape is not None
                if shape.axes is None:
                    return self._guess(shape.entries)
                return tuple(self._size(axis) for axis in shape.axes)
        return None

    def _guess(self, entries: Sequence[Axis | Row]) -> tuple[int, ...]:
        """A batch of sequences where the rank isn't known, with the features that are."""
        behind = [entry for entry in entries if isinstance(entry, Axis)]
        front = [next(self.fresh) for _ in range(max(0, 3 - len(behind)))]
        return (*front, *(self._size(axis) for axis in behind))

    def _size(self, axis: Axis) -> int:
        for symbol in axis.size.symbols():
            self._bind(symbol)
        value = self.sizes.reduced(axis.size).value
        return value if value is not None else next(self.fresh)

    def _bind(self, symbol: Symbol) -> None:
        match symbol.key:
            case ("param", _, str(name)) if type(self.known.get(name)) is int:
                self.sizes.bind(symbol, self.known[name], "given")
            case _ if symbol not in self.sizes.values:
                self.sizes.bind(symbol, next(self.fresh), "chosen")


def _argument(row: Row) -> str | None:
    match row.key:
        case ("row", ("param", _, str(name))):
            return name
    return None


def _fresh() -> Iterator[int]:
    yield BATCH
    yield TOKENS
    yield from FRESH
    raise CannotChoose("too many sizes to choose: give the inputs")
