"""Which files are checked: suffixes, excludes, .gitignore, links."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shapecheck.config import Configs, Layer
from shapecheck.source.discover import discover
from stub_engine import write


def found(folder: Path, *paths: str, **said: Any) -> list[str]:
    """The files, relative to `folder`, that are found in `paths` or in the folder itself."""
    configs = Configs(replace(Layer("command line", folder), **said))
    given = [folder / path for path in paths or (".",)]
    return sorted(one.path.relative_to(folder).as_posix() for one in discover(given, configs))


def make(folder: Path, *paths: str) -> None:
    for path in paths:
        write(folder / path, "")


def test_python_files_and_notebooks_are_found_at_any_depth(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "b.ipynb", "c.txt", "d.pyc", "e.pyi", "deep/er/f.py", ".hidden/g.py", "h.PY")
    assert found(tmp_path) == [".hidden/g.py", "a.py", "b.ipynb", "deep/er/f.py"]


def test_a_file_that_is_named_is_found_whatever_its_suffix_and_once(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "script", "deep/b.py")
    assert found(tmp_path, "script") == ["script"]
    assert found(tmp_path, "a.py", ".", "deep/../a.py", "deep") == ["a.py", "deep/b.py"]


def test_a_path_that_is_not_there_is_left_to_whoever_reads_it(tmp_path: Path) -> None:
    assert found(tmp_path, "nowhere.py") == ["nowhere.py"]


@pytest.mark.parametrize("folder", [".venv", "venv", "node_modules", "site-packages", ".git", ".ipynb_checkpoints"])
def test_the_usual_folders_are_left_out(tmp_path: Path, folder: str) -> None:
    make(tmp_path, "a.py", f"{folder}/b.py", f"deep/{folder}/c.py")
    assert found(tmp_path) == ["a.py"]


def test_what_is_named_is_checked_even_where_it_is_excluded(tmp_path: Path) -> None:
    make(tmp_path, "venv/lib/site-packages/timm/a.py", "venv/lib/site-packages/timm/dist/b.py")
    assert found(tmp_path, "venv/lib/site-packages/timm") == ["venv/lib/site-packages/timm/a.py"]
    assert found(tmp_path, "venv/lib/site-packages/timm/dist/b.py") == ["venv/lib/site-packages/timm/dist/b.py"]
    assert found(tmp_path, "venv") == []  # its lib/site-packages isn't named


def test_what_is_named_and_excluded_is_left_out_by_force(tmp_path: Path) -> None:
    make(tmp_path, "dist/a.py", "b.py")
    assert found(tmp_path, "dist/a.py", "b.py", force_exclude=True) == ["b.py"]
    assert found(tmp_path, "dist", "b.py", force_exclude=True) == ["b.py"]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("a.py", ["deep/b.py", "deep/er/b.py"]),
        ("/b.py", ["a.py", "deep/a.py", "deep/b.py", "deep/er/b.py"]),
        ("deep", ["a.py"]),
        ("deep/", ["a.py"]),
        ("deep/*.py", ["a.py", "deep/er/b.py"]),
        ("deep/**/b.py", ["a.py", "deep/a.py"]),
        ("*/er", ["a.py", "deep/a.py", "deep/b.py"]),
    ],
)
def test_exclude_has_the_syntax_of_gitignore(tmp_path: Path, pattern: str, left: list[str]) -> None:
    make(tmp_path, "a.py", "deep/a.py", "deep/b.py", "deep/er/b.py")
    assert found(tmp_path, exclude=(pattern,)) == left
    assert found(tmp_path, extend_exclude=(pattern,)) == left


def test_exclude_replaces_the_usual_and_extend_exclude_adds_to_it(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "dist/b.py", "c/d.py")
    assert found(tmp_path, exclude=("c",)) == ["a.py", "dist/b.py"]
    assert found(tmp_path, extend_exclude=("c",)) == ["a.py"]


def test_globs_of_a_configuration_are_relative_to_it_and_hold_below_it(tmp_path: Path) -> None:
    make(tmp_path, "sub/a.py", "sub/b.py", "b.py")
    write(tmp_path / "sub" / "shapecheck.toml", 'extend-exclude = ["/b.py"]')
    assert found(tmp_path) == ["b.py", "sub/a.py"]


def test_gitignore_holds_in_a_repository(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "b.py", "out/c.py", "deep/b.py", "deep/keep_b.py")
    write(tmp_path / ".gitignore", "# comment\nb.py\nout/\n")
    assert found(tmp_path) == ["a.py", "b.py", "deep/b.py", "deep/keep_b.py", "out/c.py"]  # no repository
    (tmp_path / ".git").mkdir()
    assert found(tmp_path) == ["a.py", "deep/keep_b.py"]
    assert found(tmp_path, respect_gitignore=False) == ["a.py", "b.py", "deep/b.py", "deep/keep_b.py", "out/c.py"]


def test_a_nearer_gitignore_overrides(tmp_path: Path) -> None:
    make(tmp_path, ".git/HEAD", "gen_a.py", "deep/gen_b.py", "deep/c.py", "deep/er/gen_d.py", "deep/er/c.py")
    write(tmp_path / ".gitignore", "gen_*.py\n")
    write(tmp_path / "deep" / ".gitignore", "!gen_b.py\n/c.py\n")
    assert found(tmp_path) == ["deep/er/c.py", "deep/gen_b.py"]


def test_gitignore_files_above_the_folder_that_is_named_hold(tmp_path: Path) -> None:
    make(tmp_path, ".git/HEAD", "deep/a.py", "deep/er/b.py", "deep/er/c.py")
    write(tmp_path / ".gitignore", "deep/er/b.py\n")
    write(tmp_path / ".git" / "info" / "exclude", "c.py\n")
    assert found(tmp_path, "deep") == ["deep/a.py"]
    assert found(tmp_path, "deep/er") == []


def test_what_is_named_is_checked_even_where_git_ignores_it(tmp_path: Path) -> None:
    make(tmp_path, ".git/HEAD", "out/a.py", "out/b.py")
    write(tmp_path / ".gitignore", "out/\nb.py\n")
    assert found(tmp_path, "out/b.py") == ["out/b.py"]
    assert found(tmp_path, "out") == ["out/a.py"]


def test_links_to_files_are_followed_and_links_to_folders_are_not(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "deep/b.py")
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")
    (tmp_path / "other").symlink_to(tmp_path / "deep", target_is_directory=True)
    (tmp_path / "folder.py").symlink_to(tmp_path / "deep", target_is_directory=True)
    assert found(tmp_path) == ["a.py", "deep/b.py", "link.py"]
    assert found(tmp_path, "other") == ["other/b.py"]


def test_a_loop_of_folders_ends(tmp_path: Path) -> None:
    make(tmp_path, "deep/a.py")
    (tmp_path / "deep" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "deep" / "self").symlink_to("self")
    (tmp_path / "here").symlink_to(".", target_is_directory=True)
    assert found(tmp_path) == ["deep/a.py"]
    assert found(tmp_path, "here") == ["here/deep/a.py"]


def test_a_link_to_nothing_is_left_to_whoever_reads_it_and_an_editors_lock_passed_over(tmp_path: Path) -> None:
    (tmp_path / "gone.py").symlink_to("nowhere")
    (tmp_path / "self.py").symlink_to("self.py")
    (tmp_path / ".#a.py").symlink_to("me@here:123")
    assert found(tmp_path) == ["gone.py", "self.py"]


def test_a_folder_called_like_a_file_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    make(tmp_path, "odd.py/a.py")
    os.mkfifo(tmp_path / "pipe.py")
    assert found(tmp_path) == ["odd.py/a.py"]


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a.py", "locked/b.py")
    scan = os.scandir

    def refuse(path: Path) -> Any:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    configs = Configs(Layer("command line", tmp_path))
    assert {one.path.name: one.error for one in discover([tmp_path], configs)} == {
        "a.py": None,
        "locked": "Permission denied",
    }


def test_names_that_are_no_utf8_are_found(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.py"
    try:
        Path(os.fsdecode(path)).write_bytes(b"")
    except OSError:
        pytest.skip("this file system wants UTF-8")
    assert found(tmp_path, exclude=("*x*",)) == [os.fsdecode(b"\xff.py")]
