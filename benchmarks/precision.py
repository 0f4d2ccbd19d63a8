"""Which findings on real libraries are right: lists them, draws those to be judged, and counts the verdicts.

    python benchmarks/precision.py CACHE --list           all findings on the libraries, one a line
    python benchmarks/precision.py CACHE --draw           bring judged.jsonl up to date: all findings if there are at
                                                          most 400, else 400 drawn by seed, stratified by rule
    python benchmarks/precision.py                        the precision, from benchmarks/judged.jsonl alone

CACHE is the folder of benchmarks/libraries.py; CPython's own library is checked with them. Two readers judge, neither
seeing what the other says: the first writes "right" or "wrong" into `verdict` and the reason into `why`, the second into
`second` and `second_why`. Only what both call right counts as right, what only one has read is unjudged, and where they
disagree it is wrong, unless the class itself was run: `settled` and `settled_why` say with what outcome. Verdicts that are there are kept, also those of
findings that are no longer reported (`reported` is false): they don't count, but a mistake that was mended must stay
known.
"""

import argparse
import itertools
import json
import platform
import random
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import libraries
from libraries import Library

JUDGED = Path(__file__).parent / "judged.jsonl"
SIZE, SEED = 400, 0
NOISIEST = "ATN003"

UNJUDGED: dict[str, Any] = {"reported": True, "verdict": None, "why": None, "second": None, "second_why": None}

Entry = dict[str, Any]  # a line of judged.jsonl
Key = tuple[str, str, str, str, int, int]


def findings(library: Library) -> Iterator[Entry]:
    """What `shapecheck check` reports of a library, suppressed or not; defects of ours go to stderr."""
    with tempfile.TemporaryDirectory() as temporary:
        output = Path(temporary) / "findings.json"
        command = [sys.executable, "-m", "shapecheck", "check", "--isolated", "--no-respect-gitignore", "--ignore-noqa"]
        command += ["--exclude", "site-packages", "--quiet", "--exit-zero"]
        command += ["--output-format", "json", "--output-file", str(output), str(library.folder)]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
        if done.stderr:
            print(f"{library.name}: {done.stderr.strip()}", file=sys.stderr)
        for found in json.loads(output.read_text("utf-8")):
            yield {
                "library": library.name,
                "version": library.version,
                "path": library.relative(Path(found["filename"])),
                "class": found["symbol"],
                "rule": found["code"],
                "line": found["location"]["row"],
                "column": found["location"]["column"],
                "message": found["message"],
            }


def standard_library() -> Library:
    """CPython's own, where every finding would be wrong."""
    return Library("cpython", platform.python_version(), Path(sysconfig.get_path("stdlib")).resolve())


def key(entry: Entry) -> Key:
    """What makes a finding the same one although its words have changed."""
    return entry["library"], entry["version"], entry["path"], entry["rule"], entry["line"], entry["column"]


def draw(entries: Iterable[Entry], size: int = SIZE, seed: int = SEED) -> list[Entry]:
    """All entries if they are at most `size`; else as many of each rule as of any other, while there are any.

    An entry's place in the queue of its rule depends on the entry and the seed only, so that a change of the linter
    moves few others in or out.
    """
    queues: dict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: random.Random(f"{seed} {key(entry)}").random()):
        queues[entry["rule"]].append(entry)
    total = sum(map(len, queues.values()))
    if total > size:
        others = total - len(queues[NOISIEST])
        queues[NOISIEST] = queues[NOISIEST][: min(size // 3, others // 2)]  # at most a third of the sample
    turns = itertools.zip_longest(*(queue for _, queue in sorted(queues.items())))
    return [entry for turn in turns for entry in turn if entry is not None][:size]


def merge(drawn: Iterable[Entry], judged: Iterable[Entry]) -> list[Entry]:
    """The drawn findings with the verdicts that they had, and the others that have one."""
    now = {key(entry): entry for entry in drawn}
    known = {key(entry): entry for entry in judged}
    entries = [{**entry, **UNJUDGED, **known.get(one, {}), **entry, "reported": True} for one, entry in now.items()]
    entries += [
        {**UNJUDGED, **entry, "reported": False}
        for one, entry in known.items()
        if one not in now and (entry["verdict"] or entry.get("second"))
    ]
    return sorted(entries, key=lambda entry: (not entry["reported"], key(entry)))


def read_judged() -> list[Entry]:
    return [json.loads(line) for line in JUDGED.read_text("utf-8").splitlines()] if JUDGED.exists() else []


def write_judged(entries: Iterable[Entry]) -> None:
    JUDGED.write_text("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries), "utf-8")


def settled(entry: Entry) -> str:
    """What both readers' verdicts come to: right only if both say so."""
    if entry.get("settled"):
        return str(entry["settled"])
    verdicts = {entry["verdict"], entry["second"]}
    return "wrong" if "wrong" in verdicts else "unjudged" if None in verdicts else "right"


def summary(entries: Iterable[Entry]) -> Iterator[str]:
    """The precision, in all and for each rule, and every finding that is wrong."""
    entries = list(entries)
    reported = [entry for entry in entries if entry["reported"]]
    by_rule: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in reported:
        by_rule[entry["rule"]][settled(entry)] += 1
    for rule, verdicts in [*sorted(by_rule.items()), ("all", sum(by_rule.values(), Counter()))]:
        right, judged = verdicts["right"], verdicts["right"] + verdicts["wrong"]
        share = f"{right / judged:6.1%}" if judged else "   n/a"
        yield f"{rule:8} {share}  {right} right, {verdicts['wrong']} wrong, {verdicts['unjudged']} unjudged"
    for entry in reported:
        if settled(entry) == "wrong":
            yield f"wrong: {line(entry)}\n       {entry['why']} / {entry['second_why'] or 'not read by the second reader'}"
    if past := [entry for entry in entries if not entry["reported"]]:
        yield f"{sum(settled(entry) == 'wrong' for entry in past)} wrong of {len(past)} that are no longer reported"


def line(entry: Entry) -> str:
    return f"{entry['library']} {entry['path']}:{entry['line']} {entry['class']}: {entry['rule']} {entry['message']}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path, nargs="?")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="print every finding")
    what.add_argument("--draw", action="store_true", help="bring judged.jsonl up to date")
    options = parser.parse_args()
    if options.cache is not None:
        found = [entry for one in [*libraries.load(options.cache), standard_library()] for entry in findings(one)]
        counts = Counter(entry["rule"] for entry in found)
        print(f"{len(found)} findings:", ", ".join(f"{rule} {count}" for rule, count in sorted(counts.items())))
        if options.list:
            print(*map(line, found), sep="\n")
        if options.draw:
            write_judged(merge(draw(found), read_judged()))
    print(*summary(read_judged()), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
