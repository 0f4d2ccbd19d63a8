"""`checked` accepts what is right, tells what is wrong with the whole story, and costs the module nothing else."""

from __future__ import annotations

import copy
import inspect
import io
import os
import pickle
import shutil
import subprocess
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

import checked_modules as modules
import shapecheck
from shapecheck import ShapeError, ShapeWarning, checked
from shapecheck.runtime.call import ENOUGH
from test_record import Lines
from tree import ROOT

# torch's own, of Python 3.13.0
pytestmark = pytest.mark.filterwarnings("ignore:Guards may run slower:RuntimeWarning")


def twins() -> tuple[nn.Module, nn.Module]:
    """A checked module, and the same one unchecked."""
    torch.manual_seed(0)
    ours, plain = modules.Attention(11, 21, 3), modules.Plain(11, 21, 3)
    plain.load_state_dict(ours.state_dict())
    return ours, plain


X = torch.randn(2, 5, 11)


# -- what is right -------------------------------------------------------------------------------------------------------
def test_the_result_is_the_same() -> None:
    ours, plain = twins()
    for x in (X, X, torch.randn(3, 7, 11), torch.randn(4, 7, 11), torch.randn(4, 9, 11)):
        assert torch.equal(ours(x), plain(x))


@pytest.mark.parametrize(
    ("module", "inputs"),
    [
        (modules.Short(), [(2, 3, 5, 7), (2, 9, 11)]),  # neither h is 4 nor t is 100
        (modules.Listed(), [(2, 4)]),
        (modules.Free(), [(2, 5)]),
        (modules.Keywords(11, 21, 3), [(2, 5, 11)]),
        (modules.CheckedSuper(11, 21, 3), [(2, 5, 11)]),
        (modules.Decorated(), [(2, 3), (2, 3)]),
        (modules.Flipped(21, 3, flip=False), [(2, 5, 21)]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_is_right_is_accepted(module: nn.Module, inputs: list[tuple[int, ...]]) -> None:
    for _ in range(2):
        module(*(torch.randn(shape) for shape in inputs))


def test_a_checked_forward_inside_another_one() -> None:
    module = modules.Padded(8)
    for length in range(5, 5 + ENOUGH + 2):
        assert module(torch.randn(2, length, 4)).shape == (2, length, 8)
        assert told(lambda length=length: module(torch.randn(2, length, 5))).axis == "width"  # type: ignore[misc]


def test_functions() -> None:
    assert modules.scores(torch.ones(2, 3, 5, 7), torch.ones(2, 3, 4, 7)).shape == (2, 3, 5, 4)
    with pytest.raises(ShapeError, match="axis `d` of `k` is 8, not 7"):
        modules.scores(torch.ones(2, 3, 5, 7), torch.ones(2, 3, 4, 8))


# -- what is wrong -------------------------------------------------------------------------------------------------------
def told(call: Callable[[], object]) -> ShapeError:
    with pytest.raises(ShapeError) as caught:
        call()
    return caught.value


def test_an_argument_of_another_width() -> None:
    module = modules.Attention(11, 21, 3)
    error = told(lambda: module(torch.randn(2, 5, 12)))
    assert (error.name, error.axis, error.expected, error.found) == ("x", "d_in", 11, 12)
    assert "d_in  = 11  self.d_in" in str(error)


def test_it_is_told_on_every_way_to_it() -> None:
    """Before anything was seen, after one signature, and once lengths are free."""
    module = modules.Attention(11, 21, 3)
    for length in range(ENOUGH + 3):
        assert "self.d_in" in str(told(lambda: module(torch.randn(2, 5, 12))))
        module(torch.randn(2, 5 + length, 11))


def test_a_local_is_told_where_it_is_bound() -> None:
    module = modules.Flipped(21, 3, flip=True)
    error = told(lambda: module(torch.randn(2, 5, 21)))
    assert (error.name, error.axis, error.expected, error.found) == ("q", "num_heads", 3, 5)
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert "forward" in frames
    assert "`.transpose(1, 2)`" in str(error)


def test_keywords_are_held_to() -> None:
    @checked(q="b t width", predict=False)
    class Wrong(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            q = x.mT
            return q + 0

    Wrong()(torch.ones(2, 5, 5))
    with pytest.raises(ShapeError, match="`q` has 2 axes"):
        Wrong()(torch.ones(5, 5))


def test_axes_of_any_number_in_a_message() -> None:
    """What is likely to mend it is looked for among names of one size alone."""

    @checked
    def attend(q: Float[Tensor, "*b t d"], k: Float[Tensor, "*b s d"]) -> Float[Tensor, "*b t s"]:
        return q @ k.mT

    assert attend(torch.randn(2, 3, 5, 7), torch.randn(2, 3, 6, 7)).shape == (2, 3, 5, 6)
    with pytest.raises(ShapeError, match=r"axes `\*b` of `k` are \[2, 4\], not \[2, 3\]"):
        attend(torch.randn(2, 3, 5, 7), torch.randn(2, 4, 6, 7))
    with pytest.raises(ShapeError, match="axis `d` of `k` is 9, not 7") as told:
        attend(torch.randn(2, 3, 5, 7), torch.randn(2, 3, 6, 9))
    assert "help" not in str(told.value)


def test_the_result() -> None:
    @checked(out="b t")
    class Wrong(nn.Module):
        def forward(self, x: Float[Tensor, "b t"]) -> Tensor:
            return x.T

    error = told(lambda: Wrong()(torch.ones(2, 3)))
    assert "axis `b` of `the result` is 3, not 2" in str(error)


def test_torch_s_own_errors_keep_their_type_and_get_the_shapes() -> None:
    with pytest.raises(RuntimeError, match="cannot be multiplied") as caught:
        modules.Fails()(torch.ones(2, 3))
    if sys.version_info >= (3, 11):
        assert any("wide [2, 6]" in note for note in caught.value.__notes__)


def test_a_prediction_that_is_contradicted_warns_once() -> None:
    module = Odd()
    with pytest.warns(ShapeWarning, match=r"`y` is \[2, 5, 22\], and \[b, t, 21\]") as caught:
        module(X)
    assert len(caught) == 1
    module(torch.randn(3, 5, 11))  # a second warning would be an error


def test_a_prediction_that_is_contradicted_raises_where_that_is_wanted() -> None:
    with pytest.raises(ShapeError, match="was inferred from the source"):
        Strict()(X)
    Unpredicted()(X)


class _Odd(nn.Module):
    """What its source says isn't what it holds."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(11, 21)
        vars(self)["_modules"]["proj"] = nn.Linear(11, 22)

    def forward(self, x: Tensor) -> Tensor:
        b, t, _ = x.shape
        y: Tensor = self.proj(x)
        return y[:b, :t]


class Odd(_Odd):
    pass


class Strict(_Odd):
    pass


class Unpredicted(_Odd):
    pass


checked(Odd)
checked(strict=True)(Strict)
checked(strict=True, predict=False)(Unpredicted)


# -- bad use -------------------------------------------------------------------------------------------------------------
def test_no_forward() -> None:
    with pytest.raises(TypeError, match="Empty has no forward to check"):

        @checked
        class Empty(nn.Module):
            pass


@pytest.mark.parametrize(("wrong", "said"), [(3, "a int"), (nn.Linear(2, 3), "decorate Linear, not an object of it")])
def test_what_cannot_be_checked(wrong: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        checked(wrong)


def test_a_keyword_that_is_no_name() -> None:
    with pytest.raises(TypeError, match=r"`contxt` is no name in Plain.forward.*`context`"):
        checked(contxt="b t d_out")(modules.Plain)


def test_a_keyword_that_is_no_text() -> None:
    with pytest.raises(TypeError, match='takes axes, as in q="b t d"'):
        checked(q=3)(modules.Plain)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r'bind=\["h"\]'):
        checked(bind="h")(modules.Plain)


def test_an_expectation_that_contradicts_the_annotation() -> None:
    with pytest.raises(ValueError, match="3 axes and 2"):
        checked(x="b t")(modules.Plain)


def test_an_axis_that_nothing_binds() -> None:
    @checked(predict=False)
    class Unbound(nn.Module):
        def forward(self, x: Float[Tensor, "b twice+1"]) -> Tensor:
            return x

    with pytest.raises(ValueError, match="nothing binds `twice`"):
        Unbound()(torch.ones(2, 3))


def test_wrong_arguments_are_pythons_to_tell() -> None:
    module = modules.Attention(11, 21, 3)
    with pytest.raises(TypeError, match=r"forward\(\) missing 1 required positional argument: 'x'"):
        module()
    with pytest.raises(TypeError, match=r"forward\(\) got an unexpected keyword argument 'y'"):
        module(X, y=3)


def test_no_tensor() -> None:
    with pytest.raises(ShapeError, match="`x` is None, not a tensor"):
        modules.Attention(11, 21, 3)(None)


def test_no_source() -> None:
    names: dict[str, Any] = {}
    text = "class Made(nn.Module):\n    def forward(self, x):\n        y = x + 0\n        return y\n"
    exec(text, {"nn": nn, "__name__": "nowhere"}, names)
    with pytest.warns(ShapeWarning, match=r"Made.forward are checked, its locals are not"):
        made = checked(out="b t")(names["Made"])
    with pytest.raises(ShapeError, match="3 axes"):
        made()(torch.ones(2, 3, 3))


# -- how often -----------------------------------------------------------------------------------------------------------
def subject(calls: list[int]) -> type[nn.Module]:
    class Counted(nn.Module):
        def forward(self, x: Float[Tensor, "b t"], wrong: bool = False) -> Float[Tensor, "b t"]:
            calls.append(1)
            return x.T if wrong else x

    return Counted


@pytest.mark.parametrize(
    ("mode", "raises"),
    [("off", [False, False, False]), ("once", [False, False, False]), ("signature", [False, True, True]),
     ("always", [False, True, True])],
)  # fmt: skip
def test_modes(monkeypatch: pytest.MonkeyPatch, mode: str, raises: list[bool]) -> None:
    monkeypatch.setenv("SHAPECHECK", mode)
    plain = subject([])
    forward = plain.__dict__["forward"]
    module = checked(plain)()
    assert (plain.__dict__["forward"] is forward) == (mode == "off")
    for x, wrong, fails in zip([(2, 3), (3, 4), (2, 3)], [False, True, True], raises, strict=True):
        if fails:
            with pytest.raises(ShapeError):
                module(torch.ones(x), wrong)
        else:
            module(torch.ones(x), wrong)


def test_a_mode_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHAPECHECK", "sometimes")
    with pytest.raises(ValueError, match="SHAPECHECK is `sometimes`, and knows off, once, signature, always"):
        checked(modules.Plain)


def test_ever_new_lengths_cost_no_memory() -> None:
    """After two signatures of one form lengths are free: nothing more is remembered."""
    module = modules.Attention(11, 21, 3)
    call = next(
        cell.cell_contents
        for cell in modules.Attention.forward.__closure__ or ()
        if hasattr(cell.cell_contents, "checker")
    )
    before = len(call.checker.seen)
    for length in range(1, 200):
        module(torch.randn(1, length, 11))
    assert len(call.checker.seen) == before + ENOUGH


def test_another_object_of_the_class_is_looked_at_anew() -> None:
    """It may be built otherwise, and still be given the same shapes."""
    modules.Flipped(21, 3, flip=False)(torch.randn(2, 5, 21))
    told(lambda: modules.Flipped(21, 3, flip=True)(torch.randn(2, 5, 21)))


# -- what it must survive ------------------------------------------------------------------------------------------------
def graphs_of(module: nn.Module, *inputs: Tensor, dynamic: bool = False) -> list[str]:
    found: list[str] = []

    def backend(graph: torch.fx.GraphModule, example: list[Tensor]) -> Callable[..., Any]:
        found.append("\n".join(f"{node.op} {node.target}" for node in graph.graph.nodes))
        return graph.forward

    torch._dynamo.reset()
    compiled = torch.compile(module, backend=backend, fullgraph=True, dynamic=dynamic)
    for one in inputs:
        compiled(one)
    return found


@pytest.mark.parametrize("dynamic", [False, True])
def test_compiled_graphs_are_those_of_the_plain_module(dynamic: bool) -> None:
    ours, plain = twins()
    inputs = [X, torch.randn(3, 5, 11), torch.randn(3, 9, 11)]
    found = graphs_of(ours, *inputs, dynamic=dynamic)
    assert found == graphs_of(plain, *inputs, dynamic=dynamic)
    assert found


def test_no_graph_break() -> None:
    ours, _ = twins()
    torch._dynamo.reset()
    explained = torch._dynamo.explain(ours)(X)
    assert (explained.graph_count, explained.graph_break_count) == (1, 0)


def test_compiled_code_is_checked_as_it_is_traced() -> None:
    ours, _ = twins()
    torch._dynamo.reset()
    whole = torch.compile(ours, backend="eager", fullgraph=True)
    with pytest.raises(Exception, match="axis `d_in` of `x` is 12, not 11"):
        whole(torch.randn(2, 5, 12))
    torch._dynamo.reset()
    parts = torch.compile(ours, backend="eager")
    with pytest.raises(ShapeError, match="axis `d_in` of `x` is 12, not 11"):
        parts(torch.randn(2, 5, 12))


@pytest.mark.skipif(shutil.which("c++") is None and shutil.which("g++") is None, reason="inductor needs a C++ compiler")
def test_inductor() -> None:
    ours, plain = twins()
    torch._dynamo.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, as it compiles
        compiled = torch.compile(ours, fullgraph=True)
        assert torch.allclose(compiled(X), plain(X), atol=1e-5)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("dynamic", [True, False])
def test_export(strict: bool, dynamic: bool) -> None:
    ours, plain = twins()
    shapes = {"x": {0: torch.export.Dim("b"), 1: torch.export.Dim("t")}} if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(ours, (X,), dynamic_shapes=shapes, strict=strict)
    other = torch.randn(3, 6, 11) if dynamic else X
    assert torch.allclose(exported.module()(other), plain(other), atol=1e-6)


def test_functional_call_and_vmap() -> None:
    ours, plain = twins()
    parameters = {name: torch.zeros_like(one) for name, one in ours.named_parameters()}
    assert torch.equal(torch.func.functional_call(ours, parameters, (X,)), torch.zeros(2, 5, 21))
    many = torch.randn(4, 2, 5, 11)
    assert torch.allclose(torch.func.vmap(ours)(many), torch.func.vmap(plain)(many), atol=1e-6)


def test_autocast() -> None:
    ours, _ = twins()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert ours(X).dtype is torch.bfloat16


def test_data_parallel(tmp_path: Path) -> None:
    ours, plain = twins()
    store = torch.distributed.FileStore(  # type: ignore[attr-defined]
        str(tmp_path / "store"), 1
    )
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        assert torch.equal(DistributedDataParallel(ours)(X), plain(X))
    finally:
        torch.distributed.destroy_process_group()


def test_copies_and_pickles_run_their_own_weights() -> None:
    ours, _ = twins()
    before = ours(X)
    copied = copy.deepcopy(ours)
    pickled = pickle.loads(pickle.dumps(ours))
    with torch.no_grad():
        for one in ours.parameters():
            one.zero_()
    for other in (copied, pickled):
        assert torch.equal(other(X), before)
    buffer = io.BytesIO()
    torch.save(copied, buffer)
    buffer.seek(0)
    assert torch.equal(torch.load(buffer, weights_only=False)(X), before)


def test_state_dict_keys() -> None:
    ours, plain = twins()
    ours(X)
    assert list(ours.state_dict()) == list(plain.state_dict())
    assert "forward" not in vars(ours)


def test_checkpointing() -> None:
    ours, plain = twins()
    x = X.clone().requires_grad_()
    checkpoint(ours, x, use_reentrant=False).sum().backward()
    y = X.clone().requires_grad_()
    plain(y).sum().backward()
    assert x.grad is not None and y.grad is not None
    assert torch.allclose(x.grad, y.grad)


def test_threads() -> None:
    ours, plain = twins()
    wrong: list[object] = []

    def run(seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for length in range(1, 30):
            x = torch.randn(2, length, 11, generator=generator)
            try:
                if not torch.allclose(ours(x), plain(x), atol=1e-5):
                    wrong.append(x)
            except Exception as error:  # noqa: BLE001 (whatever it is, the test names it)
                wrong.append(error)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_hooks() -> None:
    ours, _ = twins()
    seen: list[str] = []
    ours.register_forward_pre_hook(lambda module, args: seen.append("before"))
    ours.register_forward_hook(lambda module, args, output: seen.append("after"))
    ours(X)
    ours(X)
    assert seen == ["before", "after"] * 2


def test_the_signature_is_kept() -> None:
    assert inspect.signature(modules.Attention.forward) == inspect.signature(modules.Plain.forward)
    assert modules.Attention.forward.__doc__ == modules.Plain.forward.__doc__
    assert modules.Plain.forward.__code__.co_filename == modules.__file__  # the base class stays as it was


def test_decorated_forwards_with_star_arguments() -> None:
    module = modules.Decorated()
    x = torch.ones(2, 3)
    assert torch.equal(module(x, x, x, scale=3.0, extra=1), torch.full((3, 2), 5.0))
    with pytest.raises(ShapeError, match="3 axes"):
        module(torch.ones(2, 3, 4))


def test_checked_twice_is_checked_once() -> None:
    class Twice(modules.Plain):
        pass

    again = checked(checked(Twice))
    assert inspect.unwrap(again.forward) is modules.Plain.forward
    assert again.forward.__wrapped__ is modules.Plain.forward  # type: ignore[attr-defined]


def test_lines_to_a_debugger_and_to_coverage() -> None:
    ours, plain = twins()

    def lines(module: nn.Module) -> list[int]:
        debugger = Lines()
        debugger.filename = modules.__file__
        debugger.runcall(lambda: module(torch.randn(2, 13, 11)))
        return debugger.visited

    expected = lines(plain)
    assert len(expected) > 5
    assert lines(ours) == expected


def test_meta_tensors_have_shapes_and_nothing_to_read() -> None:
    """What reads a value, and would so wait for a device, raises on meta."""
    with torch.device("meta"):
        module = modules.Attention(768, 768, 12)
        for length in (1024, 1024, 2048, 4096):
            assert module(torch.empty(8, length, 768)).shape == (8, length, 768)
        with pytest.raises(ShapeError):
            module(torch.empty(8, 1024, 512))


def test_fake_tensors() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    ours, _ = twins()
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert ours(torch.empty(2, 5, 11)).shape == (2, 5, 21)
        with pytest.raises(ShapeError):
            ours(torch.empty(2, 5, 12))


def test_traced_by_fx() -> None:
    graph = torch.fx.symbolic_trace(modules.Listed())
    assert torch.equal(graph(torch.ones(2, 4)), torch.full((2, 4), 2.0))


# -- beside jaxtyping ----------------------------------------------------------------------------------------------------
STACKED = """
    import torch
    from jaxtyping import Float, jaxtyped
    from torch import Tensor, nn
    from shapecheck import checked, ShapeError

    @checked(strict=True)
    class Under(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.width = width

        @jaxtyped(typechecker=None)
        def forward(self, x: Float[Tensor, "b width"]) -> Float[Tensor, "b width"]:
            y: Float[Tensor, "b width"] = x * 2
            return y

    def verdict(width):
        try:
            Under(4)(torch.ones(2, width))
        except ShapeError as error:
            return "ShapeError"
        return "accepted"

    print(verdict(4), verdict(5))
    """


def run(folder: Path, text: str, **environment: str) -> str:
    (folder / "script.py").write_text(dedent(text), "utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "script.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_stacked_with_jaxtyped(tmp_path: Path) -> None:
    assert run(tmp_path, STACKED) == "accepted ShapeError"


def test_jaxtyping_disabled(tmp_path: Path) -> None:
    """Its annotations then mean nothing; ours in keywords do."""
    assert run(tmp_path, STACKED, JAXTYPING_DISABLE="1") == "accepted accepted"
    keywords = STACKED.replace("@checked(strict=True)", '@checked(strict=True, y="b width")')
    assert run(tmp_path, keywords, JAXTYPING_DISABLE="1") == "accepted ShapeError"


def test_the_import_hook(tmp_path: Path) -> None:
    (tmp_path / "hooked.py").write_text(dedent(STACKED).replace("@jaxtyped(typechecker=None)", ""), "utf-8")
    script = """
        from jaxtyping import install_import_hook
        with install_import_hook("hooked", None):
            import hooked
        """
    assert run(tmp_path, script) == "accepted ShapeError"


def test_switched_off(tmp_path: Path) -> None:
    assert run(tmp_path, STACKED, SHAPECHECK="off") == "accepted accepted"


def test_public_names() -> None:
    assert isinstance(shapecheck.checked, types.FunctionType)
    assert issubclass(shapecheck.ShapeError, ValueError)
    assert {"checked", "trace", "ShapeError", "ShapeWarning"} <= set(dir(shapecheck))
