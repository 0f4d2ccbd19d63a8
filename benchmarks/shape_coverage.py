"""How many tensors of attention code have a wholly known shape, and what loses the others.

    python benchmarks/shape_coverage.py CACHE [LIBRARY …] [--losses 40] [--worst 0]

CACHE is the folder of benchmarks/libraries.py. A tensor is a value bound to a name on one line, calls inlined, as
`shapecheck show` lists them; it counts as known when its shape is wholly known wherever the line is reached (`[…]` and
rows of unknown rank are not). --losses is the length of the list of ops and constructs that lose shapes, --worst lists so many classes with the
most unknown tensors.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import libraries
from libraries import Library
from shapecheck.source import read
from shapecheck.static import show
from shapecheck.static.locate import picks
from shapecheck.static.project import Project

BOUNDS = {"vit-pytorch": 0.80, "timm": 0.60, "transformers": 0.65}


@dataclass
class Coverage:
    """Tensors counted, for a file, a library or all of them."""

    name: str
    tensors: int = 0
    known: int = 0
    losses: Counter[str] = field(default_factory=Counter)  # op or construct → tensors it lost
    classes: dict[str, tuple[int, int]] = field(default_factory=dict)  # class → its tensors and the known ones
    failures: list[str] = field(default_factory=list)

    def add(self, other: "Coverage") -> None:
        self.tensors += other.tensors
        self.known += other.known
        self.losses += other.losses
        self.classes |= other.classes
        self.failures += other.failures

    def line(self) -> str:
        whole = sum(tensors == known for tensors, known in self.classes.values())
        share = self.known / max(self.tensors, 1)
        bound = f" (bound: {BOUNDS[self.name]:.0%})" if self.name in BOUNDS else ""
        return (
            f"{self.name:16} {share:6.1%} of {self.tensors:6} tensors known{bound}; "
            f"{whole} of {len(self.classes)} classes wholly known"
        )


def measure(library: Library) -> Coverage:
    """The coverage of a library, on all cores."""
    total = Coverage(library.name)
    with ProcessPoolExecutor() as processes:
        for one in processes.map(measure_file, library.files(), chunksize=4):
            total.add(one)
    return total


def measure_file(path: Path) -> Coverage:
    """The coverage of one file; a file that mentions no attention has no tensors."""
    coverage = Coverage(str(path))
    data = path.read_bytes()
    if not picks(data):
        return coverage
    lost: dict[tuple[str, int, int, str], str | None] = {}
    try:
        for tensor in show(read(path, data), _project(path.parent), None):
            place = (tensor.symbol, tensor.row, tensor.column, tensor.name)
            lost[place] = lost.get(place) or tensor.lost_by
    except Exception as error:  # noqa: BLE001 (whatever it is, it is listed, and the other files are still counted)
        coverage.failures.append(f"{path}: {type(error).__name__}: {error}")
    for (symbol, *_), by in lost.items():
        tensors, known = coverage.classes.get(f"{path}::{symbol}", (0, 0))
        coverage.classes[f"{path}::{symbol}"] = tensors + 1, known + (by is None)
        coverage.tensors += 1
        coverage.known += by is None
        if by is not None:
            coverage.losses[by] += 1
    return coverage


_project = cache(Project.of)


def report(coverages: Iterable[Coverage], losses: int, worst: int) -> bool:
    """Print it all; whether every bound is kept."""
    total = Coverage("all")
    kept = True
    for coverage in coverages:
        print(coverage.line(), flush=True)
        total.add(coverage)
        kept = kept and coverage.known >= BOUNDS.get(coverage.name, 0) * coverage.tensors
    print(total.line())
    print(*(f"failed: {failure}" for failure in total.failures), sep="\n")
    print(f"\nwhat loses shapes (tensors lost, of {total.tensors - total.known}):")
    print(*(f"{count:6}  {by}" for by, count in total.losses.most_common(losses)), sep="\n")
    unknown = sorted(total.classes.items(), key=lambda item: item[1][1] - item[1][0])
    print(*(f"{known:4} of {tensors:4} known  {name}" for name, (tensors, known) in unknown[:worst]), sep="\n")
    return kept and not total.failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("library", nargs="*")
    parser.add_argument("--losses", type=int, default=40)
    parser.add_argument("--worst", type=int, default=0)
    options = parser.parse_args()
    measured = (measure(library) for library in libraries.load(options.cache, options.library))
    return int(not report(measured, options.losses, options.worst))


if __name__ == "__main__":
    sys.exit(main())
