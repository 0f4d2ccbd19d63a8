"""A snippet, traced without being run and run without being traced: what each says its results' shapes are."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shapecheck.shapes.dim import Dim, Kind, Symbol
from shapecheck.shapes.shape import Axis, Row, Shape
from shapecheck.shapes.substitute import evaluate
from shapecheck.shapes.trace import Trace
from shapecheck.static.paths import Paths, Root
from shapecheck.static.project import File, Project
from shapecheck.static.values import Class, Function

torch = pytest.importorskip("torch", reason="shapes are compared with torch's own")

PRIMES = (2, 3, 5, 7, 11, 13)
IMPORTS = "import math\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn\n"


@dataclass(frozen=True)
class Snippet:
    """An expression over tensors, `x="* t d"` being their axes; `*` stands for batch axes, none or more, the same for all.

    An axis is a letter or a product of letters (`h*d`); letters that no axis has are further arguments. `init` makes it
    the forward of a class whose `self.layer` is built so, from `built` (letters or constants by keyword).
    """

    expression: str
    axes: Mapping[str, str]
    init: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)  # letters that must have a certain size
    dtypes: Mapping[str, str] = field(default_factory=dict)  # of the tensors that hold no floats
    device: str = "meta"
    known: bool = True  # whether the shapes are all told when the ranks of the arguments are known
    batches: Sequence[int] = (0, 1, 2)
    before: str = ""  # statements that come first
    imports: str = ""
    many: bool = False  # whether one tensor may stand for a list of unknown length

    def __str__(self) -> str:
        return self.init or self.expression

    def ranks(self) -> Iterator[dict[str, list[str]]]:
        """The axes of each tensor, for each number of batch axes."""
        for count in self.batches if any("*" in axes.split() for axes in self.axes.values()) else (0,):
            batch = [f"batch{index}" for index in range(count)]
            yield {
                name: list(itertools.chain.from_iterable(batch if word == "*" else [word] for word in axes.split()))
                for name, axes in self.axes.items()
            }

    def letters(self, axes: Mapping[str, list[str]]) -> list[str]:
        """Every letter that an axis has or that the snippet names."""
        own = {word for words in axes.values() for axis in words for word in re.findall(r"[a-z]\w*", axis)}
        return sorted(own | self.extra(axes, unpacked=False) | set(self.built()))

    def extra(self, axes: Mapping[str, list[str]], *, unpacked: bool) -> set[str]:
        """The letters that the forward takes as numbers: those that it doesn't read off its tensors."""
        named = {word for words in axes.values() for word in words if word.isidentifier()} if unpacked else set()
        return {word for word in _words(f"{self.before} {self.expression}") if len(word) == 1} - named - set(axes)

    def built(self) -> list[str]:
        """The letters that the constructor takes."""
        return sorted({word for word in _words(self.init) if len(word) == 1})

    def source(self, axes: Mapping[str, list[str]], *, unpacked: bool) -> str:
        lines = []
        seen = set(axes)
        for name, words in axes.items() if unpacked else ():
            targets = []
            for index, word in enumerate(words):
                targets.append(word if word.isidentifier() and word not in seen else f"{name}{index}_")
                seen.add(targets[-1])
            lines += [f"{', '.join(targets)}, = {name}.shape"] if words else []
        lines += [*self.before.splitlines(), f"return {self.expression}"]
        arguments = ", ".join([*axes, *sorted(self.extra(axes, unpacked=unpacked))])
        if not self.init:
            return f"{IMPORTS}{self.imports}\ndef snippet({arguments}):\n" + _indented(lines, 1)
        head = f"{IMPORTS}{self.imports}\nclass Snippet(nn.Module):\n    def __init__({', '.join(['self', *self.built()])}):\n"
        body = _indented(["super().__init__()", f"self.layer = {self.init}"], 2)
        return f"{head}{body}    def forward(self, {arguments}):\n" + _indented(lines, 2)


