"""Text of a library → the classes and functions in it that attend, as CPython's `ast` shows them.

Deliberately not the linter's own view: what a bug can be put into must not depend on what the linter understands.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

# Calls that turn scores into weights or hold the whole of attention, and those that multiply tensors.
ATTENDS = re.compile(r"softmax|attend|scaled_dot_product_attention|attention_(interface|fn|func)|flash_attn|_attn_f")
PRODUCTS = re.compile(
    r"matmul|bmm|einsum|scaled_dot_product_attention|attention_(interface|fn|func)|flash_attn|_attn_f"
)

HEADS = re.compile(r"head|^h$|^nh$")
WIDTH_OF_HEAD = re.compile(r"head_?(dim|size|width|feat)|(dim|size|width|feat)\w*_head|^d_k$|^dk$")
SCORES = re.compile(r"attn|attention|score|sim|dots|energy|affinity|qk|^weights?$|^att$|^w$|^A$", re.IGNORECASE)
POOLS = re.compile(r"pool", re.IGNORECASE)  # one query: no projection is owed, and the scores have one row

Sites = Iterator[tuple[int, tuple["Edit", ...]]]


@dataclass(frozen=True, order=True)
class Edit:
    """Replace the bytes from `start` to `end` of a file by `text`."""

    start: int
    end: int
    text: str


class Module:
    """The text of one file, parsed."""

    def __init__(self, text: str) -> None:
        self.data = text.encode()
        self.tree = ast.parse(text)
        self.lines = [0]
        for line in self.data.split(b"\n"):
            self.lines.append(self.lines[-1] + len(line) + 1)

    def start(self, node: ast.expr | ast.stmt) -> int:
        return self.lines[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.lines[node.end_lineno - 1] + node.end_col_offset

    def source(self, node: ast.expr | ast.stmt) -> str:
        return self.data[self.start(node) : self.end(node)].decode()

    def replace(self, node: ast.expr | ast.stmt, by: ast.expr | str) -> Edit:
        """Put the text `by`, or that of another expression of this module, in the place of a node."""
        if isinstance(by, ast.expr):
            text = self.source(by)
            by = text if isinstance(by, ast.Name | ast.Attribute | ast.Call | ast.Subscript) else f"({text})"
        return Edit(self.start(node), self.end(node), by)


@dataclass(frozen=True)
class Attention:
    """A class that attends, or a function that stands alone, as its text shows it."""

    module: Module
    node: ast.ClassDef | ast.FunctionDef

    @cached_property
    def methods(self) -> dict[str, ast.FunctionDef]:
        if isinstance(self.node, ast.FunctionDef):
            return {self.node.name: self.node}
        return {item.name: item for item in self.node.body if isinstance(item, ast.FunctionDef)}

    @cached_property
    def init(self) -> ast.FunctionDef:
        return self.methods["__init__"]

    @cached_property
    def is_module(self) -> bool:
        """Is it a class that builds its layers and calls them itself?"""
        return {"__init__", "forward"} <= self.methods.keys() and bool(self.attends) and bool(self.products)

    @cached_property
    def attends(self) -> dict[str, int]:
        """Method → where its last attention ends (a byte of the file); helpers that attend are attention themselves."""
        methods = {name: method for name, method in self.methods.items() if name != "__init__"}
        direct = {name: self._last(method, lambda name: bool(ATTENDS.search(name))) for name, method in methods.items()}
        helpers = {name for name, end in direct.items() if end and name != "forward"}
        ends = {name: max(direct[name], self._last(method, helpers.__contains__)) for name, method in methods.items()}
        return {name: end for name, end in ends.items() if end}

    def _last(self, method: ast.FunctionDef, wanted: Callable[[str], bool]) -> int:
        return max((self.module.end(call) for call in calls(method) if wanted(called(call))), default=0)

    @cached_property
    def products(self) -> list[int]:
        """Where each product of tensors ends, or the call of a function that is given the tensors to multiply."""
        return [
            self.module.end(node)
            for node in ast.walk(self.node)
            if (isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult))
            or (isinstance(node, ast.Call) and PRODUCTS.search(called(node)))
        ]

    @cached_property
    def layers(self) -> dict[str, str]:
        """Attribute → the text of everything that `__init__` assigns to it."""
        texts: dict[str, str] = {}
        for node in ast.walk(self.init):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if (name := attribute_of_self(target)) is not None:
                        texts[name] = texts.get(name, "") + self.module.source(node.value)
        return texts

    @cached_property
    def has_heads(self) -> bool:
        arguments = (argument.arg for argument in self.init.args.args)
        return any(HEADS.search(name) for name in chain(self.layers, arguments))

    @cached_property
    def pools(self) -> bool:
        return bool(POOLS.search(self.node.name))

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        return {child: node for node in ast.walk(self.node) for child in ast.iter_child_nodes(node)}

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        while (parent := self.parents.get(node)) is not None:
            yield parent
            node = parent


def reached(module: Module, roots: set[str]) -> Iterator[ast.ClassDef | ast.FunctionDef]:
    """The classes and functions of a module that these ones name, directly or not, in the order of the file."""
    defined = {node.name: node for node in module.tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    found: set[str] = set()
    waiting = [name for name in roots if name in defined]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            named = {node.id for node in ast.walk(defined[name]) if isinstance(node, ast.Name)}
            waiting += sorted(named & defined.keys())
    return (node for name, node in defined.items() if name in found)


def attention_classes(module: Module) -> Iterator[Attention]:
    """The module's classes with an `__init__` and a `forward` of their own that attend by a product of tensors."""
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef) and ATTENDS.search(module.source(node)):
            found = Attention(module, node)
            if found.is_module:
                yield found


def calls(node: ast.AST) -> Iterator[ast.Call]:
    return (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))


def called(call: ast.Call) -> str:
    """The last name of what is called: `view` of `self.q(x).view(b, t)`."""
    return last_name(call.func)


def last_name(node: ast.expr) -> str:
    """The name or the attribute, whoever's it is; nothing for any other expression."""
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value):
            return last_name(value)
    return ""


def attribute_of_self(node: ast.expr) -> str | None:
    match node:
        case ast.Attribute(ast.Name("self"), name):
            return name
    return None


def literal(node: ast.expr) -> object:
    """The value of a literal, a negative number included; None for anything else."""
    try:
        value: object = ast.literal_eval(node)
    except ValueError:
        return None
    return value


def is_scores(node: ast.expr) -> bool:
    """Scores by their name or by being a product; queries and keys by themselves are not."""
    match node:
        case ast.Name(name) | ast.Attribute(attr=name):
            return bool(SCORES.search(name))
        case ast.BinOp(left, op, right):
            return isinstance(op, ast.MatMult) or is_scores(left) or is_scores(right)
        case ast.Call(func=ast.Attribute(value, name), args=arguments):
            product = name in ("matmul", "bmm", "einsum", "baddbmm")
            return product or is_scores(value) or any(map(is_scores, arguments[:1]))
    return False
