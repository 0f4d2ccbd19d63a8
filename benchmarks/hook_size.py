"""How much disk a hook's environment takes: a venv with this checkout installed, less an empty venv.

    python benchmarks/hook_size.py

The bound is 45 MB: a pre-commit environment must install in seconds.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BOUND_MB = 45


def size(folder: Path) -> float:
    """Megabytes of all files under `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def main() -> int:
    with tempfile.TemporaryDirectory() as temporary:
        venv, tree = Path(temporary) / "venv", Path(temporary) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", "build", "*.egg-info"))
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        empty = size(venv)
        started = time.perf_counter()
        python = venv / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", tree], check=True)
        seconds = time.perf_counter() - started
        added = size(venv) - empty
    print(f"{added:.1f} MB beyond an empty venv of {empty:.1f} MB (bound: {BOUND_MB} MB), installed in {seconds:.1f} s")
    return int(added > BOUND_MB)


if __name__ == "__main__":
    sys.exit(main())
