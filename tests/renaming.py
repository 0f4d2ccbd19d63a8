"""A fixture → the same fixture with every name of its own replaced, and every name of Python's or a library's kept.

Classes, functions, parameters, locals, attributes of `self`, fields of configs and keys that a dict is asked for are
renamed wherever they stand: at keyword arguments, in `getattr(config, "head_dim")`, in run lines, in the axes of an
annotation, in comments and docstrings, where they mean the sizes that the code calls so. `self`, `forward`,
`train`, dunders, imported names and the patterns of einsum and einops stay.
"""

from __future__ import annotations

import builtins
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import libcst as cst
import libcst.matchers as m

from fixture_harness import MAGIC, read

KEPT = {"self", "cls", "forward", "train", "eval", "int", "bool", "padding", *dir(builtins)}
TENSORS_TOO = {
    *(
        "shape",
        "T",
        "mT",
        "device",
        "dtype",
        "weight",
        "bias",
        "training",
        "ndim",
        "in_features",
        "out_features",
        "padding",
    ),
}
TENSOR_METHODS = {
    *("view", "reshape", "transpose", "permute", "split", "chunk", "unbind", "flatten", "unflatten", "softmax", "size"),
    *(
        "dim",
        "mean",
        "sum",
        "norm",
        "to",
        "float",
        "expand",
        "repeat",
        "gather",
        "squeeze",
        "unsqueeze",
        "get",
        "append",
    ),
}
NAMED_BY_STRING = {"getattr": 1, "hasattr": 1, "setattr": 1, "register_buffer": 0, "register_parameter": 0, "get": 0}
WORD = re.compile(r"(?P<head>(?<![\w.])(?:self\.)?)(?P<name>[A-Za-z_]\w*)")
RUN = re.compile(r"^(?P<head># run: )(?P<call>.+?)(?P<tail>\s*-> .*)$", re.MULTILINE)


@dataclass
class Names:
    """The names that a module gives."""

    imported: set[str] = field(default_factory=set)
    classes: set[str] = field(default_factory=set)
    callables: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    foreign_layers: set[str] = field(default_factory=set)

    def renamed(self) -> dict[str, str]:
        given = self.classes | self.callables | self.variables | self.attributes | self.keys
        given = {name for name in given - self.imported - KEPT if not re.fullmatch(r"__\w+__|_+", name)}
        return {
            name: f"name{number}" for number, name in enumerate(sorted(given, key=lambda name: name[::-1]), start=1)
        }


