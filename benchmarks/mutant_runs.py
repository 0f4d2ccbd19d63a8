"""Code and its mutant, run: what comes out, the gradients, and which lines ran.

A subject is a fixture with its `# run:` lines, or a class of a library with the way it is built in agreement.jsonl. The
mutated text of a library's file isn't imported: what the class reaches in it is executed anew among the file's names.
"""

import ast
import copy
import importlib
import inspect
import signal
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from agreement import Case, build, built_inputs
from mutations.attention import Module, reached

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import fixture_runs

SECONDS = 20  # for one run, forward and backward
SEEDS = (0, 1, 2)


class TooSlow(Exception):
    pass


@dataclass(frozen=True)
class Outcome:
    """What a run gives: the tensors that come out and the gradients, by name; or what it raises."""

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    error: str | None = None

    def matches(self, other: "Outcome") -> bool:
        if self.error is not None or other.error is not None:
            return self.error == other.error
        return self.tensors.keys() == other.tensors.keys() and all(
            one.shape == (two := other.tensors[name]).shape
            and torch.allclose(one, two.to(one.dtype), rtol=1e-4, atol=1e-5, equal_nan=True)
            for name, one in self.tensors.items()
        )


@dataclass(frozen=True)
class Call:
    """One way to run a text: what is called and its arguments, made anew each time."""

    prepare: Callable[[str], tuple[Any, list[Any], dict[str, Any]]]

    def outcome(self, text: str, seed: int, like: dict[str, torch.Tensor] | None = None) -> Outcome:
        """Run it; parameters are those of `like`, where they are given, by their names."""
        with _bounded(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                torch.manual_seed(seed)
                called, arguments, keywords = self.prepare(text)
                if isinstance(called, torch.nn.Module):
                    _settle(called, seed, like)
                torch.manual_seed(seed)
                inputs = [tensor for tensor in _tensors([arguments, keywords]) if tensor.is_floating_point()]
                for tensor in inputs:
                    tensor.requires_grad_()
                return Outcome(_with_gradients(called, called(*arguments, **keywords), inputs))
            except Exception as error:  # noqa: BLE001 (whatever a mutant raises is the answer)
                return Outcome(error=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")

    def parameters(self, text: str, seed: int) -> dict[str, torch.Tensor]:
        """Parameters by name, none of them at a value that hides what comes before it (zero, one)."""
        torch.manual_seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            called, arguments, keywords = self.prepare(text)
            called(*arguments, **keywords)  # lazy ones are sized by the first call
        if not isinstance(called, torch.nn.Module):
            return {}
        return {name: torch.randn_like(value) * 0.3 for name, value in called.named_parameters()}

    def lines(self, text: str, name: str) -> set[int]:
        """The lines that run of what is compiled under this name."""
        ran: set[int] = set()

        def local(frame: types.FrameType, event: str, argument: Any) -> Any:
            ran.add(frame.f_lineno)
            return local

        def start(frame: types.FrameType, event: str, argument: Any) -> Any:
            return local(frame, event, argument) if frame.f_code.co_filename == name else None

        before = sys.gettrace()
        sys.settrace(start)
        try:
            self.outcome(text, 0)
        finally:
            sys.settrace(before)
        return ran


def _settle(module: torch.nn.Module, seed: int, like: dict[str, torch.Tensor] | None) -> None:
    """In eval mode, with rates of dropout that would show there."""
    module.eval()
    for inner in module.modules():
        for name, value in list(vars(inner).items()):
            if "drop" in name and isinstance(value, float):
                setattr(inner, name, 0.5)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if like and name in like and like[name].shape == parameter.shape:
                parameter.copy_(like[name])


def _with_gradients(called: Any, result: Any, inputs: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    found = {f"output {index}": tensor for index, tensor in enumerate(_tensors(result))}
    differentiable = [tensor for tensor in found.values() if tensor.requires_grad and tensor.is_floating_point()]
    if differentiable:
        generator = torch.Generator().manual_seed(0)
        losses = [(one * torch.randn(one.shape, generator=generator)).sum() for one in differentiable]
        torch.autograd.backward(losses)
    leaves = {f"input {index}": tensor for index, tensor in enumerate(inputs)}
    if isinstance(called, torch.nn.Module):
        leaves |= dict(called.named_parameters())
    found |= {f"gradient of {name}": leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
    return {name: tensor.detach().clone() for name, tensor in found.items()}


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    match value:
        case torch.Tensor():
            yield value
        case dict():
            for inner in value.values():
                yield from _tensors(inner)
        case tuple() | list():
            for inner in value:
                yield from _tensors(inner)


@contextmanager
def _bounded() -> Iterator[None]:
    def stop(number: int, frame: types.FrameType | None) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Subject:
    """A file, the classes of it that are run, and how."""

    library: str
    path: Path
    roots: frozenset[str]
    case: Case | None  # None: a fixture, which says itself how it is run

    @cached_property
    def text(self) -> str:
        return self.path.read_bytes().decode("utf-8").replace("\r\n", "\n")

    @property
    def name(self) -> str:
        return self.case.name if self.case else f"fixtures/{self.path.parent.name}/{self.path.name}"

    @property
    def compiled_as(self) -> str:
        return f"<{self.name}>"

    def calls(self) -> list[Call]:
        """How it can be run: also with a mask, where it takes one that changes something."""
        if self.case is None:
            lines = [line.removeprefix("# run: ") for line in self.text.splitlines() if line.startswith("# run: ")]
            silent = [line.rpartition(" -> ")[0] for line in lines if line.endswith("-> silent")]
            return [Call(partial(self._of_fixture, line=line)) for line in silent]
        plain = self._call(self.case)
        found = [plain]
        expected = plain.outcome(self.text, 0)
        for masked in _with_masks(self.case, self._class(self.text)):
            call = self._call(masked)
            outcome = call.outcome(self.text, 0)
            if outcome.error is None and not outcome.matches(expected):
                return [*found, call]
        return found

    def _call(self, case: Case) -> Call:
        def prepare(text: str) -> tuple[Any, list[Any], dict[str, Any]]:
            return build(case, self._class(text)), [], copy.deepcopy(built_inputs(case))

        return Call(prepare)

    def _of_fixture(self, text: str, line: str) -> tuple[Any, list[Any], dict[str, Any]]:
        module = types.ModuleType("fixture_under_test")
        sys.modules[module.__name__] = module  # dataclasses look their module up
        exec(compile(text, self.compiled_as, "exec"), module.__dict__)
        return fixture_runs.prepared(ast.parse(line, mode="eval").body, module.__dict__)

    def _class(self, text: str) -> Any:
        assert self.case is not None
        module_name, _, name = self.case.name.rpartition(".")
        names = dict(vars(importlib.import_module(module_name)))
        body: list[ast.stmt] = list(reached(Module(text), set(self.roots)))
        exec(compile(ast.Module(body, []), self.compiled_as, "exec"), names)
        return names[name]


def _with_masks(case: Case, of: Any) -> Iterator[Case]:
    """The same called with a mask, in the forms that masks have."""
    sizes = next((value for value in case.inputs.values() if isinstance(value, list) and len(value) == 3), None)
    if sizes is None:
        return
    batch, tokens, _ = sizes
    for name in inspect.signature(of.forward).parameters:
        if "mask" in name and case.inputs.get(name) is None:
            for shape in ([batch, tokens], [batch, 1, tokens, tokens], [tokens, tokens], [batch, tokens, tokens]):
                for added in (False, True):
                    yield Case(case.name, case.arguments, {**case.inputs, name: {"mask": shape, "added": added}})
