"""One call of a checked function whose signature wasn't seen before: recorded, compared, and told where it goes wrong."""

from __future__ import annotations

import inspect
import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from shapecheck.runtime.annotations import Wanted, axes_of, evaluated, wanted
from shapecheck.runtime.errors import ShapeError, ShapeWarning, Story
from shapecheck.runtime.gate import Pure
from shapecheck.runtime.matching import Binding, Mismatch
from shapecheck.runtime.mend import help_for
from shapecheck.runtime.record import LOG, Log, note, tensors
from shapecheck.runtime.recording import Recording, Site, table

MOST_SEEN = 4096  # signatures that are remembered
ENOUGH = 2  # signatures of one form that must be confirmed before its lengths are free
MOST_PREDICTED = 8  # signatures that are compared with the prediction


@dataclass(eq=False)
class Checker:
    """What is known of one checked class or function."""

    symbol: str
    of: Any
    function: types.FunctionType
    recorded: tuple[Callable[..., Any], tuple[Site, ...]] | None
    asked: Mapping[str, Wanted]  # of arguments and the result
    expected: Mapping[str, Wanted]  # of names in the body
    bound: Sequence[str]  # axes of arguments and the result that are attributes of self
    binds: Callable[[str], bool]  # whether another axis is one
    comparisons: Pure
    key: Callable[..., object]
    strict: bool
    predicts: bool = True
    seen: set[object] = field(default_factory=set)
    forms: Counter[object] = field(default_factory=Counter)
    calls: int = 0  # that were looked at
    tensors: int = 0  # most that were as predicted in one of them
    predicted: int = 0
    warned: bool = False
    _locals: dict[Site, Wanted | None] = field(default_factory=dict)

    def of_local(self, site: Site) -> Wanted | None:
        """What the annotation of a local asks, worked out once."""
        if site not in self._locals:
            inner = inspect.unwrap(self.function)
            value = evaluated(site.annotation, inner) if site.annotation else None
            value = evaluated(value, inner) if isinstance(value, str) else value
            self._locals[site] = wanted(value)
        return self._locals[site]