def renamed_file(path: Path) -> str:
    """The text of a module or notebook with every name of its own replaced."""
    renaming = Renaming(names_of(read(path).text))
    if path.suffix == ".py":
        return renaming.text(path.read_text("utf-8"))
    notebook = json.loads(path.read_text("utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).split("\n")
            hidden = "\n".join(f"#magic{line}" if MAGIC.match(line) else line for line in lines)
            cell["source"] = renaming.text(hidden).replace("#magic", "").splitlines(keepends=True)
    return json.dumps(notebook)


def names_of(text: str) -> Names:
    collector = _Collector()
    cst.parse_module(text).visit(collector)
    return collector.names


class Renaming:
    """One renaming for all the parts of a fixture."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.mapping = names.renamed()

    def text(self, text: str) -> str:
        code = cst.parse_module(text).visit(_Renamer(self)).code
        return RUN.sub(lambda match: match["head"] + self.expression(match["call"]) + match["tail"], code)

    def words(self, text: str) -> str:
        """Prose with the names in it replaced, but for small letters: `b n (h d)`, and the x of `B x T x C`."""
        mapping = {name: new for name, new in self.mapping.items() if len(name) > 1 or name.isupper()}
        return WORD.sub(lambda match: match["head"] + mapping.get(match["name"], match["name"]), text)

    def expression(self, text: str) -> str:
        node = cst.parse_expression(text).visit(_Renamer(self))
        assert isinstance(node, cst.BaseExpression)
        return cst.Module([]).code_for_node(node)

    def ours(self, called: cst.BaseExpression) -> bool:
        """Whether the parameters of what is called are named in this file."""
        match called:
            case cst.Name(value=name):
                return name in self.mapping or name == "cls"
            case cst.Attribute(value=cst.Name(value="self" | "cls"), attr=cst.Name(value=name)):
                return name not in self.names.foreign_layers
            case cst.Attribute(value=cst.Call(func=cst.Name(value="super"))):
                return True
            case cst.Attribute(attr=cst.Name(value=name)):
                return name in self.names.callables and name not in TENSOR_METHODS and not self.foreign(called)
            case cst.Call(func=inner) | cst.Subscript(value=inner):
                return self.ours(inner)
        return False

    def foreign(self, node: cst.BaseExpression) -> bool:
        while isinstance(node, (cst.Attribute, cst.Call)):
            node = node.value if isinstance(node, cst.Attribute) else node.func
        return isinstance(node, cst.Name) and node.value in self.names.imported


class _Collector(cst.CSTVisitor):
    def __init__(self) -> None:
        self.names = Names()
        self.ours_too: set[str] = set()

    def visit_Import(self, node: cst.Import) -> bool:
        self.names.imported.update(_bound(node.names))
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        assert not isinstance(node.names, cst.ImportStar)
        self.names.imported.update(_bound(node.names))
        return False

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        self.names.classes.add(node.name.value)
        for statement in node.body.body:
            match statement:
                case cst.FunctionDef():
                    self.names.attributes.add(statement.name.value)
                case cst.SimpleStatementLine(body=[cst.AnnAssign(target=cst.Name(value=name))]):
                    self.names.attributes.add(name)
                case cst.SimpleStatementLine(
                    body=[cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))])]
                ):
                    self.names.attributes.add(name)

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self.names.callables.add(node.name.value)

    def visit_Param(self, node: cst.Param) -> None:
        self.names.variables.add(node.name.value)

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        self._target(node.target)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        self._target(node.target)

    def visit_NamedExpr(self, node: cst.NamedExpr) -> None:
        self._target(node.target)

    def visit_For(self, node: cst.For) -> None:
        self._target(node.target)

    def visit_CompFor(self, node: cst.CompFor) -> None:
        self._target(node.target)

    def visit_AsName(self, node: cst.AsName) -> None:
        self._target(node.name)

    def visit_Assign(self, node: cst.Assign) -> None:
        attributes = {name for target in node.targets for name in _own_attributes(target.target)}
        called = m.findall(node.value, m.Call(func=m.OneOf(m.Name(), m.Attribute())))
        makers = {_root(call.func) for call in called if isinstance(call, cst.Call)}
        if makers and makers <= self.names.imported:
            self.names.foreign_layers |= attributes - self.ours_too
        else:
            self.ours_too |= attributes
            self.names.foreign_layers -= attributes

    def visit_Call(self, node: cst.Call) -> None:
        if m.matches(node.func, m.Attribute(attr=m.Name("register_buffer") | m.Name("register_parameter"))):
            self.names.attributes.update(_strings(node.args[0].value))

    def visit_Index(self, node: cst.Index) -> None:
        self.names.keys.update(text for text in _strings(node.value) if text.isidentifier())

    def _target(self, node: cst.BaseExpression) -> None:
        match node:
            case cst.Name(value=name):
                self.names.variables.add(name)
            case cst.Tuple(elements=elements) | cst.List(elements=elements):
                for element in elements:
                    self._target(element.value)
            case _:
                self.names.attributes.update(_own_attributes(node))


class _Renamer(cst.CSTTransformer):
    def __init__(self, renaming: Renaming) -> None:
        self.renaming = renaming
        self.kept: set[cst.CSTNode] = set()

    def visit_Import(self, node: cst.Import) -> bool:
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        return False

    def visit_Attribute(self, node: cst.Attribute) -> None:
        names = self.renaming.names
        own = m.matches(node.value, m.Name("self") | m.Name("cls") | m.Call(func=m.Name("super")))
        if node.attr.value not in names.attributes or (
            not own and (self.renaming.foreign(node) or node.attr.value in TENSORS_TOO)
        ):
            self.kept.add(node.attr)

    def visit_Call(self, node: cst.Call) -> None:
        match node.func:
            case cst.Attribute(value=value, attr=cst.Name(value=name)) if name in TENSOR_METHODS:
                if not m.matches(value, m.Name("self")):
                    self.kept.add(node.func.attr)
        ours = self.renaming.ours(node.func) or (
            m.matches(node.func, m.Name("partial")) and self.renaming.ours(node.args[0].value)
        )
        for argument in node.args:
            if argument.keyword is not None and not ours:
                self.kept.add(argument.keyword)

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        if original_node in self.kept:
            return updated_node
        return updated_node.with_changes(value=self.renaming.mapping.get(original_node.value, original_node.value))

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        position = NAMED_BY_STRING.get(_last_name(original_node.func), len(original_node.args))
        if position >= len(original_node.args):
            return updated_node
        argument = updated_node.args[position]
        arguments = list(updated_node.args)
        arguments[position] = argument.with_changes(value=self._string(argument.value))
        return updated_node.with_changes(args=arguments)

    def leave_DictElement(self, original_node: cst.DictElement, updated_node: cst.DictElement) -> cst.DictElement:
        return updated_node.with_changes(key=self._key(updated_node.key))

    def leave_Index(self, original_node: cst.Index, updated_node: cst.Index) -> cst.Index:
        value = updated_node.value
        if isinstance(value, cst.SimpleString) and not value.value.strip("\"'").isidentifier():  # axes of an annotation
            return updated_node.with_changes(value=value.with_changes(value=self.renaming.words(value.value)))
        return updated_node.with_changes(value=self._key(value))

    def leave_Comment(self, original_node: cst.Comment, updated_node: cst.Comment) -> cst.Comment:
        told, mark, expected = updated_node.value.partition("# expect:")
        if told.startswith(("# run:", "# shape:")):
            return updated_node
        return updated_node.with_changes(value=self.renaming.words(told) + mark + expected)

    def leave_Expr(self, original_node: cst.Expr, updated_node: cst.Expr) -> cst.Expr:
        text = updated_node.value
        if not isinstance(text, cst.SimpleString):
            return updated_node
        return updated_node.with_changes(value=text.with_changes(value=self.renaming.words(text.value)))

    def _key(self, node: cst.BaseExpression) -> cst.BaseExpression:
        return self._string(node) if self.renaming.names.keys.intersection(_strings(node)) else node

    def _string(self, node: cst.BaseExpression) -> cst.BaseExpression:
        for text in _strings(node):
            if text in self.renaming.mapping:
                return cst.SimpleString(f'"{self.renaming.mapping[text]}"')
        return node


def _bound(aliases: object) -> Iterator[str]:
    assert isinstance(aliases, (tuple, list))
    for alias in aliases:
        yield alias.evaluated_alias or alias.evaluated_name.split(".")[0]


def _own_attributes(node: cst.BaseExpression) -> Iterator[str]:
    match node:
        case cst.Attribute(value=cst.Name(value="self" | "cls"), attr=cst.Name(value=name)):
            yield name
        case cst.Tuple(elements=elements):
            for element in elements:
                yield from _own_attributes(element.value)


def _strings(node: cst.CSTNode | None) -> Iterator[str]:
    if isinstance(node, cst.SimpleString) and isinstance(node.evaluated_value, str):
        yield node.evaluated_value


def _last_name(node: cst.BaseExpression) -> str:
    match node:
        case cst.Name(value=name) | cst.Attribute(attr=cst.Name(value=name)):
            return name
    return ""


def _root(node: cst.BaseExpression) -> str:
    while isinstance(node, (cst.Attribute, cst.Call)):
        node = node.value if isinstance(node, cst.Attribute) else node.func
    return node.value if isinstance(node, cst.Name) else ""
