"""The hook, as pre-commit runs it on somebody's repository."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from test_packaging import BAD
from tree import copy_to

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pre_commit") is None, reason="pre-commit is not installed: pip install pre-commit"
)


def git(folder: Path, *arguments: str) -> None:
    nobody = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.invalid", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *nobody, *arguments], cwd=folder, check=True, capture_output=True)


def commit_all(folder: Path) -> Path:
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all of it")
    return folder


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return commit_all(copy_to(tmp_path_factory.mktemp("origin") / "shapecheck"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scratch")
    (folder / "bad.py").write_text(BAD, "utf-8")
    (folder / "good.py").write_text(BAD.replace("softmax(dim=-2)", "softmax(dim=-1)"), "utf-8")
    return commit_all(folder)


@pytest.mark.parametrize(("files", "status"), [(["good.py"], 0), (["bad.py", "good.py"], 1)], ids=["passes", "fails"])
def test_try_repo(clone: Path, repository: Path, files: list[str], status: int) -> None:
    command = [sys.executable, "-m", "pre_commit", "try-repo", str(clone), "shapecheck", "--files", *files]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert ("ATN011" in done.stdout) == bool(status), done.stdout
    assert "good.py:" not in done.stdout
