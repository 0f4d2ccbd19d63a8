"""`dropout_p=self.p if self.training else 0.0` → `dropout_p=self.p`."""

import ast

from mutations.attention import Attention, Sites, last_name


def sites(attention: Attention) -> Sites:
    module = attention.module
    for node in ast.walk(attention.node):
        match node:
            case ast.IfExp(test, rate, _) if last_name(test) == "training":
                yield node.lineno, (module.replace(node, rate),)
            case ast.IfExp(ast.UnaryOp(ast.Not(), test), _, rate) if last_name(test) == "training":
                yield node.lineno, (module.replace(node, rate),)
