"""Classes built with known numbers by the top level of a file: calls, config literals, config objects passed on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import libcst as cst

from shapecheck.shapes.built import Argument, Construction, Remainder
from shapecheck.shapes.dim import Kind, Symbol
from shapecheck.shapes.trace import Place, Trace
from shapecheck.static.arguments import root_arguments
from shapecheck.static.calls import inline
from shapecheck.static.classes import find_in_class
from shapecheck.static.outline import Block
from shapecheck.static.paths import Root
from shapecheck.static.roots import resolved
from shapecheck.static.run import Dead, Frame, GiveUp, Run
from shapecheck.static.scope import Scope
from shapecheck.static.values import Class, Function, Instance, Num, Table, Value

if TYPE_CHECKING:
    from shapecheck.static.subject import Subject


def constructions(subject: Subject) -> Iterator[Construction]:
    """Every construction of a class that attends, or builds one that does, with known numbers."""
    blocks = subject.file.outline.blocks
    names = {f"{name}(" for name in _building(subject, blocks)}
    statements = [block for block in blocks if block.kind == "statement"]
    runs = []
    if any(name in block.text for block in statements for name in names):
        runs.append(_top_level(subject, statements))
    builders = [block for block in blocks if block.kind == "def" and any(name in block.text for name in names)]
    runs += [_builder(of) for of in resolved(subject.file, tuple(builders)) if isinstance(of, Function)]
    attending = {id(root.of.node): root for root in subject.roots if isinstance(root.of, Class)}
    for run in runs:
        for instance, args, kwargs, place in run.constructions:
            root = attending.get(id(instance.of.node))
            if root is not None:
                found = _construction(subject, run, root, instance, args, kwargs, place)
                if found is not None:
                    yield found


def _building(subject: Subject, blocks: Sequence[Block]) -> set[str]:
    """The classes that attend, and those that build them, however far up."""
    names = {block.name for block in subject.candidates.blocks if block.kind == "class" and block.name is not None}
    classes = [block for block in blocks if block.kind == "class" and block.name is not None]
    for _ in range(6):
        more = {
            block.name
            for block in classes
            if block.name not in names and any(f"{name}(" in block.text for name in names)
        }
        if not more:
            break
        names |= {name for name in more if name is not None}
    return names


def _builder(of: Function) -> Run:
    """Run a function that builds classes, its arguments unknown."""
    run = Run({}, configs_noted=True)
    run.frames.append(Frame(of.name, of.slice, "<builder>"))
    try:
        if isinstance(of.node, cst.FunctionDef):
            inline(run, of, [], root_arguments(run, of.node.params, Kind.CONFIG, of.name, of.scope), of.node)
    except (Dead, GiveUp):
        pass
    return run


def _top_level(subject: Subject, statements: list[Any]) -> Run:
    """Run the statements of the top level, in order."""
    from shapecheck.static.statements import execute

    run = Run({}, configs_noted=True)
    scope = Scope(subject.file, 0)
    for block in statements:
        slice_ = subject.file.slice(block)
        scope.row = block.row
        run.frames.append(Frame("<module>", slice_, "<module>"))
        try:
            execute(run, cst.IndentedBlock(slice_.statements), scope)
        except (Dead, GiveUp):
            pass
        finally:
            del run.frames[:]
    return run


def _construction(
    subject: Subject,
    run: Run,
    root: Root,
    instance: Instance,
    args: tuple[Any, ...],
    kwargs: dict[str, Value],
    place: Place,
) -> Construction | None:
    arguments = list(_arguments(run, root, args, kwargs, place))
    traces = tuple(trace for trace in subject.traced(root).traces if trace.completed)
    numbers = tuple(_numbers(run, instance, args, kwargs))
    divisions = tuple(_remainders(run, instance, traces))
    if not divisions and not arguments:
        return None
    return Construction(root.symbol, place, divisions, numbers, tuple(arguments), traces)


def _arguments(
    run: Run, root: Root, args: tuple[Any, ...], kwargs: dict[str, Value], place: Place
) -> Iterator[Argument]:
    """The known numbers that were given for parameters, each with the symbol that stands for it in the traces."""
    assert isinstance(root.of, Class)
    init = find_in_class(run, root.of, "__init__")
    if not isinstance(init, Function) or not isinstance(init.node, cst.FunctionDef):
        return
    params = [param.name.value for param in (*init.node.params.params[1:], *init.node.params.kwonly_params)]
    given = {**dict(zip(params, args, strict=False)), **kwargs}
    for name, value in given.items():
        if isinstance(value, Num) and value.dim.value is not None:
            symbol = Symbol(name, Kind.CONSTRUCTOR, ("param", root.symbol, name))
            yield Argument(symbol, value.dim.value, _argument_place(place, name, params))


def _argument_place(place: Any, name: str, params: list[str]) -> Place:
    """The argument of a call that was given for a parameter."""
    from shapecheck.static.syntax import NodePlace

    if isinstance(place.node, cst.Call):
        for index, argument in enumerate(place.node.args):
            by_name = argument.keyword is not None and argument.keyword.value == name
            by_place = argument.keyword is None and not argument.star and index < len(params) and params[index] == name
            if by_name or by_place:
                return NodePlace(place.slice, argument, place.frame)
    return place  # type: ignore[no-any-return]


def _remainders(run: Run, instance: Instance, traces: tuple[Trace, ...]) -> Iterator[Remainder]:
    """Divisions of this object that leave a remainder and split heads, as the class's traces tell."""
    from shapecheck.shapes.obligations import guarding, splitting

    splits = {division.place for trace in traces for division in splitting(trace)}
    guards = {place for trace in traces for place in guarding(trace)}
    for remainder, owner in run.remainders:
        if owner is instance and (remainder.division in splits or remainder.division in guards):
            yield remainder
            return


def _numbers(
    run: Run, instance: Instance, args: tuple[Any, ...], kwargs: dict[str, Value]
) -> Iterator[tuple[str, int, Place | None]]:
    """The numbers with names that stand near: fields of the configs passed in, other arguments."""
    for name, value in kwargs.items():
        if isinstance(value, Num) and value.dim.value is not None:
            yield name, value.dim.value, value.place
    for value in (*args, *kwargs.values(), *run.configs):
        items: dict[Any, Any] = {}
        if isinstance(value, Instance):
            items = value.attributes
        elif isinstance(value, Table):
            items = value.items
        for name, one in items.items():
            if isinstance(one, Num) and one.dim.value is not None and isinstance(name, str):
                yield name, one.dim.value, one.place
