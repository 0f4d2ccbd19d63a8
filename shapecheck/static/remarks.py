"""The comments and docstrings of what a path ran → remarks: what is said, where, and of which tensors.

A comment at the end of a line is about what the line makes, one above it about what it makes or takes; left of an arrow
stands what it takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import libcst as cst

from shapecheck.shapes.comments import Said, said
from shapecheck.shapes.dim import Dim
from shapecheck.shapes.docstrings import RESULT, Described, described
from shapecheck.shapes.remarks import Remark
from shapecheck.shapes.trace import Bound, Tensor
from shapecheck.static.scope import Scope
from shapecheck.static.syntax import NodePlace, Slice
from shapecheck.static.values import Function, Instance, Num, Seq, Unknown, Value, iterate, number

if TYPE_CHECKING:
    from shapecheck.static.run import Run


@dataclass(frozen=True, slots=True)
class Line:
    """A line that was run: the steps and the names that it bound, and what the words of its comments stood for.

    `before` and `after` are the values of those words that have one, `result` what a return gives.
    """

    node: cst.SimpleStatementLine
    call: int
    slice: Slice
    symbol: str
    steps: tuple[int, int]
    bound: tuple[int, int]
    before: Mapping[str, Value]
    after: Mapping[str, Value]
    result: Value | None


@dataclass(frozen=True, slots=True)
class Entered:
    """A function that was called, and its arguments."""

    call: int
    function: Function
    symbol: str
    arguments: Mapping[str, Value]
    sizes: Mapping[str, Value]


_FOLLOWS = re.compile(r"#\s*(?:[-=]+>|→)")  # a comment that goes on where the one above it ends


# -- while a path is run -------------------------------------------------------------------------------------------------
def comments_of(line: cst.SimpleStatementLine) -> Iterator[tuple[cst.Comment, bool]]:
    """The comments that belong to a line, and whether they stand above it: with no empty line between."""
    above: list[cst.Comment] = []
    for empty in line.leading_lines:
        above = [*above, empty.comment] if empty.comment is not None else []
    for place, comment in enumerate(above):
        if not any(_FOLLOWS.match(later.value) for later in above[place + 1 : place + 2]):
            yield comment, True
    if line.trailing_whitespace.comment is not None:
        yield line.trailing_whitespace.comment, False


def words_of(line: cst.SimpleStatementLine) -> frozenset[str]:
    """The words of the shapes that a line's comments claim."""
    if line.trailing_whitespace.comment is None and not line.leading_lines:
        return frozenset()
    return frozenset(word for comment, _ in comments_of(line) for one in said(comment.value) for word in _words(one))


def _words(one: Said) -> Iterator[str]:
    yield from one.about
    for word in one.words:
        if word.size is not None:
            yield from (symbol.name for symbol in word.size.symbols())


def values_of(words: frozenset[str], scope: Scope) -> Mapping[str, Value]:
    """What words stand for where a line is: a local name, an attribute of self, or of its config."""
    found: dict[str, Value] = {}
    owner = scope.local("self") if words else None
    for word in sorted(words | {word.lower() for word in words if len(word) == 1}):
        value = scope.local(word)
        if value is None and isinstance(owner, Instance):
            value = owner.attributes.get(word)
            config = owner.attributes.get("config")
            if value is None and isinstance(config, Instance):
                value = config.attributes.get(word)
        if value is not None:
            found[word] = value
    return found


# -- once it has been run ------------------------------------------------------------------------------------------------
def remarks(run: Run) -> Iterator[Remark]:
    """All that comments and docstrings claim of the tensors of a path."""
    for entered in run.entered:
        yield from _of_docstring(run, entered)
    for index, line in enumerate(run.lines):
        for comment, is_above in comments_of(line.node):
            for one in said(comment.value):
                remark = _remark(run, index, one, comment, is_above=is_above)
                if remark is not None:
                    yield remark


def _remark(run: Run, index: int, one: Said, comment: cst.Comment, *, is_above: bool) -> Remark | None:
    line = run.lines[index]
    place = NodePlace(line.slice, comment, line.symbol, (one.start, one.end))
    names = _sizes(run, {**line.before, **line.after})
    if any(word in line.after and word not in names for word in _plain_words(one)):
        return None  # a list of things that are no sizes
    if one.about and (about := [line.after[name] for name in one.about if name in line.after]):
        named = [tensor for value in about for tensor in tensors_of(run, value)]
        earlier = (
            [tensor for name in one.about for tensor in tensors_of(run, line.before.get(name))] if is_above else []
        )
        made = tuple(named) if not one.before else ()
        return Remark(place, one, line.call, one.about[0], made, (*named, *earlier), names) if named else None
    made_here = _made(run, line)
    if one.about and (is_above or len(made_here) != 1):
        return None  # it speaks of something that has no such name
    if one.before:
        taken = _taken(run, line)
        return Remark(place, one, line.call, "", (), (*taken, *_inner(run, line)), names)
    name = made_here[0][0] if made_here else ""
    made = tuple(tensor for _, tensor in made_here)
    if one.slots > 1 and len(made) == one.slots:
        made = (made[one.slot],)
    if len(made) > 1:
        one = _each(one, len(made))
    if not is_above:
        return Remark(place, one, line.call, name, made, made, names)
    others = (*_next_made(run, index), *_taken(run, line), *_inner(run, line))
    return Remark(place, one, line.call, name, made, (*made, *others) if made else (), names)


