"""How many shape comments attention code has, and what becomes of them: held, lied, or not told.

    python benchmarks/comments.py CACHE [LIBRARY …] [--lies]

CACHE is the folder of benchmarks/libraries.py. A comment (or an entry of a docstring) is read where it claims a shape of
a tensor that a traced class or function makes or takes; both sides of an arrow count. It holds where the names in it that
stand for a size stand where that size is, lies where SHP006 says so, and is open where the shape isn't known, or no name in it is bound.
--lies lists those that lie.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import libraries
from libraries import Library
from shapecheck.shapes.claims import Claim, Verdict
from shapecheck.shapes.trace import Place, Trace
from shapecheck.source import read
from shapecheck.static.locate import picks
from shapecheck.static.project import File, Project
from shapecheck.static.subject import Subject
from shapecheck.static.syntax import NodePlace

ORDER = (Verdict.HOLDS, Verdict.LIES, Verdict.OPEN)  # one call or path on which it holds is enough


@dataclass
class Told:
    """What became of the comments of a file, a library or all of them."""

    name: str
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    unknown: int = 0  # open ones of tensors whose rank isn't known
    lies: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, other: "Told") -> None:
        self.verdicts += other.verdicts
        self.unknown += other.unknown
        self.lies += other.lies
        self.failures += other.failures

    def line(self) -> str:
        held, lied, left = (self.verdicts[verdict] for verdict in ORDER)
        return (
            f"{self.name:16} {held + lied + left:6} read: {held:5} held, {lied:4} lied, {left:5} open "
            f"({self.unknown} of tensors whose shape isn't known, {left - self.unknown} with no name that is bound)"
        )


def measure(library: Library) -> Told:
    """The comments of a library, on all cores."""
    total = Told(library.name)
    with ProcessPoolExecutor() as processes:
        for one in processes.map(measure_file, library.files(), chunksize=4):
            total.add(one)
    return total


def measure_file(path: Path) -> Told:
    """The comments of one file, each counted once."""
    told = Told(str(path))
    data = path.read_bytes()
    if not picks(data):
        return told
    try:
        source = read(path, data)
        for place, (claim, trace) in claims(
            Subject(File(path, source.text, _project(path.parent)), "attention")
        ).items():
            told.verdicts[claim.verdict] += 1
            told.unknown += claim.verdict is Verdict.OPEN and not _is_known(claim, trace)
            if claim.verdict is Verdict.LIES:
                assert isinstance(place, NodePlace)
                shapes = ", ".join(dict.fromkeys(str(trace.shape(tensor)) for tensor in claim.remark.of))
                text = " ".join(place.code.split())
                told.lies.append(f"{path}:{place.span.row}: {text} of {shapes}: {claim.why}")
    except Exception as error:  # noqa: BLE001 (whatever it is, it is listed, and the other files are still counted)
        told.failures.append(f"{path}: {type(error).__name__}: {error}")
    return told


def claims(subject: Subject) -> dict[Place, tuple[Claim, Trace]]:
    """Each comment of a file with the verdict that counts."""
    found: dict[Place, tuple[Claim, Trace]] = {}
    for claim, trace in _claims(subject):
        before = found.get(claim.remark.place)
        if before is None or ORDER.index(claim.verdict) < ORDER.index(before[0].verdict):
            found[claim.remark.place] = claim, trace
    return found


def _claims(subject: Subject) -> Iterator[tuple[Claim, Trace]]:
    for root in subject.roots:
        for trace in subject.traced(root).traces:
            for claim in trace.claims if trace.completed else ():
                if isinstance(claim.remark.place, NodePlace) and claim.remark.place.path == subject.file.path:
                    yield claim, trace


def _is_known(claim: Claim, trace: Trace) -> bool:
    shapes = [trace.shape(tensor) for tensor in claim.remark.of]
    return any(shape is not None and shape.row is None for shape in shapes)


_project = cache(Project.of)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("library", nargs="*")
    parser.add_argument("--lies", action="store_true", help="list the comments that lie")
    options = parser.parse_args()
    total = Told("all")
    for library in libraries.load(options.cache, options.library):
        told = measure(library)
        print(told.line(), flush=True)
        print(*(told.lies if options.lies else ()), sep="\n", flush=True)
        total.add(told)
    print(total.line())
    print(*(f"failed: {failure}" for failure in total.failures), sep="\n")
    return int(bool(total.failures))


if __name__ == "__main__":
    sys.exit(main())
