"""The README's picture, made from a real run on the README's example: `python docs/picture.py` writes docs/check.svg."""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from readme import between, blocks
from rule_table import COMMAND

PICTURE = Path(__file__).with_name("check.svg")
COLUMNS = 128
# rich's own form without the fonts that it fetches from elsewhere: the reader's monospaced one does.
FORM = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="what shapecheck prints">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px; line-height: {line_height}px }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def printed() -> str:
    """What the linter prints of the example, in colour."""
    (code,) = blocks("python", text=between("example"))
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary, "attention.py").write_text(code, "utf-8")
        command = [sys.executable, "-m", *COMMAND.split(), "--isolated", "--color", "always"]
        done = subprocess.run(command, cwd=temporary, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 1, done.stderr
    return done.stdout


def picture() -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    console.print(Text(f"$ {COMMAND}", style="bold"))
    console.print(Text.from_ansi(printed()))
    return console.export_svg(title="shapecheck", theme=MONOKAI, code_format=FORM, unique_id="shapecheck")


if __name__ == "__main__":
    PICTURE.write_text(picture(), "utf-8")
