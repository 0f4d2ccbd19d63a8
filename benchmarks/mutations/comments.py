"""`# (b, h, t, d)` → `# (b, t, t, d)`: one letter or number of a shape comment, so that it lies."""

import io
import re
import tokenize
from collections.abc import Iterator

from mutations.attention import Attention, Edit, Sites

_SHAPE = re.compile(r"[(\[]([\w.*/+ ]+(?:,[\w.*/+ ]+)+)[)\]]")
_CLAIM = re.compile(r"#\s*(run|expect|shape: \w+ =)")


def sites(attention: Attention) -> Sites:
    module, node = attention.module, attention.node
    first, last = node.lineno, node.end_lineno or node.lineno
    lines = module.data[module.lines[first - 1] : module.lines[last]].decode()
    for token in tokenize.generate_tokens(io.StringIO(lines).readline):
        if token.type != tokenize.COMMENT or _CLAIM.match(token.string):
            continue
        row = token.start[0] + first - 1
        for shape in _SHAPE.finditer(token.string):
            before = token.line[: token.start[1]] + token.string[: shape.start(1)]
            start = module.lines[row - 1] + len(before.encode())
            for lie in _lies([part.strip() for part in shape[1].split(",")]):
                yield row, (Edit(start, start + len(shape[1].encode()), ", ".join(lie)),)


def _lies(parts: list[str]) -> Iterator[list[str]]:
    """The same with one part changed: the letter after it in its place, or the number after it."""
    for index, part in enumerate(parts):
        other = str(int(part) + 1) if part.isdecimal() else parts[(index + 1) % len(parts)]
        if other != part and part.isdecimal() == other.isdecimal():
            yield [*parts[:index], other, *parts[index + 1 :]]
