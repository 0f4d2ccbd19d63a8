"""Recording sees every tensor that a name is bound to, and leaves the module as it was."""

from __future__ import annotations

import bdb
import inspect
import sys
import threading
import types
from collections.abc import Callable

import pytest
import torch
from torch import nn

import runtime_modules as modules
import shapecheck
from shapecheck.runtime.recording import Observation


def lines(recording: shapecheck.Recording, name: str) -> list[int]:
    return [one.row for one in recording if one.name == name]


def row_of(function: Callable[..., object], text: str) -> int:
    """The line of a function's source that holds `text`."""
    source, first = inspect.getsourcelines(function)
    return first + next(index for index, line in enumerate(source) if text in line)


def test_every_name_is_recorded() -> None:
    recording = shapecheck.trace(modules.Attention(11, 21, 3), torch.randn(2, 5, 11))
    assert recording.of("q") == recording.of("k") == recording.of("v") == ((2, 3, 5, 7),)
    assert recording.of("scores") == ((2, 3, 5, 5),)
    assert recording.of("context") == recording.of("out") == ((2, 5, 21),)
    assert recording.of("parts") == ((2, 5, 3, 7),) * 3  # in the helper, called three times
    assert recording.returned == ((2, 5, 21),)
    assert lines(recording, "scores") == [row_of(modules.Attention.forward, "scores = q @")]
    assert not recording.weaker


def test_what_is_said_of_one_tensor() -> None:
    recording = shapecheck.trace(modules.Attention(11, 21, 3), torch.randn(2, 5, 11, dtype=torch.float32))
    (scores,) = [one for one in recording if one.name == "scores"]
    assert isinstance(scores, Observation)
    assert (scores.dtype, scores.device) == ("float32", "cpu")
    assert scores.site.code == "q @ k.transpose(-2, -1) / self.head_dim**0.5"
    assert "scores" in str(recording)


def test_the_stretches_that_ran_are_known() -> None:
    module = modules.Attention(11, 21, 3)
    inside = row_of(modules.Attention.forward, "masked_fill")
    without = shapecheck.trace(module, torch.randn(2, 5, 11))
    assert inside not in {site.row for site in without.reached}
    assert inside in {site.row for site in without.sites}
    masked = shapecheck.trace(module, torch.randn(2, 5, 11), mask=torch.zeros(5, 5, dtype=torch.bool))
    assert inside in {site.row for site in masked.reached}
    assert masked.of("scores") == ((2, 3, 5, 5),) * 2


def test_meta_tensors_need_no_memory() -> None:
    with torch.device("meta"):
        recording = shapecheck.trace(modules.Attention(768, 768, 12), torch.empty(8, 1024, 768))
    assert recording.of("scores") == ((8, 12, 1024, 1024),)
    assert {one.device for one in recording} == {"meta"}


def test_super_mangled_names_and_nested_functions() -> None:
    module = modules.Super()
    expected = module(torch.ones(2, 3))
    recording = shapecheck.trace(module, torch.ones(2, 3))
    assert isinstance(recording.output, torch.Tensor)
    assert torch.equal(recording.output, expected)
    assert {"doubled", "__hidden", "scaled", "tripled"} <= {one.name for one in recording}
    assert {one.site.function for one in recording if one.name == "scaled"} == {"inner"}
    assert module._Super__kept.shape == (2, 3)


def test_closures() -> None:
    module = modules.closed_over(6)()
    first = shapecheck.trace(module, torch.ones(2, 3))
    second = shapecheck.trace(module, torch.ones(2, 3))
    assert first.of("y") == ((1, 6),)
    assert isinstance(second.output, torch.Tensor)
    assert second.output.tolist() == [[2.0] * 6]  # the cell is the original's: it counts on


@pytest.mark.parametrize("of", [modules.Inherited, modules.Decorated, modules.Branches])
def test_other_forwards(of: type[nn.Module]) -> None:
    module = of()
    expected = module(torch.ones(4, 3))
    recording = shapecheck.trace(module, torch.ones(4, 3))
    assert isinstance(recording.output, torch.Tensor)
    assert torch.equal(recording.output, expected)
    assert recording.observations
    assert not recording.weaker


def test_loops_branches_and_cases() -> None:
    recording = shapecheck.trace(modules.Branches(), torch.ones(4, 3))
    assert recording.of("part") == recording.of("z") == ((2, 3), (2, 3))
    assert recording.of("w") == recording.of("done") == ((1, 2, 3),)
    assert recording.of("r") == ((6,), (6,))


def test_functions_are_traced_too() -> None:
    recording = shapecheck.trace(modules.split, torch.ones(2, 5, 6), heads=3)
    assert recording.symbol == "split"
    assert recording.of("parts") == ((2, 5, 3, 2),)


def test_nothing_stays_behind() -> None:
    code = modules.Attention.forward.__code__
    module = modules.Attention(11, 21, 3)
    keys = list(module.state_dict())
    shapecheck.trace(module, torch.randn(2, 5, 11))
    assert modules.Attention.forward.__code__ is code
    assert "forward" not in vars(module)
    assert list(module.state_dict()) == keys


def test_an_error_keeps_its_type_and_gets_the_shapes() -> None:
    with pytest.raises(RuntimeError, match="cannot be multiplied") as caught:
        shapecheck.trace(modules.Fails(), torch.ones(2, 3))
    if sys.version_info >= (3, 11):
        (note,) = caught.value.__notes__
        assert "wide" in note
        assert "[2, 6]" in note
    assert modules.Fails.forward.__code__.co_filename == modules.__file__


def test_another_thread_records_nothing_of_this_one() -> None:
    module = modules.Attention(11, 21, 3)
    running = threading.Event()
    seen: list[int] = []

    def other() -> None:
        while not running.is_set():
            module(torch.randn(1, 2, 11))

    thread = threading.Thread(target=other)
    thread.start()
    try:
        seen += [len(shapecheck.trace(module, torch.randn(2, 5, 11))) for _ in range(20)]
    finally:
        running.set()
        thread.join()
    assert len(set(seen)) == 1


class Lines(bdb.Bdb):
    """A debugger that steps through everything and notes the lines of one forward."""

    def __init__(self) -> None:
        super().__init__()
        self.visited: list[int] = []
        self.filename = modules.__file__

    def user_line(self, frame: types.FrameType) -> None:
        if frame.f_code.co_name == "forward" and frame.f_code.co_filename == self.filename:
            self.visited.append(frame.f_lineno)


def test_lines_are_the_original_ones_to_a_debugger() -> None:
    module = modules.Attention(11, 21, 3)
    x = torch.randn(2, 5, 11)

    def lines_of(call: Callable[[], object]) -> list[int]:
        debugger = Lines()
        debugger.runcall(call)
        return debugger.visited

    plain = lines_of(lambda: module(x))
    assert len(plain) > 5
    assert lines_of(lambda: shapecheck.trace(module, x)) == plain


def test_no_source() -> None:
    names: dict[str, type[nn.Module]] = {}
    text = "class Made(nn.Module):\n    def forward(self, x):\n        y = x * 2\n        return y\n"
    exec(text, {"nn": nn, "__name__": "nowhere"}, names)
    recording = shapecheck.trace(names["Made"](), torch.ones(2))
    assert recording.returned == ((2,),)
    assert recording.weaker == ("the source of `forward` isn't at hand",)


def test_what_cannot_be_traced() -> None:
    with pytest.raises(TypeError, match="trace takes a module or a function, and this is a int"):
        shapecheck.trace(3)  # type: ignore[arg-type]
