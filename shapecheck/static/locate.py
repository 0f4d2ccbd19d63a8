"""Which files, classes and functions are worth reading: bytes first, then slices of the text. Nothing is parsed here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

# Words without which a file holds no attention.
_ATTENTION = re.compile(
    rb"softmax|Softmax|scaled_dot_product_attention|flash_attn|MultiheadAttention|memory_efficient_attention"
    rb"|attention_interface|ATTENTION_FUNCTIONS"
)
_KERNEL = re.compile(
    r"scaled_dot_product_attention|flash_attn|MultiheadAttention|memory_efficient_attention|attention_interface"
    r"|ATTENTION_FUNCTIONS|multi_head_attention_forward"
)
_SOFTMAX = re.compile(r"[sS]oftmax|sparsemax|entmax")
_PRODUCT = re.compile(r"matmul|bmm|einsum|[\w)\]][ \t]*@[ \t]*[\w(]|\.mm\(|\.dot\(|@=")
_NEAR_PRODUCT = re.compile(_PRODUCT.pattern + r"|heads|attn|attend")  # a class may leave the product to a function
_DOCSTRING = re.compile(r'"""(?:[^\\]|\\.)*?"""', re.DOTALL)
_TORCH = re.compile(rb"torch|einops")
_MODULE = re.compile(rb"\bModule\b|nn\.|torch\.")

DEEPEST = 180  # brackets within brackets; CPython stops at 200, and libcst's parser may crash beyond
LONGEST = 3000  # operators in one statement; the parser needs quadratic time for them


def picks(data: bytes, scope: str = "attention") -> bool:
    """Whether a file may hold what `scope` asks for: `attention`, or any `modules`."""
    if not _TORCH.search(data):
        return False
    return bool(_MODULE.search(data) if scope == "modules" else _ATTENTION.search(data))


@dataclass(frozen=True, slots=True)
class Block:
    """A statement at the top level: a class, a function, or anything else, with the names that it may define."""

    kind: str  # "class", "def" or "statement"
    name: str | None
    text: str
    row: int  # of its first line, from 1

    def mentions_attention(self) -> bool:
        """Whether its code, docstrings apart, calls a kernel of attention, or a softmax and a product."""
        if not _SOFTMAX.search(self.text) and not _KERNEL.search(self.text):
            return False
        code = _DOCSTRING.sub("", self.text) if '"""' in self.text else self.text
        if _KERNEL.search(code):
            return True
        product = _PRODUCT if self.kind == "def" else _NEAR_PRODUCT
        return bool(_SOFTMAX.search(code) and product.search(code))


_TOKENS = re.compile(
    r"""(?P<string>(?:'''(?:[^\\]|\\.)*?'''|\"\"\"(?:[^\\]|\\.)*?\"\"\"|'(?:[^\\\n']|\\.)*'|"(?:[^\\\n"]|\\.)*"))"""
    r"""|(?P<comment>\#[^\n]*)|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<continued>\\\n)|(?P<start>^(?=[^\s#)\]}]))""",
    re.DOTALL | re.MULTILINE,
)
_HEAD = re.compile(r"(?:async\s+)?(?P<kind>class|def)\s+(?P<name>\w+)")
_CONTINUES = re.compile(r"(?:else|elif|except|finally|case)\b")
_OPERATOR = re.compile(r"[-+*/%@&|^]|\b(?:and|or)\b")


class TooDeep(Exception):
    """Brackets or operators are nested deeper than a parser can go; `row` says where."""

    def __init__(self, row: int) -> None:
        super().__init__("nested too deeply to be parsed")
        self.row = row


def blocks(text: str) -> list[Block]:
    """The top-level statements, decorators and the lines up to the next statement included. Raises TooDeep."""
    starts: list[int] = []
    depth = 0
    skip = -1
    for token in _TOKENS.finditer(text):
        match token.lastgroup:
            case "open":
                depth += 1
                if depth > DEEPEST:
                    raise TooDeep(text.count("\n", 0, token.start()) + 1)
            case "close":
                depth = max(0, depth - 1)
            case "continued":
                skip = token.end()
            case "start":
                position = token.start()
                if depth and _HEAD.match(text, position):
                    depth = 0  # an unclosed bracket above: the parser will say so
                if not depth and position != skip and not _CONTINUES.match(text, position):
                    starts.append(position)
    return list(_cut(text, starts))


_TRAILING = re.compile(r"(?:\n(?:#[^\n]*)?)+\Z")  # blank lines and comments at the margin belong to nobody


def _cut(text: str, starts: list[int]) -> Iterator[Block]:
    row, last, decorated = 1, 0, -1
    for index, start in enumerate(starts):
        end = starts[index + 1] if index + 1 < len(starts) else len(text)
        if text[start] == "@":
            decorated = start if decorated < 0 else decorated
            continue
        begin = decorated if decorated >= 0 else start
        decorated = -1
        row += text.count("\n", last, begin)
        last = begin
        body = _TRAILING.sub("", text[begin:end])
        head = _HEAD.match(text, start)
        yield Block(head["kind"] if head else "statement", head["name"] if head else None, body, row)


def check_length(block: Block) -> None:
    """Raises TooDeep where one statement of the block holds more operators than a parser can take."""
    if len(block.text) < 2 * LONGEST:
        return
    code = _TOKENS.sub(
        lambda token: "\n" * token[0].count("\n") if token["string"] or token["comment"] else token[0], block.text
    )
    if sum(1 for _ in _OPERATOR.finditer(code)) > LONGEST:
        row, count = block.row, 0
        for line in code.split("\n"):
            count = count + len(_OPERATOR.findall(line)) if not re.match(r"\s*\w+\s*(?:=[^=]|\(|:)", line) else 0
            count += 0 if count else len(_OPERATOR.findall(line))
            if count > LONGEST:
                raise TooDeep(row)
            row += 1


class Outline:
    """The top level of one text: which block defines which name, the latest one first."""

    def __init__(self, text: str) -> None:
        self.blocks = blocks(text)

    @cached_property
    def names(self) -> dict[str, list[Block]]:
        """name → the blocks that define it, in order. A teaching notebook defines one class several times."""
        found: dict[str, list[Block]] = {}
        for block in self.blocks:
            for name in _names(block):
                found.setdefault(name, []).append(block)
        return found

    def imports(self) -> Iterator[Block]:
        return (block for block in self.blocks if block.kind == "statement" and "import" in block.text)


_NESTED = re.compile(r"^[ \t]+(?:class|def)\s+(\w+)", re.MULTILINE)
_ASSIGNED = re.compile(r"^[ \t]*((?:\w+\s*,\s*)*\w+)\s*(?::[^=\n]+)?=(?!=)", re.MULTILINE)
_IMPORTED = re.compile(r"\bimport\b[ \t]*(?:\(([^)]*)\)|((?:[^\n\\]|\\\n)+))")
_COMMENT = re.compile(r"#[^\n]*")


def _names(block: Block) -> Iterator[str]:
    if block.name is not None:
        yield block.name
        return
    if block.text.startswith(("import ", "from ")) or "import" in block.text:
        for match in _IMPORTED.finditer(_COMMENT.sub("", block.text)):
            for part in (match[1] or match[2] or "").replace("\\\n", " ").split(","):
                words = part.split()
                if words:
                    yield words[-1].split(".")[0]
    if block.text.startswith(("import ", "from ")):
        return
    for match in _NESTED.finditer(block.text):
        yield match[1]
    for match in _ASSIGNED.finditer(block.text):
        for name in match[1].split(","):
            yield name.strip()
