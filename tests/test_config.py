"""What is in force for a file: the nearest configuration, its keys and types, and which rules that makes run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shapecheck.config import EXCLUDE, FORMATS, ConfigError, Configs, Layer, load
from shapecheck.selectors import Choice, chosen
from stub_engine import RULES, write


def configs(folder: Path, *, only: Path | None = None, isolated: bool = False, **said: Any) -> Configs:
    return Configs(replace(Layer("command line", folder), **said), only, isolated)


def codes(*choices: Choice) -> list[str]:
    return [rule.code for rule in chosen(RULES, choices)]


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ([], ["ATN001", "ATN002", "SHP003"]),  # INFO isn't on by itself
        ([Choice(select=("ATN",))], ["ATN001", "ATN002"]),
        ([Choice(select=("ATN001",))], ["ATN001"]),
        ([Choice(select=("missing-out-proj",))], ["ATN001"]),
        ([Choice(select=("ALL",))], ["ATN001", "ATN002", "SHP003", "SHP009"]),
        ([Choice(select=("SHP",))], ["SHP003"]),  # nor by a prefix
        ([Choice(select=("SHP009",))], ["SHP009"]),
        ([Choice(extend_select=("squeeze-without-dim",))], ["ATN001", "ATN002", "SHP003", "SHP009"]),
        ([Choice(select=())], []),
        ([Choice(ignore=("ATN",))], ["SHP003"]),
        ([Choice(ignore=("ALL",))], []),
        ([Choice(select=("ALL",), ignore=("SHP",))], ["ATN001", "ATN002"]),
        ([Choice(select=("ATN",), ignore=("ATN001",))], ["ATN002"]),
        ([Choice(select=("ATN001",), ignore=("ATN",))], ["ATN001"]),  # the more exact wins
        ([Choice(select=("ATN001",), ignore=("missing-out-proj",))], []),  # and in a draw ignore
        ([Choice(select=("SHP",), extend_select=("ATN002",))], ["ATN002", "SHP003"]),
        # the second choice is the command line's
        ([Choice(select=("ATN",)), Choice()], ["ATN001", "ATN002"]),
        ([Choice(select=("ATN",)), Choice(select=("SHP003",))], ["SHP003"]),
        ([Choice(select=("ATN",)), Choice(extend_select=("SHP003",))], ["ATN001", "ATN002", "SHP003"]),
        ([Choice(select=("ATN",)), Choice(ignore=("ATN001",))], ["ATN002"]),
        ([Choice(ignore=("ATN001",)), Choice(select=("ATN001",))], ["ATN001"]),
        ([Choice(ignore=("ATN001",)), Choice(extend_select=("ATN",))], ["ATN001", "ATN002", "SHP003"]),
    ],
)
def test_which_rules_run(choices: list[Choice], expected: list[str]) -> None:
    assert codes(*choices) == expected


def test_every_key_of_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    path = write(
        tmp_path / "shapecheck.toml",
        """
        select = ["ATN"]
        ignore = ["ATN002"]
        extend-select = ["SHP003"]
        per-file-ignores = { "tests/*" = ["ALL"] }
        exclude = ["a"]
        extend-exclude = ["b"]
        force-exclude = true
        respect-gitignore = false
        rule-paths = ["mine"]
        scope = "modules"
        output-format = "concise"
        """,
    )
    config = configs(tmp_path).of(tmp_path)
    assert config.said("select") == (("ATN",), load(path))
    assert [rule.code for rule in config.rules_for(tmp_path / "a.py", RULES)] == ["ATN001", "SHP003"]
    assert config.rules_for(tmp_path / "tests" / "a.py", RULES) == ()
    assert [globs.patterns for globs in config.excludes] == [("a",), ("b",)]
    assert (config.force_exclude, config.respect_gitignore) == (True, False)
    assert config.rule_folders == (tmp_path / "mine",)
    assert (config.scope, config.output_format) == ("modules", "concise")


def test_where_nobody_says_anything_the_defaults_hold(tmp_path: Path) -> None:
    config = configs(tmp_path, isolated=True).of(tmp_path)
    assert [rule.code for rule in config.rules_for(tmp_path / "a.py", RULES)] == ["ATN001", "ATN002", "SHP003"]
    assert [globs.patterns for globs in config.excludes] == [tuple(EXCLUDE.split())]
    assert (config.force_exclude, config.respect_gitignore, config.rule_folders) == (False, True, ())
    assert (config.scope, config.output_format) == ("attention", "full")
    assert config.said("select") == (None, config.layers[0])


def test_the_nearest_file_decides_and_inherits_nothing(tmp_path: Path) -> None:
    write(tmp_path / "shapecheck.toml", 'scope = "modules"\noutput-format = "json"')
    write(tmp_path / "near" / "shapecheck.toml", 'output-format = "sarif"')
    found = configs(tmp_path)
    assert found.of(tmp_path / "other" / "deep").scope == "modules"
    near = found.of(tmp_path / "near" / "deep")
    assert (near.scope, near.output_format) == ("attention", "sarif")
    assert near is found.of(tmp_path / "near")


def test_shapecheck_toml_goes_before_pyproject_and_a_pyproject_without_our_table_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", '[tool.shapecheck]\nscope = "modules"')
    assert configs(tmp_path).of(tmp_path).scope == "modules"
    write(tmp_path / "near" / "pyproject.toml", '[project]\ndependencies = ["torch-shapecheck"]')
    assert configs(tmp_path).of(tmp_path / "near").scope == "modules"
    write(tmp_path / "near" / "pyproject.toml", "neither ours nor TOML = = =")
    assert configs(tmp_path).of(tmp_path / "near").scope == "modules"
    write(tmp_path / "shapecheck.toml", "")
    assert configs(tmp_path).of(tmp_path).scope == "attention"


def test_dotted_keys_in_pyproject_are_a_table_too(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", '[tool]\nshapecheck.scope = "modules"')
    assert configs(tmp_path).of(tmp_path).scope == "modules"


def test_one_file_for_all_or_none_at_all(tmp_path: Path) -> None:
    write(tmp_path / "shapecheck.toml", 'output-format = "json"')
    only = write(tmp_path / "ci.toml", 'output-format = "github"')
    assert configs(tmp_path, only=only).of(tmp_path / "deep").output_format == "github"
    assert configs(tmp_path, isolated=True).of(tmp_path / "deep").output_format == "full"


def test_the_command_line_overrides_and_its_globs_are_relative_to_the_current_folder(tmp_path: Path) -> None:
    write(tmp_path / "shapecheck.toml", 'exclude = ["a"]\nextend-exclude = ["b"]\nforce-exclude = true')
    here = tmp_path / "here"
    config = configs(here, exclude=("/c",), extend_exclude=("d",), force_exclude=False).of(tmp_path)
    assert [(globs.folder, globs.patterns) for globs in config.excludes] == [
        (here, ("/c",)),
        (tmp_path, ("b",)),
        (here, ("d",)),
    ]
    assert not config.force_exclude


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('selct = ["ATN"]', "no option is called `selct`, the nearest is `select`"),
        ("per_file_ignores = {}", "no option is called `per_file_ignores`, the nearest is `per-file-ignores`"),
        ("zzz = 1", "no option is called `zzz`"),
        ('select = "ATN"', "`select` is to be a list of strings, not 'ATN'"),
        ("ignore = [1]", "`ignore` is to be a list of strings, not [1]"),
        ('force-exclude = "yes"', "`force-exclude` is to be true or false, not 'yes'"),
        ("respect-gitignore = 1", "`respect-gitignore` is to be true or false, not 1"),
        ('scope = "module"', "`scope` is to be one of attention, modules, the nearest is `modules`, not 'module'"),
        ("scope = 3", "`scope` is to be one of attention, modules, not 3"),
        ("scope = []", "`scope` is to be one of attention, modules, not []"),
        ('output-format = "jsonl"', "the nearest is `json`"),
        ('per-file-ignores = ["a"]', "`per-file-ignores` is to be a table of globs with lists of codes, not ['a']"),
        ("per-file-ignores = { a = [1] }", "`per-file-ignores` is to be a list of strings"),
        ('per-file-ignores = { a = "ATN" }', "`per-file-ignores` is to be a table of globs"),
        ('rule-paths = ["nowhere"]', "`rule-paths`: there is no folder nowhere"),
        ("select = [", "at end of document"),
        (b'scope = "\xff"', "can't decode byte 0xff"),
    ],
)
def test_a_wrong_file_is_told_with_its_name_and_key(tmp_path: Path, text: str | bytes, says: str) -> None:
    path = write(tmp_path / "shapecheck.toml", text)
    with pytest.raises(ConfigError) as told:
        configs(tmp_path).of(tmp_path)
    assert str(told.value).startswith(f"{path}: ")
    assert says in str(told.value)


def test_our_table_in_pyproject_is_a_table(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", "[tool]\nshapecheck = 3")
    with pytest.raises(ConfigError, match=r"`tool.shapecheck` is to be a table"):
        configs(tmp_path).of(tmp_path)


def test_a_file_that_is_named_has_to_be_there_and_to_say_something(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No such file or directory"):
        load(tmp_path / "nowhere.toml")
    path = write(tmp_path / "pyproject.toml", "[project]")
    with pytest.raises(ConfigError, match=r"no \[tool.shapecheck\] in it"):
        load(path)


@pytest.mark.parametrize(
    ("key", "selector", "says"),
    [
        ("select", "ATN01", "`select`: no rule is called `ATN01`, the nearest is `ATN001`"),
        ("ignore", "mising-out-proj", "no rule is called `mising-out-proj`, the nearest is `missing-out-proj`"),
        ("extend_select", "atn001", "`extend-select`: no rule is called `atn001`, the nearest is `ATN001`"),
        ("select", "E501", "no rule is called `E501`"),
        ("select", "", "no rule is called ``"),
    ],
)
def test_a_wrong_code_names_the_nearest(tmp_path: Path, key: str, selector: str, says: str) -> None:
    said: dict[str, Any] = {key: (selector,)}
    config = configs(tmp_path, isolated=True, **said).of(tmp_path)
    with pytest.raises(ConfigError) as told:
        config.check_selectors(RULES)
    assert str(told.value).startswith("command line: ")
    assert says in str(told.value)


def test_a_wrong_code_for_some_files_is_told_too(tmp_path: Path) -> None:
    write(tmp_path / "shapecheck.toml", 'per-file-ignores = { "*.py" = ["ATN001", "ATN999"] }')
    with pytest.raises(ConfigError, match=r"shapecheck.toml: `per-file-ignores`: no rule is called `ATN999`"):
        configs(tmp_path).of(tmp_path).check_selectors(RULES)


def test_codes_names_prefixes_and_all_are_known(tmp_path: Path) -> None:
    config = configs(tmp_path, isolated=True, select=("ATN", "A", "ATN00", "SHP003", "undivided-head-dim", "ALL"))
    config.of(tmp_path).check_selectors(RULES)


def test_rules_ignored_in_some_files(tmp_path: Path) -> None:
    write(
        tmp_path / "shapecheck.toml",
        'per-file-ignores = { "/top.py" = ["ATN001"], "tests" = ["SHP"], "*_old.py" = ["missing-out-proj", "ATN002"] }',
    )
    config = configs(tmp_path).of(tmp_path)

    def running(path: str) -> list[str]:
        return [rule.code for rule in config.rules_for(tmp_path / path, RULES)]

    assert running("a.py") == ["ATN001", "ATN002", "SHP003"]
    assert running("top.py") == ["ATN002", "SHP003"]
    assert running("deep/top.py") == ["ATN001", "ATN002", "SHP003"]
    assert running("deep/tests/a.py") == ["ATN001", "ATN002"]
    assert running("tests/a_old.py") == []


def test_every_format_has_a_file() -> None:
    folder = Path(__file__).parents[1] / "shapecheck" / "report"
    assert all((folder / f"{name.replace('-', '_')}.py").is_file() for name in FORMATS)
