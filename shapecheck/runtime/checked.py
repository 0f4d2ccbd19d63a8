"""`checked`: a class or function whose tensors are compared with what was written, and with what was predicted."""

from __future__ import annotations

import inspect
import os
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, overload

import torch

from shapecheck.runtime.annotations import Array, Wanted, array, asked_of, axes_of
from shapecheck.runtime.call import Call, Checker
from shapecheck.runtime.definition import NoSource, replacing
from shapecheck.runtime.errors import ShapeWarning
from shapecheck.runtime.gate import GATE, Behind, gate, key_of, pure
from shapecheck.runtime.record import Tap
from shapecheck.runtime.rewrite import rewritten
from shapecheck.shapes.annotation import BadAnnotation, Of

T = TypeVar("T", bound=Callable[..., Any])
MODES = ("off", "once", "signature", "always")
SHORTEST = 3  # letters of an axis that is taken to be the attribute of that name


@overload
def checked(of: T, /) -> T: ...


@overload
def checked(
    *, strict: bool = False, bind: bool | Sequence[str] = True, predict: bool = True, **expected: str
) -> Callable[[T], T]: ...


def checked(
    of: Any = None,
    /,
    *,
    strict: bool = False,
    bind: bool | Sequence[str] = True,
    predict: bool = True,
    **expected: str,
) -> Any:
    """Compare the tensors of a module's forward, or of a function, with what is known of them.

    What was written must hold, or ShapeError is raised: jaxtyping's annotations of arguments, locals and the result, and
    `expected`: a name in the body, or `out` for the result, with its axes (`q="b num_heads t head_dim"`). An axis that has
    the name of a whole number which `__init__` put on `self` is that number, if the name has three letters or more; `bind`
    lists shorter ones (`bind=["h"]`), `bind=False` binds none.

    What was inferred from the source is compared, too: a contradiction warns once (ShapeWarning), with `strict` it raises.
    `predict=False` leaves that out.

    The environment variable SHAPECHECK is read here: `off` returns `of` untouched, `once` looks at the first call,
    `signature` (the default) at each new signature of shapes, `always` at every call.
    """
    mode = os.environ.get("SHAPECHECK", "signature") or "signature"
    if mode not in MODES:
        raise ValueError(f"SHAPECHECK is `{mode}`, and knows {', '.join(MODES)}")

    def decorate(subject: Any) -> Any:
        options = Options(mode, strict, bind, predict, expected)
        if isinstance(subject, type):
            return subject if mode == "off" else _class(subject, options)
        if isinstance(subject, types.FunctionType):
            return subject if mode == "off" else _gated(subject, None, options)
        if isinstance(subject, torch.nn.Module):
            raise TypeError(
                f"checked takes a class or a function; decorate {type(subject).__name__}, not an object of it"
            )
        raise TypeError(f"checked takes a class or a function, and this is a {type(subject).__name__}")

    return decorate if of is None else decorate(of)


def confirming(of: type) -> type | None:
    """Check a class of someone else's strictly, in place, if it attends; None where it doesn't, or can't be checked."""
    from shapecheck.runtime.predict import attends

    forward = vars(of).get("forward")
    if not isinstance(forward, types.FunctionType) or not attends(of):
        return None
    if forward.__code__.co_filename == GATE:  # checked already: it is told only to be strict
        checker_of(of).strict = True
        return of
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ShapeWarning)
        return checked(strict=True)(of)


def checker_of(of: Any) -> Checker:
    """What is known of a checked class or function."""
    function = vars(of)["forward"] if isinstance(of, type) else of
    names = function.__code__.co_freevars
    call = function.__closure__[names.index("unseen_")].cell_contents
    assert isinstance(call, Call)
    return call.checker


class Options:
    """How a class or function is to be checked."""

    def __init__(
        self, mode: str, strict: bool, bind: bool | Sequence[str], predict: bool, expected: Mapping[str, str]
    ) -> None:
        self.mode, self.strict, self.predict, self.expected = mode, strict, predict, expected
        if isinstance(bind, str):
            raise TypeError(f'bind takes names in a list: bind=["{bind}"]')
        self.bind = bind

    def binds(self, name: str, attributes: frozenset[str]) -> bool:
        """Whether an axis is bound to the attribute of its name."""
        if self.bind is False:
            return False
        listed = name in self.bind if not isinstance(self.bind, bool) else False
        return listed or (len(name) >= SHORTEST and name in attributes)


def _class(of: type, options: Options) -> type:
    forward = getattr(of, "forward", None)
    if forward is None or forward is torch.nn.Module.forward:
        raise TypeError(f"{of.__name__} has no forward to check")
    if not isinstance(forward, types.FunctionType):
        raise TypeError(f"the forward of {of.__name__} is a {type(forward).__name__}, no function that can be checked")
    of.forward = _gated(forward, of, options)  # type: ignore[attr-defined]
    return of


