"""That a run never crashes, and that its result depends neither on the order of the paths nor on the number of jobs.

    python benchmarks/steady.py CACHE

CACHE is the folder of benchmarks/libraries.py. Each library, and CPython's own, is checked as a folder with one job, and
as a shuffled list of files with two; the reports must be the same, byte for byte, and no defect of ours may be reported.
"""

import random
import subprocess
import sys
from pathlib import Path

import libraries
from precision import standard_library


def check(paths: list[str], folder: Path, *options: str) -> tuple[str, str]:
    """What a run prints, and what it complains of."""
    command = [sys.executable, "-m", "shapecheck", "check", "--isolated", "--no-respect-gitignore", "--exit-zero"]
    command += ["--exclude", "site-packages", "--quiet", "--output-format", "concise", *options]
    done = subprocess.run([*command, *paths], cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    return done.stdout, done.stderr


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    failed = False
    for library in [*libraries.load(Path(sys.argv[1])), standard_library()]:
        files = [path for path in map(library.relative, library.files()) if "site-packages" not in path]
        random.Random(0).shuffle(files)
        report, complaints = check(["."], library.folder, "--jobs", "1")
        shuffled, more_complaints = check(files, library.folder, "--jobs", "2")
        same, quiet = report == shuffled, not complaints and not more_complaints
        failed = failed or not same or not quiet
        print(
            f"{library.name:16} {len(report.splitlines()):5} findings, {'the same' if same else 'NOT THE SAME'} in any order"
        )
        if not quiet:
            print(complaints, more_complaints, sep="\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