class Call:
    """What the gate calls where it doesn't know the signature."""

    def __init__(self, checker: Checker) -> None:
        self.checker = checker
        self.signature = inspect.signature(checker.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        checker = self.checker
        if any(isinstance(one, torch.fx.Proxy) for one in args):
            return checker.function(*args, **kwargs)
        form, key = self._form(args, kwargs)
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        if form is None or (checker.comparisons.whole and checker.forms[form] >= ENOUGH):
            return self._compared(bound.arguments, args, kwargs)
        output = _Watching(checker, bound.arguments).run(args, kwargs)
        if len(checker.seen) >= MOST_SEEN:
            checker.seen.clear()
        checker.seen.add(key)
        checker.forms[form] += 1
        return output

    def _form(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[object, object]:
        """The signature without its sizes, and the signature; None where sizes are symbols of a compiler."""
        try:
            key = self.checker.key(*args, **kwargs)
            hash(key)
        except (TypeError, AttributeError):
            sizes = [size for one in tensors([*args, *kwargs.values()]) for size in one.shape]
            return (None, None) if any(isinstance(size, torch.SymInt) for size in sizes) else ("?", object())
        return _without_sizes(key), key

    def _compared(self, given: Mapping[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Lengths that are new, of a form that was confirmed: annotations are compared, nothing is recorded."""
        comparisons = self.checker.comparisons
        watching: _Watching | None = None
        try:
            comparisons.before(*given.values())
        except ShapeError:  # it is told with the whole story
            watching = _Watching(self.checker, given)
            watching.hold_arguments()
        output = self.checker.function(*args, **kwargs)
        if comparisons.after is not None:
            try:
                comparisons.after(*given.values(), output)
            except ShapeError:
                watching = watching or _Watching(self.checker, given)
                watching.hold_arguments()
                watching.hold_result(output)
        return output


def _without_sizes(key: object) -> object:
    match key:
        case torch.Size():
            return len(key)
        case tuple():
            return tuple(_without_sizes(one) for one in key)
    return key


def _quoted(site: Site) -> tuple[Path, int, str]:
    """A place of the source as a story shows it."""
    before = {"assign": f"{site.name} = ", "return": "return "}.get(site.kind, "")
    return site.path, site.row, f"{before}{site.code}"


class _Watching:
    """One call, watched."""

    def __init__(self, checker: Checker, arguments: Mapping[str, Any]) -> None:
        self.checker = checker
        self.arguments = arguments
        self.binding = Binding(arguments=arguments)
        self.log = Log(self._on_bind)
        self._bind(checker.bound)

    def _bind(self, names: Iterable[str]) -> None:
        """Bind axes to the attributes of self that have their names."""
        owner = next(iter(self.arguments.values()), None)
        for name in names:
            value = getattr(owner, name, None)
            if type(value) is int and name not in self.binding.sizes:
                self.binding.sizes[name] = value
                self.binding.where[name] = f"self.{name}"

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        checker = self.checker
        checker.calls += 1
        self.hold_arguments()
        output = self._recorded(args, kwargs)
        self.hold_result(output)
        if checker.predicts and checker.predicted < MOST_PREDICTED and self.log.reached:
            checker.predicted += 1
            self._confirm(output)
        return output

    def hold_arguments(self) -> None:
        for name, asked in self.checker.asked.items():
            if name in self.arguments:
                self._hold(self.binding.match(asked, self.arguments[name], name), name, None)

    def hold_result(self, output: Any) -> None:
        for asked in (self.checker.asked.get("return"), self.checker.expected.get("return")):
            if asked is not None:
                self._hold(self.binding.match(asked, output, "the result"), "return", None)

    def _recorded(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self.checker.recorded is None:
            return self.checker.function(*args, **kwargs)
        outer = LOG.get()
        token = LOG.set(self.log)
        try:
            return self.checker.recorded[0](*args, **kwargs)
        except ShapeError:
            raise
        except Exception as error:
            note(
                error, "\n".join([f"shapecheck: up to there in {self.checker.symbol}", *table(self.log.observations())])
            )
            raise
        finally:
            LOG.reset(token)
            if outer is not None:
                outer.take(self.log)

    def _on_bind(self, site: Site, value: torch.Tensor) -> None:
        """A name of the body was bound: it must be as its annotation and the keywords say."""
        if site.function != self.checker.function.__name__ or site.kind != "assign":
            return
        for asked in (self.checker.of_local(site), self.checker.expected.get(site.name)):
            if asked is not None:
                self._bind(axis.name for axis in axes_of(asked) if self.checker.binds(axis.name))
                self._hold(self.binding.match(asked, value, site.name), site.name, site)

    def _hold(self, found: Mismatch | None, name: str, site: Site | None) -> None:
        if found is None:
            return
        where = site or self._site(name)
        story = Story(
            f"{self.checker.symbol}: {found.fact}",
            _quoted(where) if where is not None else None,
            self.binding.told(),
            tuple(one for one in self.log.observations() if one.site.kind == "assign"),
            help_for(found, self.binding, argument=site is None and name != "return"),
        )
        error = ShapeError(str(story))
        error.name, error.axis, error.expected, error.found = name, found.axis, found.expected, found.found
        raise error

    def _site(self, name: str) -> Site | None:
        """Where an argument stands in the source, or the last `return` that ran."""
        if name == "return":
            return next((one for one, *_ in reversed(self.log.events) if one.kind == "return"), None)
        sites = self.checker.recorded[1] if self.checker.recorded is not None else ()
        return next((one for one in sites if one.kind == "argument" and one.name == name), None)

    # -- the prediction
    def _confirm(self, output: Any) -> None:
        """Compare with the static prediction; a crash of ours there is no concern of the user's run."""
        try:
            text = self._contradiction(output)
        except Exception:  # noqa: BLE001
            return
        if text is None:
            return
        if self.checker.strict:
            raise ShapeError(text)
        if not self.checker.warned:
            self.checker.warned = True
            warnings.warn(text, ShapeWarning, stacklevel=5)

    def _whole(self) -> Any:
        """What the prediction is of; None for a forward that a subclass calls as a part of its own."""
        owner = self.arguments.get("self")
        if not isinstance(self.checker.of, type) or owner is None:
            return self.checker.of
        own = inspect.unwrap(type(owner).forward) is inspect.unwrap(self.checker.function)
        return type(owner) if own else None

    def _contradiction(self, output: Any) -> str | None:
        from shapecheck.runtime.confirm import Verdict, confirm
        from shapecheck.runtime.predict import NoPrediction, predicted

        assert self.checker.recorded is not None
        of = self._whole()
        if of is None:
            return None
        recording = Recording(
            self.checker.symbol, self.log.observations(), frozenset(self.log.reached), self.checker.recorded[1],
            tuple(tuple(one.shape) for one in tensors(output)),
        )  # fmt: skip
        try:
            traces = predicted(of).traces
        except NoPrediction:
            return None
        found = confirm(traces, recording, {}, self.checker.function.__name__)
        wrong = found.of(Verdict.WRONG)
        if not wrong:
            self.checker.tensors = max(self.checker.tensors, len(found.of(Verdict.RIGHT)))
            return None
        first = wrong[0]
        before = [one for one in recording.observations if one.site.row <= first.site.row and one.site.kind == "assign"]
        story = Story(
            f"{self.checker.symbol}: `{first.site.name}` is {list(first.found)}, and {first.expected} = {first.numbers} "
            "was inferred from the source",
            _quoted(first.site),
            [(name, size, "as inferred") for name, size in found.sizes.items()],
            tuple(before),
            "if the code is right, the inference is wrong: `checked(predict=False)` leaves it out",
        )
        return str(story)
