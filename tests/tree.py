"""The repository as tests see it: where it is, and a copy of what makes a distribution."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
RULE_FILES = tuple(path for path in sorted((ROOT / "rules").glob("*.py")) if not path.name.startswith("_"))

_DISTRIBUTED = ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml", "shapecheck", "rules")


def copy_to(folder: Path) -> Path:
    """What a distribution is built from, without anything that a build or a run left behind."""
    folder.mkdir(parents=True)
    for name in _DISTRIBUTED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder
