"""Are predicted shapes the ones that torch has? Attention classes of real libraries, each tensor compared.

    python benchmarks/agreement.py [LIBRARY …] [--losses 30] [--verify]

The classes and how each is built small are in agreement*.jsonl, drawn by agreement_draw.py; run this where the libraries
are installed. A tensor is right, wrong or not predicted; what loses predictions is ranked. Exits with 1 if any is wrong.

--verify does what `shapecheck verify` does with each class, and compares what it says of this code, which works, with
verify_judged.jsonl: there each thing that it may say stands with a reader's verdict and the reason. Exits with 1 on a false
alarm, and on what nobody has judged.
"""

import argparse
import importlib
import inspect
import json
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from shapecheck.runtime.confirm import Comparison, Verdict, confirm
from shapecheck.runtime.predict import NoPrediction, predicted
from shapecheck.runtime.record import traced
from shapecheck.runtime.verify import verify

JUDGED = Path(__file__).with_name("verify_judged.jsonl")


@dataclass(frozen=True)
class Case:
    """A class and how it is built and called.

    Arguments are literals, `{"config": …, "fields": …}` and `{"module": …, "arguments": …}`, inputs shapes of tensors.
    """

    name: str
    arguments: dict[str, Any]
    inputs: dict[str, Any]

    @property
    def library(self) -> str:
        return self.name.partition(".")[0]


def class_of(dotted: str) -> Any:
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def build(case: Case, of: Any = None) -> torch.nn.Module:
    """The module of a case; of another class than the named one, where `of` is given."""
    torch.manual_seed(0)
    arguments = {name: _argument(value) for name, value in case.arguments.items()}
    module = (of or class_of(case.name))(**arguments)
    assert isinstance(module, torch.nn.Module)
    return module.eval()


def _argument(value: Any) -> Any:
    match value:
        case {"config": str(name), "fields": fields}:
            config = class_of(name)()
            for field_name, small in fields.items():
                setattr(config, field_name, small)
            return config
        case {"module": str(name), "arguments": given}:
            return class_of(name)(**{one: _argument(small) for one, small in given.items()})
        case list():
            return tuple(value)
    return value


def built_inputs(case: Case) -> dict[str, Any]:
    return {name: _input(value) for name, value in case.inputs.items()}


def _input(value: Any) -> Any:
    match value:
        case list():
            return torch.randn(value)
        case {"int": shape, "below": below}:
            return torch.randint(0, below, shape)
        case {"tuple": parts}:
            return tuple(_input(part) for part in parts)
        case {"value": literal}:
            return literal
        case {"mask": shape, "added": added}:
            return _mask(shape, added)
    return None


def _mask(shape: list[int], added: bool) -> torch.Tensor:
    """True at the first half of the keys; or 0 there and the lowest number elsewhere, to be added to the scores."""
    kept = torch.arange(shape[-1]).expand(shape) < (shape[-1] + 1) // 2
    return torch.zeros(shape).masked_fill(~kept, torch.finfo(torch.float32).min) if added else kept.clone()


@dataclass(frozen=True)
class Alarm:
    """One thing that `verify` says of a class.

    `code` is the code of a rule, `error`, `wrong`, `silent`, `unfollowed`, or `table` where the table of ops contradicts
    torch.
    """

    name: str
    code: str
    said: str


@dataclass
class Count:
    """Tensors counted, for a library or all of them."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    losses: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[str, Comparison]] = field(default_factory=list)
    classes: int = 0
    whole: int = 0
    doubtful: int = 0
    failed: list[str] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)

    def line(self, name: str) -> str:
        total = max(sum(self.verdicts.values()), 1)
        right, wrong = self.verdicts[Verdict.RIGHT], self.verdicts[Verdict.WRONG]
        return (
            f"{name:16} {self.classes:4} classes, {total:5} tensors: {right:5} right ({right / total:.1%}), {wrong} wrong, "
            f"{self.verdicts[Verdict.UNPREDICTED]} not predicted; {self.whole} classes wholly right"
        )


def alarms(case: Case) -> Iterator[Alarm]:
    arguments = {name: _argument(value) for name, value in case.arguments.items()}
    inputs = {name: _input(value) for name, value in case.inputs.items()}
    found = verify(class_of(case.name), inputs, **arguments)
    for one in found.findings:
        yield Alarm(case.name, one.code, f"{one.path.name}:{one.span.row} {one.message}")
    if found.error is not None:
        yield Alarm(case.name, "error", found.error.splitlines()[0])
    if found.unfollowed is not None:
        yield Alarm(case.name, "unfollowed", found.unfollowed.splitlines()[0])
    for other in found.contradictions:
        yield Alarm(case.name, "table", f"{other.op} {other.expected} {list(other.found)} {other.spot.code}")
    if found.silent:
        yield Alarm(case.name, "silent", found.indivisible or "")
    for wrong in found.confirmation.of(Verdict.WRONG) if found.confirmation is not None else ():
        yield Alarm(case.name, "wrong", f"{wrong.site.row} {wrong.site.name} {wrong.expected} {list(wrong.found)}")


def judge(case: Case, count: Count, verifying: bool) -> None:
    """Add one class."""
    try:
        of = class_of(case.name)
        module = build(case)
        recording = traced(module, (), built_inputs(case), keep_error=True)
        if recording.error is not None:
            count.failed.append(f"{case.name}: {recording.error}")
            return
        confirmation = confirm(predicted(of).traces, recording, given(of, case.arguments))
        if verifying:
            count.alarms += alarms(case)
    except NoPrediction as error:
        count.failed.append(f"{case.name}: {error}")
        return
    except Exception as error:  # noqa: BLE001 (it is listed, and the others are still judged)
        where = traceback.extract_tb(error.__traceback__)[-1]
        count.failed.append(
            f"{case.name}: {type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        )
        return
    count.classes += 1
    count.whole += all(one.verdict is Verdict.RIGHT for one in confirmation.comparisons)
    count.doubtful += confirmation.doubtful
    for one in confirmation.comparisons:
        count.verdicts[one.verdict] += 1
        if one.verdict is Verdict.WRONG:
            count.wrong.append((case.name, one))
        elif one.verdict is Verdict.UNPREDICTED:
            count.losses[one.lost_by] += 1


def given(of: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a constructor was given, its defaults too."""
    try:
        bound = inspect.signature(of).bind(**arguments)
    except (TypeError, ValueError):
        return {}
    bound.apply_defaults()
    return dict(bound.arguments)


def cases(libraries: list[str]) -> Iterator[Case]:
    lists = sorted(Path(__file__).parent.glob("agreement*.jsonl"))
    for line in (line for path in lists for line in path.read_text("utf-8").splitlines()):
        case = Case(**json.loads(line))
        if not libraries or case.library in libraries:
            yield case


def report(counts: Mapping[str, Count], losses: int) -> bool:
    """Print it all; whether nothing is wrong."""
    total = Count()
    for name, count in counts.items():
        print(count.line(name))
        total.verdicts += count.verdicts
        total.losses += count.losses
        total.wrong += count.wrong
        total.failed += count.failed
        total.alarms += count.alarms
        total.classes += count.classes
        total.whole += count.whole
        total.doubtful += count.doubtful
    print(total.line("all"))
    print(
        f"{total.doubtful} classes were judged on the best of several paths that fit what ran, another of which doesn't fit the shapes"
    )
    print(*(f"failed: {failure}" for failure in total.failed), sep="\n")
    print("\nwhat loses predictions:")
    print(*(f"{count:6}  {by}" for by, count in total.losses.most_common(losses)), sep="\n")
    accepted = told(total.alarms) if total.alarms else True
    if total.wrong:
        print("\nwrong:")
    for name, one in total.wrong:
        site = one.site
        print(
            f"{name} {site.path.name}:{site.row} `{site.name}`: predicted {one.expected} = {one.numbers}, is {list(one.found)}"
        )
    return not total.wrong and bool(total.classes) and accepted


def told(alarms: list[Alarm]) -> bool:
    """Print what `verify` says, with the verdicts; whether all of it is judged right."""
    entries = [json.loads(line) for line in JUDGED.read_text("utf-8").splitlines()] if JUDGED.exists() else []
    verdicts = {(one["class"], one["code"], one["said"]): one["verdict"] for one in entries}
    judged = [(verdicts.get((one.name, one.code, one.said), "unjudged"), one) for one in alarms]
    for verdict, one in judged:
        print(f"{verdict}: {one.name} {one.code} {one.said}")
    counts = Counter(verdict for verdict, _ in judged)
    print(f"verify says {len(judged)} things: {dict(counts)}")
    return set(counts) <= {"right"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", nargs="*")
    parser.add_argument("--losses", type=int, default=30)
    parser.add_argument("--verify", action="store_true")
    options = parser.parse_args()
    counts: dict[str, Count] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in cases(options.library):
            judge(case, counts.setdefault(case.library, Count()), options.verify)
    return int(not report(counts, options.losses))


if __name__ == "__main__":
    sys.exit(main())
