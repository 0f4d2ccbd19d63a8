"""`verify` and `trace`: sizes are chosen, predictions compared, rules asked; the commands say what they run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
import torch
from torch import nn

import runtime_modules as modules
import shapecheck
from shapecheck.cli import main
from shapecheck.runtime.choose import CannotChoose
from shapecheck.runtime.confirm import Verdict

MODULE = """
    import torch
    from torch import nn

    class Attention(nn.Module):
        def __init__(self, d_in, d_out, num_heads):
            super().__init__()
            # guard
            self.num_heads, self.head_dim = num_heads, d_out // num_heads
            self.qkv = nn.Linear(d_in, 3 * self.num_heads * self.head_dim)
            self.out_proj = nn.Linear(self.num_heads * self.head_dim, d_out)

        def forward(self, x):
            b, t, _ = x.shape
            qkv = self.qkv(x).view(b, t, 3, self.num_heads, self.head_dim)
            q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
            weights = (q @ k.transpose(-2, -1) / self.head_dim**0.5).softmax(dim=-1)
            context = (weights @ v).transpose(1, 2)
            context = context.reshape(b, t, self.num_heads * self.head_dim)
            return self.out_proj(context)
    """
GUARD = 'if d_out % num_heads: raise ValueError("d_out must be divisible by num_heads")'


def test_a_right_module() -> None:
    found = shapecheck.verify(modules.Attention)
    assert found.ok
    assert (found.arguments, found.inputs) == ({"d_in": 11, "d_out": 21, "num_heads": 3}, {"x": (2, 5, 11)})
    assert found.confirmation is not None
    assert not found.confirmation.of(Verdict.UNPREDICTED)
    assert "raises when it is built: ValueError: d_out 22 is not divisible by num_heads 3" in str(found)


def test_arguments_and_inputs_can_be_given() -> None:
    found = shapecheck.verify(modules.Attention, {"x": (3, 4, 16)}, d_in=16, d_out=32, num_heads=4)
    assert found.ok
    assert found.inputs == {"x": (3, 4, 16)}
    tensor = torch.randn(3, 4, 16)
    assert shapecheck.verify(modules.Attention, {"x": tensor}, d_in=16, d_out=32, num_heads=4).ok


def test_what_verify_cannot_choose() -> None:
    class Needs(nn.Module):
        def __init__(self, strange: object) -> None:
            super().__init__()

    with pytest.raises(CannotChoose, match="no value can be chosen for `strange` of Needs: give strange=…"):
        shapecheck.verify(Needs)
    with pytest.raises(CannotChoose, match="Attention has no parameter `heads`"):
        shapecheck.verify(modules.Attention, heads=3)
    with pytest.raises(CannotChoose, match="Attention takes no input `y`"):
        shapecheck.verify(modules.Attention, {"y": (2, 3)})
    with pytest.raises(TypeError, match="verify takes a class"):
        shapecheck.verify(modules.Attention(11, 21, 3))


# -- the commands --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line in this process, in a folder with attention.py."""

    def command(*arguments: str, text: str = MODULE) -> Done:
        (tmp_path / "attention.py").write_text(dedent(text).lstrip("\n"), "utf-8")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [*sys.path])
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, out, err)

    return command


SIZES = ("--with", "d_in=16,d_out=24,num_heads=4", "--input", "x=2,5,16")


def test_trace(run: Command) -> None:
    done = run("trace", "attention.py::Attention", *SIZES, text=MODULE.replace("# guard", GUARD))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "Attention(d_in=16, d_out=24, num_heads=4)(x=[2, 5, 16])"
    assert any(
        line.split() == ["16", "|", "weights", "[b,", "num_heads,", "t,", "t]", "[2,", "4,", "5,", "5]"]
        for line in lines
    )
    assert "tensors as predicted" in lines[-1]


def test_trace_on_meta_as_json(run: Command) -> None:
    done = run("trace", "attention.py::Attention", *SIZES, "--device", "meta", "--output-format", "json")
    (told,) = json.loads(done.stdout)
    assert told["ok"]
    assert told["sizes"]["num_heads"] == 4
    (weights,) = [one for one in told["tensors"] if one["name"] == "weights"]
    assert (weights["verdict"], weights["observed"]) == ("right", [2, 4, 5, 5])
    assert (weights["predicted"], weights["numbers"]) == ("[b, num_heads, t, t]", "[2, 4, 5, 5]")


def test_verify_asks_the_rules(run: Command) -> None:
    """The sizes are as predicted, and the module is wrong all the same."""
    bug = MODULE.replace("# guard", GUARD).replace("(weights @ v).transpose(1, 2)", "weights @ v")
    done = run("verify", "attention.py::Attention", text=bug)
    assert done.returncode == 1
    assert "tensors as predicted" in done.stdout
    assert "attention.py:18:19: SHP003 heads merged without transposing back" in done.stdout
    assert run("verify", "attention.py", text=MODULE.replace("# guard", GUARD)).returncode == 0


def test_verify_tries_sizes_that_do_not_divide(run: Command) -> None:
    done = run("verify", "attention.py::Attention")
    assert done.returncode == 1
    assert "d_out=22, num_heads=3: nothing is raised, the result is [2, 5, 22]" in done.stdout
    assert "ATN003" in done.stdout


def test_a_run_that_raises(run: Command) -> None:
    bug = MODULE.replace("k.transpose(-2, -1)", "k")
    done = run("trace", "attention.py::Attention", *SIZES, text=bug)
    assert done.returncode == 1
    assert "raises RuntimeError" in done.stdout
    assert "[2, 4, 5, 6]" in done.stdout  # what was recorded before that


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("attention.py", *SIZES), "say which class: attention.py::Class"),
        (("nowhere.py::Attention",), "there is no such Python file"),
        (("attention.py::Attenton",), "the nearest is `Attention`"),
        (("attention.py::Attention",), "missing a required argument: 'd_in'"),
        (("attention.py::Attention", "--with", "768"), "`768` is not of the form name=value"),
        (("attention.py::Attention", *SIZES, "--input", "x=a"), "`x=a` is not of the form name=sizes"),
        pytest.param(
            ("attention.py::Attention", *SIZES, "--device", "cuda"),
            "there is no cuda device here",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is one"),
        ),
    ],
)
def test_bad_use(run: Command, arguments: tuple[str, ...], said: str) -> None:
    done = run("trace", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_file_that_raises(run: Command) -> None:
    done = run("verify", "attention.py::Attention", text="1 / 0\n")
    assert done.returncode == 2
    assert "can't be run: ZeroDivisionError" in done.stderr


@pytest.mark.parametrize("command", ["trace", "verify"])
def test_help_says_that_the_file_is_executed(run: Command, command: str) -> None:
    assert "EXECUTES the file" in run(command, "--help").stdout
