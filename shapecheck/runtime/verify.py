"""A class → does it do what its source says? Built and run at sizes that can't be mistaken for one another."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from shapecheck.rule import Finding, load_rules
from shapecheck.runtime import choose
from shapecheck.runtime.confirm import Confirmation, Verdict, confirm
from shapecheck.runtime.follow import Contradiction
from shapecheck.runtime.judged import Followed, findings_on, follow
from shapecheck.runtime.predict import NoPrediction, findings_in, predicted, traces_in
from shapecheck.runtime.record import traced
from shapecheck.runtime.recording import Recording
from shapecheck.shapes.dim import Kind, Symbol
from shapecheck.shapes.substitute import evaluate
from shapecheck.shapes.trace import Trace


@dataclass(frozen=True, slots=True)
class Verification:
    """What a class did when it was run, beside what was predicted of it, and what the rules say of it.

    `error` is what building or calling it raised; `indivisible` what became of a width that the heads don't divide, and
    `silent` whether that passed without a word.
    """

    symbol: str
    arguments: Mapping[str, Any]
    inputs: Mapping[str, tuple[int, ...]]
    confirmation: Confirmation | None
    recording: Recording | None
    findings: tuple[Finding, ...] = ()
    error: str | None = None
    indivisible: str | None = None
    silent: bool = False
    given: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)  # what forward was called with
    unfollowed: str | None = None  # why the rules could not be asked about the recorded trace
    contradictions: tuple[Contradiction, ...] = ()  # ops of the run of which the linter's own table says something else

    @property
    def ok(self) -> bool:
        wrong = self.confirmation.of(Verdict.WRONG) if self.confirmation is not None else ()
        return not (wrong or self.findings or self.error or self.silent)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        inputs = ", ".join(f"{name}={list(shape)}" for name, shape in self.inputs.items())
        yield f"{self.symbol}({arguments})({inputs})"
        if self.error is not None:
            yield f"raises {self.error}"
        if self.confirmation is not None:
            yield str(self.confirmation)
            for one in self.confirmation.of(Verdict.WRONG):
                yield f"line {one.site.row}: `{one.site.name}` is {list(one.found)}, not {one.expected} = {one.numbers}"
        for finding in self.findings:
            yield f"line {finding.span.row}: {finding.code} {finding.message}"
        if self.unfollowed is not None:
            yield f"the rules were asked about the source alone: {self.unfollowed}"
        if self.indivisible is not None:
            yield self.indivisible


def verify(
    of: type | torch.nn.Module, /, inputs: Mapping[str, Any] | None = None, device: str = "cpu", **given: Any
) -> Verification:
    """Build a class, run it, and compare every tensor with what is predicted of its source; then ask the rules.

    They are asked twice: about the source, on every path, and about the recorded trace, which has the path, the layers
    and the numbers of the real run, however they came about.

    `given` are constructor's arguments; sizes are chosen for the others (b=2, t=5, num_heads=3, head_dim=7, d_in=11,
    d_out=21). `inputs` are tensors or shapes by name. Where the class has heads and a width, it is built once more with a
    width that they don't divide. Raises CannotChoose where some argument needs to be given, and TypeError for what is no
    class.
    """
    if not isinstance(of, type):
        raise TypeError(f"verify takes a class, and this is a {type(of).__name__}")
    result, chosen = _first_that_runs(of, given, inputs or {}, device)
    uneven = _uneven(of, choose.indivisible(chosen, given), inputs or {}, device)
    followed = _followed(of, result, device)
    unfollowed = followed.error if followed.trace is None or result.error is None else None
    if unfollowed is not None:
        followed = replace(followed, trace=None)
    static = traces_in(of)
    told = _told(of, followed, static, divides=not uneven.passes)
    remains = _leaves_a_remainder((*static, *((followed.trace,) if followed.trace else ())), of, uneven.arguments)
    return replace(
        result, findings=told, unfollowed=unfollowed, indivisible=uneven.told, silent=uneven.silent and remains,
        contradictions=followed.contradictions,
    )  # fmt: skip


def _followed(of: type, result: Verification, device: str) -> Followed:
    """The run once more, followed; nothing of what could not be built, or is no module."""
    if not issubclass(of, torch.nn.Module) or (result.error is not None and result.recording is None):
        return Followed(None)
    return follow(of, result.arguments, result.given, device)


def _told(of: type, followed: Followed, static: Sequence[Trace], *, divides: bool) -> tuple[Finding, ...]:
    """What the rules say of the source and of the run.

    `divides` where nothing but what divides can be built, as far as was tried: then no check is missing.
    """
    told = list(findings_in(of))
    if divides and followed.trace is not None:
        followed = replace(followed, trace=replace(followed.trace, divisions=()))
    known = {(one.code, one.path, one.span.row) for one in told}
    found = findings_on(followed, static, load_rules())
    told += [one for one in found if (one.code, one.path, one.span.row) not in known]
    return tuple(sorted(told, key=lambda one: one.order))


def _leaves_a_remainder(traces: Sequence[Trace], of: type, uneven: Mapping[str, Any]) -> bool:
    """Whether the class divides sizes that these arguments make indivisible: only then is anything lost in silence."""
    sizes = {
        Symbol(name, Kind.CONSTRUCTOR, ("param", of.__name__, name)): value
        for name, value in uneven.items()
        if type(value) is int
    }
    for division in [division for trace in traces for division in trace.divisions]:
        pair = [evaluate(dim, sizes, lambda *_: None) for dim in (division.dividend, division.divisor)]
        if pair[0] is not None and pair[1] and pair[0] % pair[1]:
            return True
    return False


def _first_that_runs(
    of: type, given: Mapping[str, Any], inputs: Mapping[str, Any], device: str
) -> tuple[Verification, Mapping[str, Any]]:
    """Sizes that all differ; then d_in as wide as d_out; then the same with heads that can be cut in halves."""
    tried: list[tuple[Verification, Mapping[str, Any]]] = []
    for head_dim in (choose.HEAD_DIM, choose.EVEN):
        chosen = choose.arguments(of, given, head_dim)
        for one in (chosen, choose.square(of, chosen, given)):
            if any(one == before for _, before in tried):
                continue
            result = run(of, one, inputs, device)
            if result.error is None:
                return result, one
            tried.append((result, one))
    return tried[0]


def run(of: Any, chosen: Mapping[str, Any], shapes: Mapping[str, Any], device: str = "cpu") -> Verification:
    """Build and call with these arguments, or call a function, and compare with the prediction. Raises CannotChoose."""
    torch.manual_seed(0)
    try:
        traces = predicted(of).traces
    except NoPrediction:
        traces = ()
    name = getattr(of, "__name__", type(of).__name__)
    subject = of
    known: dict[str, Any] = {}
    if isinstance(of, type):
        _check_arguments(of, chosen)
        try:
            with torch.device(device):
                subject = of(**chosen)
            known = _known(of, chosen)
        except Exception as error:  # noqa: BLE001 (whatever it raises is what is told)
            return Verification(name, dict(chosen), {}, None, None, error=f"{type(error).__name__}: {error}")
        if isinstance(subject, torch.nn.Module):
            subject.eval()
    tensors = choose.inputs(of, traces, known, {one: _tensor(value, device) for one, value in shapes.items()}, device)
    recording = traced(subject, (), tensors, keep_error=True)
    inputs = {one: tuple(value.shape) for one, value in tensors.items() if isinstance(value, torch.Tensor)}
    function = "forward" if isinstance(of, type) else name
    confirmation = confirm(traces, recording, known, function) if traces else None
    return Verification(name, dict(chosen), inputs, confirmation, recording, error=recording.error, given=tensors)


def _check_arguments(of: type, chosen: Mapping[str, Any]) -> None:
    try:
        inspect.signature(of).bind(**chosen)
    except TypeError as error:
        raise choose.CannotChoose(f"{of.__name__}: {error}") from error


def _known(of: type, chosen: Mapping[str, Any]) -> dict[str, Any]:
    bound = inspect.signature(of).bind(**chosen)
    bound.apply_defaults()
    return dict(bound.arguments)


def _tensor(value: Any, device: str) -> Any:
    if isinstance(value, tuple | list) and all(type(size) is int for size in value):
        return torch.randn(tuple(value), device=device)
    return value


@dataclass(frozen=True, slots=True)
class Uneven:
    """What becomes of a width that the heads don't divide: `passes` where it can be built, `silent` where it runs."""

    told: str | None = None
    passes: bool = False
    silent: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


def _uneven(of: type, uneven: Mapping[str, Any] | None, shapes: Mapping[str, Any], device: str) -> Uneven:
    if uneven is None or shapes:  # inputs that are given have the width that divides
        return Uneven()
    result = run(of, uneven, {}, device)
    sizes = ", ".join(
        f"{name}={value}" for name, value in uneven.items() if choose.ROLES.get(name) in ("heads", "width")
    )
    if result.error is None:
        shapes_of = [list(shape) for shape in (result.recording.returned if result.recording is not None else ())]
        told = f"{sizes}: nothing is raised, the result is {', '.join(map(str, shapes_of))}"
        return Uneven(told, passes=True, silent=True, arguments=uneven)
    passes = result.recording is not None
    where = "at the first forward" if passes else "when it is built"
    return Uneven(f"{sizes}: raises {where}: {result.error.splitlines()[0]}", passes=passes)
