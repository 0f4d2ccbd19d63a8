"""How many masks of attention code are known by their making, and what the others come from.

    python benchmarks/mask_coverage.py CACHE [LIBRARY …] [--sources 30]

CACHE is the folder of benchmarks/libraries.py. An attention is a softmax, a kernel or a layer at one place of the source;
it is masked where a mask meets its scores or weights on some path, and the mask is known where its making says what it
hides. --sources is the length of the list of what the masks of unknown making come from.
"""

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import libraries
from libraries import Library
from shapecheck.shapes.details import Applied, Sdpa
from shapecheck.shapes.maskings import Masking, Way
from shapecheck.shapes.trace import Step, Trace
from shapecheck.source import read
from shapecheck.static.locate import picks
from shapecheck.static.project import File, Project
from shapecheck.static.subject import Subject


@dataclass
class Count:
    """Attentions counted, for a file or a library."""

    attentions: set[object] = field(default_factory=set)
    masked: set[object] = field(default_factory=set)  # those that a mask meets
    known: set[object] = field(default_factory=set)  # … of known making
    causal: set[object] = field(default_factory=set)  # kernels with is_causal
    origins: dict[object, str] = field(default_factory=dict)  # attention → what a mask of unknown making comes from
    failures: list[str] = field(default_factory=list)

    def add(self, other: "Count") -> None:
        self.attentions |= other.attentions
        self.masked |= other.masked
        self.known |= other.known
        self.causal |= other.causal
        self.origins |= other.origins
        self.failures += other.failures

    @property
    def sources(self) -> Counter[str]:
        """What the masks come from of attentions that no known one meets."""
        return Counter(origin for place, origin in self.origins.items() if place not in self.known)


def measure(library: Library) -> Count:
    total = Count()
    with ProcessPoolExecutor() as processes:
        for one in processes.map(measure_file, library.files(), chunksize=4):
            total.add(one)
    return total


def measure_file(path: Path) -> Count:
    count = Count()
    data = path.read_bytes()
    if not picks(data):
        return count
    try:
        source = read(path, data)
        subject = Subject(File(source.path, source.text, _project(path.parent), notebook=False), "attention")
        for root in subject.roots:
            for trace in subject.traced(root).traces:
                _count(count, trace)
    except Exception as error:  # noqa: BLE001 (whatever it is, it is listed, and the other files are still counted)
        count.failures.append(f"{path}: {type(error).__name__}: {error}")
    return count


def _count(count: Count, trace: Trace) -> None:
    for step in (*(one.softmax for one in trace.attentions), *(step for step in trace.steps if step.op == "mha")):
        count.attentions.add(_key(step))
        if isinstance(step.detail, Sdpa) and step.detail.causal:
            count.causal.add(_key(step))
    for masking in trace.maskings:
        if masking.step.op in ("mul", "sub") and masking.made is None:
            continue  # a factor, a bias
        if masking.way is Way.ADDED and masking.made is None and _is_learnt(trace, masking):
            continue
        count.masked.add(_key(masking.softmax))
        if masking.made is not None:
            count.known.add(_key(masking.softmax))
        else:
            count.origins[_key(masking.softmax)] = _source(trace, masking)


def _key(step: Step) -> tuple[str, str]:
    place = step.place
    return str(getattr(place, "path", "")), f"{getattr(place, 'span', '')}{isinstance(step.detail, Applied)}"


def _is_learnt(trace: Trace, masking: Masking) -> bool:
    if masking.mask is None:
        return False
    steps = [trace.steps[index] for index in trace.ancestors(trace.maker(masking.mask))]
    return any(step.op in ("parameter", "layer", "embedding", "matmul") for step in steps)


def _source(trace: Trace, masking: Masking) -> str:
    """What a mask of unknown making comes from: the first step back that isn't followed."""
    step = trace.maker(masking.mask) if masking.mask is not None else masking.step
    while step.operands and step.op in (
        "index",
        "unsqueeze",
        "expand",
        "cast",
        "reshape",
        "logical_not",
        "bitwise_not",
    ):
        step = trace.maker(step.operands[0])
    named = step.lost_by or step.op
    return f"{named} {step.place.code.splitlines()[0][:60]}" if step.op != "input" else "an argument"


_project = cache(Project.of)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("library", nargs="*")
    parser.add_argument("--sources", type=int, default=30)
    options = parser.parse_args()
    total = Count()
    for library in libraries.load(options.cache, options.library):
        count = measure(library)
        print(_line(library.name, count), flush=True)
        total.add(count)
    print(_line("all", total))
    print(*(f"failed: {failure}" for failure in total.failures), sep="\n")
    print(*(f"{count:5}  {source}" for source, count in total.sources.most_common(options.sources)), sep="\n")
    return int(bool(total.failures))


def _line(name: str, count: Count) -> str:
    return (
        f"{name:16} {len(count.attentions):5} attentions, {len(count.masked):5} masked, {len(count.known):5} of them by a "
        f"mask of known making; {len(count.causal)} with is_causal"
    )


if __name__ == "__main__":
    sys.exit(main())
