"""`scores.softmax(dim=-1)` → `scores.softmax(dim=-2)`: over the queries; or `dim=1`: over the heads."""

import ast

from mutations.attention import Attention, Sites, calls, is_scores, last_name, literal


def sites(attention: Attention) -> Sites:
    return _over(attention, "-2")


def over_heads(attention: Attention) -> Sites:
    return _over(attention, "1")


def _over(attention: Attention, axis: str) -> Sites:
    module = attention.module
    if attention.pools:
        return
    for call in calls(attention.node):
        match call.func:
            case ast.Name("Softmax") | ast.Attribute(attr="Softmax"):
                dims = call.args
            case ast.Attribute(owner, "softmax"):
                of_module = last_name(owner) in ("F", "functional", "torch")
                operand = call.args[0] if of_module and call.args else owner
                dims = call.args[1:2] if of_module else call.args[:1]
                if not is_scores(operand) or min(attention.products, default=0) > module.end(call):
                    continue
            case _:
                continue
        match [*dims, *(keyword.value for keyword in call.keywords if keyword.arg == "dim")]:
            case [dim] if literal(dim) == -1:
                yield call.lineno, (module.replace(dim, axis),)
