"""What is in force, as the TOML of a shapecheck.toml, and where each line of it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shapecheck.config import OPTIONS, Config, spelled
from shapecheck.rule import Rule


def render(config: Config, rules: tuple[Rule, ...]) -> str:
    """A line for each option that says something, then the rules that this makes run."""
    said = [(spelled(name), *config.said(name)) for name in OPTIONS]
    lines = [f"{key} = {_toml(value)}  # {layer.origin}" for key, value, layer in said if value is not None]
    return "\n".join([*lines, f"# rules that run: {', '.join(rule.code for rule in rules) or 'none'}"]) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(one)}" for key, one in value.items()) + "}"
    return json.dumps(value)  # strings, lists and booleans are written alike
