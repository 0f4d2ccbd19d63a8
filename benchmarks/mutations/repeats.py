"""Keys repeated for groups of queries in the other order: `k.repeat_interleave(g, dim=1)` → `k.repeat(1, g, 1, 1)`."""

import ast

from mutations.attention import Attention, Sites, called, calls, literal


def sites(attention: Attention) -> Sites:
    module = attention.module
    for call in calls(attention.node):
        match call.func:
            case ast.Attribute(tensor, "repeat_interleave"):
                arguments = list(call.args)
                if isinstance(tensor, ast.Name) and tensor.id == "torch":
                    tensor, *arguments = arguments
                arguments += [keyword.value for keyword in call.keywords if keyword.arg in ("repeats", "dim")]
                if len(arguments) == 2 and isinstance(axis := literal(arguments[1]), int):
                    sizes = ["1"] * 4
                    sizes[axis] = module.source(arguments[0])
                    yield call.lineno, (module.replace(call, f"{module.source(tensor)}.repeat({', '.join(sizes)})"),)
            case ast.Attribute(ast.Subscript(slice=ast.Tuple(axes)), "expand") if called(call) == "expand":
                new = [index for index, axis in enumerate(axes) if literal(axis) is None and _is_none(axis)]
                if new == [2] and len(call.args) == len(axes) == 5:  # [b, kv, 1, t, d]
                    one, other = call.args[1], call.args[2]
                    yield (
                        call.lineno,
                        (
                            module.replace(axes[1], "None"),
                            module.replace(axes[2], ":"),
                            module.replace(one, other),
                            module.replace(other, one),
                        ),
                    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
