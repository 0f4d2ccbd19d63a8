"""How long a cold check of the whole of transformers takes, as a ratio to CPython's `ast.parse` of the same files.

    python benchmarks/speed.py CACHE [--rounds 3] [--jobs 2]

CACHE is the folder of benchmarks/libraries.py. Both are run as processes of their own, in turns, and the medians are
compared: the check with --jobs processes against `ast.parse` in one. The bound is 3. The share of tensors with a known
shape stands beside it, so that speed isn't bought with blindness. Last the CPU time of `shapecheck --version`, of which
the bound is 0.15 s.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import libraries
import shape_coverage

RATIO_BOUND, VERSION_BOUND = 3.0, 0.15

PARSE_ALL = """
import ast, pathlib, sys
sys.setrecursionlimit(10_000)
for path in pathlib.Path(sys.argv[1]).rglob("*.py"):
    ast.parse(path.read_bytes())
"""


def wall_and_cpu(command: list[str]) -> tuple[float, float]:
    """Seconds on the clock and on the cores, children included."""
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    wall, after = time.perf_counter() - started, os.times()
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    (library,) = libraries.load(options.cache, ["transformers"])
    check = [sys.executable, "-m", "shapecheck", "check", "--isolated", "--no-respect-gitignore", "--quiet"]
    check += ["--jobs", str(options.jobs), "--output-format", "json", str(library.folder)]
    parse = [sys.executable, "-c", PARSE_ALL, str(library.folder)]
    parsing, checking = [], []
    for number in range(options.rounds):
        parsing.append(wall_and_cpu(parse))
        checking.append(wall_and_cpu(check))
        (parse_wall, parse_cpu), (check_wall, check_cpu) = parsing[-1], checking[-1]
        print(
            f"round {number + 1}: ast.parse {parse_wall:.1f} s ({parse_cpu:.1f} s of CPU), "
            f"check {check_wall:.1f} s ({check_cpu:.1f} s of CPU): {check_wall / parse_wall:.2f} ×"
        )
    ratio = statistics.median(wall for wall, _ in checking) / statistics.median(wall for wall, _ in parsing)
    print(
        f"check of transformers {library.version} at {options.jobs} jobs: {ratio:.2f} × ast.parse (bound: {RATIO_BOUND} ×)"
    )
    print(shape_coverage.measure(library).line())
    version = statistics.median(wall_and_cpu([sys.executable, "-m", "shapecheck", "--version"])[1] for _ in range(11))
    print(f"shapecheck --version: {version:.3f} s of CPU (bound: {VERSION_BOUND} s)")
    return int(ratio > RATIO_BOUND or version > VERSION_BOUND)


if __name__ == "__main__":
    sys.exit(main())
