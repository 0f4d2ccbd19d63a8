"""That `check one_file` reports what `check .` reports of that file, byte for byte, whatever the number of jobs.

    python benchmarks/alone.py CACHE [LIBRARY …] [--processes 12] [--seed 0]

CACHE is the folder of benchmarks/libraries.py; without names, timm and diffusers are checked. The library's folder is
checked as a whole, by the command, with one job and with two. Then each of its files is checked by itself: with one and
with two jobs in this process, where a run forgets the projects of the runs before it, and so many files drawn by seed by
the command, in processes of their own, which show whether that forgetting is enough. What is compared are the lines of
--output-format json-lines, and the text of the full format in this process.
"""

import argparse
import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import libraries
from libraries import Library
from shapecheck import linter, report
from shapecheck.config import Configs, Layer
from shapecheck.report import Report

JOBS = (1, 2)


def by_command(library: Library, path: str, jobs: int) -> str:
    """What the command prints of a path in a library."""
    command = [sys.executable, "-m", "shapecheck", "check", "--isolated", "--no-respect-gitignore", "--exit-zero"]
    command += ["--quiet", "--output-format", "json-lines", "--jobs", str(jobs), path]
    done = subprocess.run(command, cwd=library.folder, capture_output=True, check=True)
    return done.stdout.decode()


def by_file(text: str) -> dict[str, str]:
    """The lines of a report, for each file that has some."""
    lines: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines(keepends=True):
        lines[json.loads(line)["filename"]].append(line)
    return {path: "".join(found) for path, found in lines.items()}


def reported(library: Library, paths: list[Path], jobs: int) -> dict[str, str]:
    """What a run in this process reports, as both formats print it, for each file that it reports of."""
    configs = Configs(Layer("command line", library.folder, respect_gitignore=False), isolated=True)
    outcome = linter.check(paths, configs, jobs=jobs)
    assert not outcome.defects, outcome.defects
    of_file: dict[Path, list[report.Diagnostic]] = defaultdict(list)
    for diagnostic in outcome.diagnostics:
        of_file[diagnostic.place.path].append(diagnostic)
    return {
        str(path): "".join(
            report.render(Report(tuple(found), outcome.rules, library.folder), output_format)
            for output_format in ("json-lines", "full")
        )
        for path, found in of_file.items()
    }


def differing(library: Library) -> Iterator[str]:
    """The files of which a run of their own, in this process, says something else than the whole one."""
    whole = reported(library, [library.folder], 1)
    for path in library.files():
        for jobs in JOBS:
            if reported(library, [path], jobs) != {name: text for name, text in whole.items() if name == str(path)}:
                yield f"{library.relative(path)} at --jobs {jobs}"


def differing_by_command(library: Library, count: int, seed: int) -> Iterator[str]:
    """The same for drawn files, half of them with findings, in processes of their own; and for the number of jobs."""
    wholes = [by_command(library, ".", jobs) for jobs in JOBS]
    if wholes[0] != wholes[1]:
        yield "the whole library, by the number of jobs"
    expected = by_file(wholes[0])
    files = [str(path) for path in library.files()]
    draw = random.Random(seed)
    found = sorted(expected)
    drawn = draw.sample(found, min(count // 2, len(found)))
    drawn += draw.sample([path for path in files if path not in expected], count - len(drawn))
    for path in drawn:
        for jobs in JOBS:
            if by_command(library, path, jobs) != expected.get(path, ""):
                yield f"{Path(path).name} at --jobs {jobs}, in a process of its own"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path)
    parser.add_argument("names", nargs="*", metavar="LIBRARY", default=["timm", "diffusers"])
    parser.add_argument("--processes", type=int, default=12, help="files checked by the command, for each library")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    failed = False
    for library in libraries.load(options.cache, options.names):
        wrong = [*differing(library), *differing_by_command(library, options.processes, options.seed)]
        files = sum(1 for _ in library.files())
        print(
            f"{library.name:16} {files} files, {options.processes} of them in processes: {len(wrong)} differ",
            *wrong,
            sep="\n  ",
        )
        failed = failed or bool(wrong)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
