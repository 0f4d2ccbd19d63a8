"""A class or a function → its traces, one for each path.

Paths are ordered by how many decisions they flip from the default, fewest first: depth first would never flip the early
ones, and with a cap the late ones are what is left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from shapecheck.shapes.dim import Kind
from shapecheck.shapes.facts import Facts
from shapecheck.shapes.trace import Trace
from shapecheck.static.attributes import find_in_class
from shapecheck.static.calls import inline, root_arguments
from shapecheck.static.objects import build
from shapecheck.static.run import Dead, Frame, GiveUp, Run
from shapecheck.static.values import NONE, Class, Function, Instance, Value

MOST_PATHS = 64
MOST_WORK = 2_500  # expressions evaluated for one class, all its paths together
NEAR = (1, 1_500)  # the same for a class that only builds or calls one that attends
FORWARDS = ("forward", "__call__")


@dataclass(frozen=True)
class Root:
    """What is traced: a class with a forward, or a function that no class of its file calls."""

    of: Class | Function

    @property
    def symbol(self) -> str:
        return self.of.name


@dataclass(frozen=True)
class Traced:
    """The traces of a root, and how many paths were left out."""

    root: Root
    traces: tuple[Trace, ...]
    left_out: int


def traced(root: Root, most_paths: int = MOST_PATHS, most_work: int = MOST_WORK) -> Traced:
    """Every path of a root, as far as the limits go."""
    waiting: deque[dict[object, bool]] = deque([{}])
    found: list[Trace] = []
    work = 0
    seed: Facts | None = None
    while waiting and len(found) < most_paths and work < most_work:
        forced = waiting.popleft()
        run, trace = _path(root, forced, seed)
        work += run.nodes
        if seed is None:
            seed = Facts(rows=dict(run.facts.rows), names=dict(run.facts.names), assumed=set(run.facts.assumed))
        found.append(trace)
        keys = list(run.decisions)
        last = max((keys.index(key) for key in forced if key in run.decisions), default=-1)
        for key in keys[last + 1 :]:
            waiting.append({**forced, key: not run.decisions[key]})
    return Traced(root, tuple(found), len(waiting))


def _path(root: Root, forced: dict[object, bool], seed: Facts | None) -> tuple[Run, Trace]:
    """One path; run again with what it learnt about ranks where that came too late.

    The ranks that the first path found are tried for the others, and dropped where they don't fit.
    """
    if seed is not None:
        run, trace = _run(Run(forced, seed=seed, assume=True), root)
        if not run.conflict:
            return run, trace
    run, trace = _run(Run(forced), root)
    if run.unsettled:
        seed = Facts(rows=dict(run.facts.rows), names=dict(run.facts.names), assumed=set(run.facts.assumed))
        run, trace = _run(Run(forced, seed=seed, assume=True), root)
    return run, trace


def _run(run: Run, root: Root) -> tuple[Run, Trace]:
    run.frames.append(Frame(root.symbol, root.of.slice, "<root>"))
    try:
        result = _forward(run, root.of)
        completed = True
    except Dead:
        result, completed = NONE, False
    except (GiveUp, RecursionError):
        result, completed = NONE, False
    return run, run.finish(root.symbol, result, completed=completed)


def _forward(run: Run, of: Class | Function) -> Value:
    if isinstance(of, Function):
        assert isinstance(of.node, cst.FunctionDef)
        return inline(run, of, [], root_arguments(run, of.node.params, Kind.INPUT, of.name, of.scope), of.node)
    instance = root_instance(run, of)
    for name in FORWARDS:
        method = find_in_class(run, of, name)
        if isinstance(method, Function) and isinstance(method.node, cst.FunctionDef):
            bound = Function(name, method.node, method.slice, method.scope, method.owner, instance)
            params = method.node.params.with_changes(params=method.node.params.params[1:])
            return inline(run, bound, [], root_arguments(run, params, Kind.INPUT, of.name, method.scope), method.node)
    return NONE


def root_instance(run: Run, of: Class) -> Instance:
    """An object of the class with unknown arguments."""
    init = find_in_class(run, of, "__init__")
    arguments: dict[str, Value] = {}
    if isinstance(init, Function) and isinstance(init.node, cst.FunctionDef):
        params = init.node.params.with_changes(params=init.node.params.params[1:])
        arguments = root_arguments(run, params, Kind.CONSTRUCTOR, of.name, init.scope)
    built = build(run, of, [], arguments, of.node)
    return built if isinstance(built, Instance) else Instance(of, ("root", of.name))


def forwards(run: Run, of: Class) -> Iterator[Function]:
    """The methods by which a class is called."""
    for name in FORWARDS:
        method = find_in_class(run, of, name)
        if isinstance(method, Function):
            yield method
