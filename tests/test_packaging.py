"""A wheel holds the rules and nothing by the name of `rules`; linting loads neither torch nor more than it needs."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tree import ROOT, RULE_FILES, copy_to

BAD = """\
import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"{dim} is not divisible by {num_heads}")
        self.num_heads = num_heads
        self.head_dim = dim // num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        b, t, dim = x.shape
        qkv = self.qkv(x).view(b, t, 3, self.num_heads, self.head_dim)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-2, -1) * self.head_dim**-0.5
        context = scores.softmax(dim=-2) @ v
        return self.proj(context.transpose(1, 2).reshape(b, t, dim))
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the tree, so that nothing of the checkout can slip in."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*build, str(copy_to(folder / "tree"))], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def python(packages: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in `folder`, with the shapecheck in `packages` rather than the checkout's."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(packages)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_wheel_has_every_module(unpacked: Path) -> None:
    def modules(package: Path) -> set[str]:
        return {path.relative_to(package).as_posix() for path in package.rglob("*.py")}

    # In the wheel the package `shapecheck.rules` stands where the bridge of the checkout stood, and shadows it.
    assert modules(unpacked / "shapecheck" / "rules") == modules(ROOT / "rules")
    own = {name for name in modules(unpacked / "shapecheck") if not name.startswith("rules/")}
    assert own == modules(ROOT / "shapecheck")
    assert (unpacked / "shapecheck" / "py.typed").is_file()


def test_wheel_has_no_other_top_level_name(unpacked: Path) -> None:
    names = {path.name for path in unpacked.iterdir()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"shapecheck"}


def test_wheel_needs_little(unpacked: Path) -> None:
    (metadata,) = unpacked.glob("*.dist-info/METADATA")
    needs = {line for line in metadata.read_text("utf-8").splitlines() if line.startswith("Requires-Dist: ")}
    plain = {line.split()[1].split(">")[0].split("<")[0].rstrip(";") for line in needs if "extra ==" not in line}
    assert plain == {"libcst", "click", "pathspec", "tomli"}


def test_rules_of_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    where = "import shapecheck.rules; print(shapecheck.rules.__file__)"
    assert Path(python(unpacked, tmp_path, "-c", where).stdout.strip()).parents[2] == unpacked
    done = python(unpacked, tmp_path, "-m", "shapecheck", "rule", "--all", "--output-format", "json")
    assert done.returncode == 0, done.stderr
    names = {rule["name"] for rule in json.loads(done.stdout)}
    assert names == {path.stem.replace("_", "-") for path in RULE_FILES}


def test_check_with_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD, "utf-8")
    done = python(unpacked, tmp_path, "-m", "shapecheck", "check", "--isolated", "--output-format", "json")
    assert done.returncode == 1, done.stderr
    assert [finding["code"] for finding in json.loads(done.stdout)] == ["ATN011"]


def loaded(folder: Path, program: str) -> set[str]:
    """The top-level modules that a program has loaded in the end."""
    program += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    done = python(ROOT, folder, "-c", program)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def running(*arguments: str) -> str:
    """A program that runs the command line and goes on after its exit."""
    return f"""
from shapecheck.cli import main
try:
    main({list(arguments)!r})
except SystemExit:
    pass
"""


def test_import_loads_neither_torch_nor_libcst(tmp_path: Path) -> None:
    assert not loaded(tmp_path, "import shapecheck") & {"torch", "libcst", "click"}


def test_the_decorator_loads_libcst_only_for_a_prediction(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    decorated = "import shapecheck, torch\n@shapecheck.checked(predict={})\ndef f(x):\n    y = x * 2\n    return y\n"
    (tmp_path / "plain.py").write_text(decorated.format(False) + "f(torch.ones(2))\n", "utf-8")
    (tmp_path / "predicted.py").write_text(decorated.format(True) + "f(torch.ones(2))\n", "utf-8")
    assert "libcst" not in loaded(tmp_path, "import plain")
    assert "libcst" in loaded(tmp_path, "import predicted")


def test_version_loads_neither_torch_nor_libcst(tmp_path: Path) -> None:
    assert not loaded(tmp_path, running("--version")) & {"torch", "libcst"}


def test_check_never_loads_torch(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD, "utf-8")
    assert "libcst" in (modules := loaded(tmp_path, running("check", "--isolated", ".")))
    assert not modules & {"torch", "numpy", "jaxtyping"}


def test_check_without_attention_never_loads_libcst(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("def double(x):\n    return 2 * x\n", "utf-8")
    assert not loaded(tmp_path, running("check", "--isolated", ".")) & {"torch", "libcst"}