def snippet(expression: str, /, **more: Any) -> Snippet:
    """`snippet("x.view(b, -1)", x="b t d")`: keywords of a Snippet, and the axes of the tensors."""
    own = {key: value for key, value in more.items() if key in Snippet.__dataclass_fields__}
    axes = {key: value for key, value in more.items() if key not in own}
    return Snippet(expression, axes, **own)


def layer(init: str, expression: str = "", /, **more: Any) -> Snippet:
    """The same for a layer: what `self.layer` is, called with the first tensor if nothing else is said."""
    first = next(key for key in more if key not in Snippet.__dataclass_fields__)
    return snippet(expression or f"self.layer({first})", init=init, **more)


def _words(text: str) -> set[str]:
    """Names that stand for themselves: no attributes, keywords or strings."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", text)
    return set(re.findall(r"(?<![\w.])[a-z]\w*(?!\w*\s*[=(](?!=))", bare))


def _indented(lines: Sequence[str], depth: int) -> str:
    return "".join("    " * depth + line + "\n" for line in lines)


def trace_of(source: str) -> Trace:
    """The first path of the function or class that a source defines last."""
    path = Path("/snippet/snippet.py")
    file = File(path, source, Project(path.parent))
    found = file.find("Snippet" if "class Snippet" in source else "snippet", 1 << 30)
    assert isinstance(found, Class | Function)
    return Paths(Root(found)).follow(1, most_paths=1).traces[0]


def sizes_of(letters: Sequence[str], fixed: Mapping[str, int], seed: int) -> dict[str, int]:
    """A size for each letter: different primes, as long as there are enough."""
    free = random.Random(seed).sample(PRIMES * (1 + len(letters) // len(PRIMES)), len(letters))
    return {**dict(zip(letters, free, strict=True)), **fixed}


def run(
    snippet: Snippet, source: str, shapes: Mapping[str, Sequence[int]], sizes: Mapping[str, int]
) -> list[tuple[int, ...]]:
    """The shapes of the tensors that torch returns."""
    space: dict[str, Any] = {}
    exec(compile(source, "<snippet>", "exec"), space)
    tensors = {
        name: _tensor(shape, snippet.dtypes.get(name, "float32"), snippet.device) for name, shape in shapes.items()
    }
    extra = {
        letter: sizes[letter]
        for letter in re.findall(r"\w+", _head(source))
        if letter in sizes and letter not in shapes
    }
    with torch.no_grad(), torch.device(snippet.device):
        if snippet.init:
            built = space["Snippet"](**{letter: sizes[letter] for letter in snippet.built()})
            result = built(**tensors, **extra)
        else:
            result = space["snippet"](**tensors, **extra)
    return [tuple(tensor.shape) for tensor in _leaves(result)]


def _head(source: str) -> str:
    found = re.search(r"def (?:snippet|forward)\((.*)\):", source)
    assert found is not None
    return found[1]


def _tensor(shape: Sequence[int], dtype: str, device: str) -> Any:
    if dtype == "bool":
        return torch.ones(shape, dtype=torch.bool, device=device)
    if dtype == "long":
        return torch.zeros(shape, dtype=torch.long, device=device)
    return torch.ones(shape, dtype=getattr(torch, dtype), device=device)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple) and not isinstance(value, torch.Size):
        for one in value:
            yield from _leaves(one)


@dataclass(frozen=True)
class Actual:
    """The sizes of one run, put in for the symbols of a trace."""

    trace: Trace
    symbols: Mapping[Symbol, int]
    rows: Mapping[object, tuple[int, ...]]

    @staticmethod
    def of(trace: Trace, shapes: Mapping[str, Sequence[int]], sizes: Mapping[str, int]) -> Actual | None:
        """None where the trace takes an argument to have another rank."""
        symbols = {Symbol(name, key=("param", trace.symbol, name)): size for name, size in sizes.items()}
        rows: dict[object, tuple[int, ...]] = {}
        for name, shape in shapes.items():
            entries = trace.facts.row(Row(("row", ("param", trace.symbol, name))))
            row = next((entry for entry in entries if isinstance(entry, Row)), None)
            place = entries.index(row) if row is not None else len(entries)
            behind = len(entries) - place - 1 if row is not None else 0
            if len(shape) < place + behind or (row is None and len(shape) != len(entries)):
                return None
            if row is not None:
                rows[row.key] = tuple(shape[place : len(shape) - behind])
            numbers = [*shape[:place], *shape[len(shape) - behind :]] if row is not None else shape
            axes = [entry for entry in entries if isinstance(entry, Axis)]
            for axis, number in zip(axes, numbers, strict=True):
                if (symbol := axis.size.symbol) is not None:
                    assert symbols.setdefault(symbol, number) == number, f"{symbol} is {number} and {symbols[symbol]}"
        actual = Actual(trace, symbols, rows)
        for symbol, number in symbols.items():
            actual.agree(trace.facts.resolve(Dim.of(symbol)), number, str(symbol))
        return actual

    def number(self, dim: Dim) -> int | None:
        if any(symbol.kind is Kind.UNKNOWN and symbol not in self.symbols for symbol in dim.symbols()):
            return None
        found = evaluate(dim, self.symbols, lambda name, arguments: None)
        assert found is not None, f"{dim} can't be worked out"
        return found

    def agree(self, dim: Dim, number: int, what: str) -> None:
        found = self.number(dim)
        assert found in (None, number), f"{what} is {number}, predicted {dim} = {found}"

    def agrees(self, shape: Shape | None, actual: Sequence[int]) -> None:
        """Whether all that is predicted of a shape is so."""
        if shape is None:
            return
        told = f"{shape} for {list(actual)}"
        entries: list[int | Dim | None] = []
        for entry in shape.entries:
            if isinstance(entry, Axis):
                entries.append(entry.size)
            else:
                entries += self.rows.get(entry.key, (None,))
        if None not in entries:
            assert len(entries) == len(actual), told
        place = entries.index(None) if None in entries else len(entries)
        behind = entries[place + 1 :]
        assert place + len(behind) <= len(actual), told
        for size, number in (
            *zip(entries, actual[:place], strict=False),
            *zip(behind, actual[len(actual) - len(behind) :], strict=True),
        ):
            self.agree(Dim.of(size) if isinstance(size, int) else size or Dim.of(number), number, told)


def compare(snippet: Snippet, *, unpacked: bool, seeds: Sequence[int] = (1, 2)) -> None:
    """Whether every shape that is predicted for the results of a snippet is the one that torch gives them."""
    if "einops" in snippet.imports:
        pytest.importorskip("einops", reason="patterns are compared with einops' own")
    for axes in snippet.ranks():
        if not all(axes.values()):
            continue
        source = snippet.source(axes, unpacked=unpacked)
        trace = trace_of(source)
        assert trace.completed
        predicted = [trace.shape(tensor) for tensor in trace.returned]
        if unpacked and snippet.known:
            told = [
                (str(shape), step.op, step.lost_by)
                for shape, step in zip(predicted, map(trace.maker, trace.returned), strict=True)
            ]
            assert all(shape is not None and shape.known for shape in predicted), f"{told}\n{source}"
        if not unpacked and trace.facts.assumptions:
            continue
        for seed in seeds:
            sizes = sizes_of(snippet.letters(axes), snippet.sizes, seed)
            shapes = {name: [eval(axis, {}, sizes) for axis in words] for name, words in axes.items()}
            results = run(snippet, source, shapes, sizes)
            if len(predicted) != len(results):
                assert snippet.many or any(shape is None or not shape.known for shape in predicted), (
                    f"{predicted} for {results}\n{source}"
                )
                continue
            try:
                actual = Actual.of(trace, shapes, sizes)
                if actual is None:  # a rank that is only assumed
                    assert not unpacked
                    continue
                for shape, result in zip(predicted, results, strict=True):
                    actual.agrees(shape, result)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{shapes}\n{source}") from None