def _gated(function: types.FunctionType, of: type | None, options: Options) -> Any:
    if function.__code__.co_filename == GATE:  # checked twice, or inherited from a checked class
        function = inspect.unwrap(function, stop=lambda one: one.__code__.co_filename != GATE)
    symbol = f"{of.__name__}.{function.__name__}" if of is not None else function.__qualname__
    asked = dict(asked_of(function))
    expected = _expected(function, asked, options.expected, symbol)
    parameters = list(inspect.signature(function).parameters.values())
    names = [spec.name for one in (*asked.values(), *expected.values()) for spec in axes_of(one) if spec.of is Of.NAME]
    attributes = _set_by_init(of) if of is not None else frozenset()

    def binds(name: str) -> bool:
        return of is not None and options.binds(name, attributes)

    bound = [name for name in dict.fromkeys(names) if binds(name)]
    arguments = {one.name for one in parameters}
    asked |= {name: one for name, one in expected.items() if name not in asked and name in {*arguments, "return"}}
    comparisons = pure(symbol, [one.name for one in parameters], asked, bound)
    recorded, weaker = _recorded(function, symbol)
    tensors = [name for name, one in asked.items() if name in arguments and isinstance(one, Array)]
    key = key_of(parameters, tensors, bound)
    checker = Checker(
        symbol, of or function, function, recorded, asked, expected, bound, binds, comparisons, key, options.strict
    )
    checker.predicts = options.predict
    if weaker is not None:
        warnings.warn(
            f"{weaker}: the arguments and the result of {symbol} are checked, its locals are not",
            ShapeWarning,
            stacklevel=4,
        )
    behind = Behind(function, Call(checker), comparisons, checker.seen)
    made = gate(function, behind, tensors, bound, once=options.mode == "once", always=options.mode == "always")
    return _dressed(made, function)


def _expected(
    function: types.FunctionType, asked: Mapping[str, Wanted], expected: Mapping[str, str], symbol: str
) -> dict[str, Wanted]:
    """What keywords ask, by the name in the body; `out` is the result where no name of the body is that."""
    code = inspect.unwrap(function).__code__
    names = {*code.co_varnames, *code.co_cellvars}
    found: dict[str, Wanted] = {}
    for name, text in expected.items():
        where = "return" if name == "out" and "out" not in names else name
        if where != "return" and where not in names:
            from shapecheck.selectors import nearest

            raise TypeError(f"`{name}` is no name in {symbol}{nearest(name, sorted(names))}")
        if not isinstance(text, str):
            raise TypeError(f'{name} takes axes, as in {name}="b t d", and this is a {type(text).__name__}')
        found[where] = array(text)
        if where in asked:
            _agree(where, asked[where], found[where])
    return found


def _agree(name: str, one: Wanted, other: Wanted) -> None:
    """Two expectations of one name must be able to hold together."""
    if not (isinstance(one, Array) and isinstance(other, Array)) or one.many is not None or other.many is not None:
        return
    if len(one.axes) != len(other.axes):
        raise BadAnnotation(f"`{name}` can't be {one} and {other}: {len(one.axes)} axes and {len(other.axes)}")
    for left, right in zip(one.axes, other.axes, strict=True):
        numbers = left.of is Of.NUMBER and right.of is Of.NUMBER and not (left.broadcasts or right.broadcasts)
        if numbers and left.number != right.number:
            raise BadAnnotation(f"`{name}` can't be {one} and {other}: an axis is {left.number} and {right.number}")


def _set_by_init(of: type) -> frozenset[str]:
    """The names that the `__init__` of a class, or of its bases, mentions."""
    found: set[str] = set()
    for base in of.__mro__:
        init = inspect.unwrap(vars(base).get("__init__", len))
        if isinstance(init, types.FunctionType) and not base.__module__.startswith("torch."):
            found.update(init.__code__.co_names)
    return frozenset(found)


def _recorded(function: types.FunctionType, symbol: str) -> tuple[tuple[Any, Any] | None, str | None]:
    """The function and what is to be put in for it so that it records; or why it can't."""
    inner = inspect.unwrap(function)
    if not isinstance(inner, types.FunctionType):
        return None, f"{symbol} is no Python function"
    try:
        new = rewritten(inner)
    except NoSource as error:
        return None, str(error)
    recording = replacing(function, inner, new.with_tap(Tap(new.sites)))
    if recording is None:
        return None, f"a decorator of {symbol} hides what it calls"
    return (recording, new.sites), None


def _dressed(made: Any, function: types.FunctionType) -> Any:
    """The gate with the name, the documentation and the signature of what is behind it."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
        setattr(made, name, getattr(function, name))
    made.__dict__.update(function.__dict__)
    made.__wrapped__ = function
    return made
