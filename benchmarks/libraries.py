"""The libraries that everything is measured on, at fixed versions.

    python benchmarks/libraries.py CACHE

downloads them from the package index into the folder CACHE and unpacks each into CACHE/NAME; what lies there already is
kept. Nothing is installed or run. The other scripts take the same CACHE.
"""

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PINNED = {
    "timm": "1.0.31",
    "transformers": "5.23.0",
    "diffusers": "0.42.1",
    "vit-pytorch": "1.26.11",
    "x-transformers": "2.31.10",
    "torchtune": "0.6.1",
    "tsai": "1.0.1",
    "monai": "1.6.1",
    "open_clip_torch": "3.3.0",
}


class NotUnpacked(Exception):
    """A library that isn't in the cache, or is there in another version than the pinned one."""


@dataclass(frozen=True)
class Library:
    """One unpacked distribution."""

    name: str
    version: str
    folder: Path

    def files(self) -> Iterator[Path]:
        """Its Python files, in a fixed order."""
        return iter(sorted(self.folder.rglob("*.py")))

    def relative(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()


def load(cache: Path, names: list[str] | None = None) -> list[Library]:
    """The libraries unpacked in `cache`, all of them or those named; raises NotUnpacked."""
    return [_load_one(cache, name) for name in names or PINNED]


def _load_one(cache: Path, name: str) -> Library:
    if name not in PINNED:
        raise NotUnpacked(f"{name} is none of {', '.join(PINNED)}")
    folder = (cache / name.replace("-", "_")).resolve()
    if not any(folder.glob(f"*-{PINNED[name]}.dist-info")):
        raise NotUnpacked(f"{folder} doesn't hold {name} {PINNED[name]}: python benchmarks/libraries.py {cache}")
    return Library(name, PINNED[name], folder)


def fetch(cache: Path, name: str) -> Library:
    """The library, downloaded and unpacked unless it lies there."""
    try:
        return _load_one(cache, name)
    except NotUnpacked:
        with tempfile.TemporaryDirectory() as temporary:
            wanted = f"{name}=={PINNED[name]}"
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
            subprocess.run([*pip, "--dest", temporary, wanted], check=True)
            (wheel,) = Path(temporary).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(cache / name.replace("-", "_"))
        return _load_one(cache, name)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__)
        return 2
    for name in PINNED:
        library = fetch(Path(arguments[0]), name)
        print(f"{library.name:16} {library.version:8} {sum(1 for _ in library.files()):5} files")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