def _each(one: Said, count: int) -> Said:
    """`3 x b x t x d` of three tensors is said of each of them."""
    first, *others = one.words
    if first.size is None or first.size.value != count or len(others) < 2:
        return one
    opening = f"{one.brackets[0]}{first.text}{one.separator}"
    return replace(one, words=tuple(others), brackets=(opening, one.brackets[1]))


def _plain_words(one: Said) -> Iterator[str]:
    for word in one.words:
        if word.name is not None:
            yield word.name


def _sizes(run: Run, values: Mapping[str, Value]) -> dict[str, Dim]:
    """The values that are sizes: no tensors, and nothing that may be missing."""
    found = {name: number(value) for name, value in values.items() if isinstance(value, Num | Unknown)}
    used = {name for name, value in values.items() if isinstance(value, Unknown) and value.key in run.inputs}
    return {name: dim for name, dim in found.items() if dim is not None and name not in used}


def tensors_of(run: Run, value: Any) -> list[Tensor]:
    """The tensors that a value is, where it was used as such."""
    match value:
        case Tensor():
            return [value]
        case Unknown(tensor=Tensor() as tensor):
            return [tensor]
        case Unknown(key=key) if key in run.inputs:
            return [run.inputs[key]]
        case Seq():
            return [tensor for item in iterate(value) for tensor in tensors_of(run, item)]
    return []


def _made(run: Run, line: Line) -> list[tuple[str, Tensor]]:
    """What a line binds in its own body, or returns."""
    if line.result is not None:
        return [("", tensor) for tensor in tensors_of(run, line.result)]
    targets = _targets(line.node)
    bound = [one for one in run.bound[line.bound[0] : line.bound[1]] if isinstance(one, Bound)]
    return [
        (one.name, one.tensor) for one in bound if isinstance(one.place, NodePlace) and id(one.place.node) in targets
    ]


def _targets(node: cst.SimpleStatementLine) -> frozenset[int]:
    found: list[cst.CSTNode] = []
    for small in node.body:
        match small:
            case cst.Assign(targets=targets):
                found += [target.target for target in targets]
            case cst.AnnAssign(target=target) | cst.AugAssign(target=target):
                found.append(target)
    for one in found:  # grows while it is walked
        if isinstance(one, cst.Tuple | cst.List):
            found += [element.value for element in one.elements]
    return frozenset(map(id, found))


def _taken(run: Run, line: Line) -> tuple[Tensor, ...]:
    """The tensors that a line takes from before it."""
    first, last = line.steps
    return tuple({operand: None for step in run.steps[first:last] for operand in step.operands if operand.step < first})


def _inner(run: Run, line: Line) -> tuple[Tensor, ...]:
    """What the calls within a line make on the way."""
    return tuple(result for step in run.steps[line.steps[0] : line.steps[1]] for result in step.results)


def _next_made(run: Run, index: int) -> Iterator[Tensor]:
    """What the lines below make that a comment may head together with this one: up to an empty line or a comment."""
    first = run.lines[index]
    for line in run.lines[index + 1 : index + 12]:
        if line.call == first.call:
            if line.node.leading_lines:
                return
            yield from (tensor for _, tensor in _made(run, line))


# -- docstrings ----------------------------------------------------------------------------------------------------------
def docstring_of(function: Function) -> cst.SimpleString | None:
    """The literal that is a function's docstring."""
    match function.node:
        case cst.FunctionDef(
            body=cst.IndentedBlock(body=[cst.SimpleStatementLine(body=[cst.Expr(value=node), *_]), *_])
        ):
            return node if isinstance(node, cst.SimpleString) else None
    return None


def described_in(function: Function) -> tuple[Described, ...]:
    """The shapes that a function's docstring gives to its parameters and its result."""
    text = docstring_of(function)
    if text is None or not isinstance(function.node, cst.FunctionDef):
        return ()
    params = function.node.params
    names = frozenset(param.name.value for param in (*params.posonly_params, *params.params, *params.kwonly_params))
    return described(text.value, names)


def words_described(function: Function) -> frozenset[str]:
    return frozenset(word for entry in described_in(function) for one in entry.said for word in _words(one))


def words_entered(run: Run, call: int) -> frozenset[str]:
    """The words of the docstring of the function whose call this is."""
    return next((words_described(one.function) for one in run.entered if one.call == call), frozenset())


def _of_docstring(run: Run, entered: Entered) -> Iterator[Remark]:
    node = docstring_of(entered.function)
    entries = described_in(entered.function)
    if node is None or not entries:
        return
    names = _sizes(run, entered.sizes)
    for line in run.lines:
        if line.call == entered.call and line.result is not None:
            names = {**names, **_sizes(run, line.after)}
    for slot, entry in enumerate(entries):
        if entry.name == RESULT:
            results = [line.result for line in run.lines if line.call == entered.call and line.result is not None]
            values: Sequence[Any] = [value for value in results if not isinstance(value, Seq)]
        else:
            values = [entered.arguments.get(entry.name)]
        tensors = tuple(tensor for value in values for tensor in tensors_of(run, value))
        for one in entry.said:
            place = NodePlace(entered.function.slice, node, entered.symbol, (one.start, one.end))
            told = Said(
                one.words, one.start, one.end, one.brackets, one.form, one.separator, keyed=one.keyed, slot=slot
            )
            name = "the result" if entry.name == RESULT else entry.name
            if tensors:
                yield Remark(place, told, entered.call, name, tensors, tensors, names)


def may_claim(slice_: Slice) -> bool:
    """Whether a slice has comments, or a docstring, that may speak of shapes."""
    return slice_.has_comments or '"""' in slice_.text
