"""A module and its inputs → Recording: what every tensor was, on the device that it is on."""

from __future__ import annotations

import contextlib
import threading
import types
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

import torch

from shapecheck.runtime.definition import NoSource
from shapecheck.runtime.reach import Reach
from shapecheck.runtime.recording import Observation, Recording, Site
from shapecheck.runtime.rewrite import rewritten
from shapecheck.runtime.symbolic import Whole

SWAPPING = threading.RLock()  # whoever changes code or classes for a while holds it


class Log:
    """What is being recorded: observations as they come, and the sites that were reached.

    `on_bind` is told of each tensor that gets a name, before the code goes on, `on_size` of each size that knows its
    formula.
    """

    __slots__ = ("events", "on_bind", "on_size", "reached")

    def __init__(
        self,
        on_bind: Callable[[Site, torch.Tensor], None] | None = None,
        on_size: Callable[[Site, Whole], None] | None = None,
    ) -> None:
        self.events: list[tuple[Site, torch.Size, torch.dtype, str]] = []
        self.reached: set[Site] = set()
        self.on_bind = on_bind
        self.on_size = on_size

    def observations(self) -> tuple[Observation, ...]:
        return tuple(
            Observation(site, tuple(shape), str(dtype).removeprefix("torch."), device)
            for site, shape, dtype, device in self.events
        )

    def take(self, other: Log) -> None:
        """Add what was recorded further in."""
        self.events += other.events
        self.reached |= other.reached


LOG: ContextVar[Log | None] = ContextVar("shapecheck_log", default=None)


class Tap:
    """What recording code reports to; it does nothing unless something is being recorded in its context."""

    __slots__ = ("sites",)

    def __init__(self, sites: tuple[Site, ...]) -> None:
        self.sites = sites

    def bind(self, index: int, value: Any) -> Any:
        """A name was bound to a value."""
        if (log := LOG.get()) is not None:
            site = self.sites[index]
            log.reached.add(site)
            if isinstance(value, torch.Tensor) and not value.is_nested:
                log.events.append((site, value.shape, value.dtype, value.device.type))
                if log.on_bind is not None:
                    log.on_bind(site, value)
            elif isinstance(value, Whole) and log.on_size is not None:
                log.on_size(site, value)
        return value

    def give(self, index: int, value: Any) -> Any:
        """A value is about to be returned."""
        if (log := LOG.get()) is not None:
            site = self.sites[index]
            log.reached.add(site)
            log.events += [(site, one.shape, one.dtype, one.device.type) for one in tensors(value)]
        return value

    def reach(self, index: int) -> None:
        """A stretch of code is about to run."""
        if (log := LOG.get()) is not None:
            log.reached.add(self.sites[index])

    def arm(self, index: int, value: Any) -> Any:
        """One side of `a if c else b` was taken."""
        self.reach(index)
        return value


def tensors(value: object) -> Iterator[torch.Tensor]:
    """The tensors in a value, as deep as lists, tuples and dicts go."""
    match value:
        case torch.Tensor():
            if not value.is_nested:
                yield value
        case tuple() | list():
            for item in value:
                yield from tensors(item)
        case dict():
            for item in value.values():
                yield from tensors(item)


class Watched:
    """Functions whose code reports to taps, for as long as they are watched."""

    def __init__(self, functions: Iterator[types.FunctionType]) -> None:
        self.weaker: list[str] = []
        self.sites: list[Site] = []
        self._codes: list[tuple[types.FunctionType, types.CodeType]] = []
        for function in functions:
            try:
                new = rewritten(function)
            except NoSource as error:
                self.weaker.append(str(error))
                continue
            self.sites += new.sites
            self._codes.append((function, new.with_tap(Tap(new.sites))))

    @contextlib.contextmanager
    def recording(self, log: Log | None = None) -> Iterator[Log]:
        """Record what runs in here, in this thread; other threads run the same code and report nothing."""
        log = log if log is not None else Log()
        with SWAPPING:
            originals = [(function, function.__code__) for function, _ in self._codes]
            for function, code in self._codes:
                function.__code__ = code
            token = LOG.set(log)
            try:
                yield log
            finally:
                LOG.reset(token)
                for function, code in originals:
                    function.__code__ = code


def trace(module: Callable[..., Any], *inputs: Any, **keywords: Any) -> Recording:
    """Call a module or a function and record the shape of every tensor that a name is bound to.

    Helpers, methods and submodules of the same project are looked into. What the call raises passes through, with the
    recorded shapes as a note.
    """
    return traced(module, inputs, keywords)


def traced(
    module: Callable[..., Any], inputs: tuple[Any, ...], keywords: dict[str, Any], *, keep_error: bool = False
) -> Recording:
    """The same; with `keep_error` what the call raises is put into the recording."""
    module = getattr(module, "_orig_mod", module)  # of torch.compile: compiled code has no names
    if not callable(module):
        raise TypeError(f"trace takes a module or a function, and this is a {type(module).__name__}")
    is_module = isinstance(module, torch.nn.Module)
    reach = Reach(type(module) if is_module else module)
    if isinstance(module, torch.nn.Module):
        reach.module(module)
    else:
        reach.function(module)
    watched = Watched(iter(reach.functions.values()))
    symbol = type(module).__name__ if is_module else getattr(module, "__name__", type(module).__name__)
    error: BaseException | None = None
    output = None
    with watched.recording() as log:
        try:
            output = module(*inputs, **keywords)
        except Exception as raised:  # noqa: BLE001 (it is raised again, or kept, with what was recorded)
            error = raised
    recording = Recording(
        symbol, log.observations(), frozenset(log.reached), tuple(watched.sites),
        tuple(tuple(one.shape) for one in tensors(output)), f"{type(error).__name__}: {error}" if error else None,
        tuple(watched.weaker), output,
    )  # fmt: skip
    if error is not None and not keep_error:
        note(error, f"shapecheck recorded before that:\n{recording}")
        raise error
    return recording


def note(error: BaseException, text: str) -> None:
    """Add a note to an error, where this Python has notes."""
    if hasattr(error, "add_note"):
        error.add_note(text)
