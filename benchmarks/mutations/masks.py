"""Masks: a diagonal shifted by one, keep for hide, after the softmax instead of before it, a fill that hides nothing."""

import ast
import re
from collections.abc import Iterator

from mutations.attention import Attention, Edit, Sites, called, calls, literal

_HIDES = re.compile(r"inf|finfo|max_neg|min|neg|1e|mask_value|big", re.IGNORECASE)


def shifted_diagonal(attention: Attention) -> Sites:
    module = attention.module
    for call in calls(attention.node):
        if called(call) not in ("tril", "triu", "tril_", "triu_"):
            continue
        of_torch = isinstance(call.func, ast.Name) or module.source(call.func).startswith("torch.")
        diagonals = [keyword.value for keyword in call.keywords if keyword.arg == "diagonal"]
        diagonals += call.args[1:2] if of_torch else call.args[:1]
        if diagonals:
            value = literal(diagonals[0])
            shifted = str(value + 1) if isinstance(value, int) else f"{module.source(diagonals[0])} + 1"
            yield call.lineno, (module.replace(diagonals[0], shifted),)
        else:
            comma = ", " if call.args or call.keywords else ""
            yield call.lineno, (Edit(module.end(call) - 1, module.end(call) - 1, f"{comma}diagonal=1"),)


def inverted(attention: Attention) -> Sites:
    module = attention.module
    for call in calls(attention.node):
        for mask in _masks(attention, call):
            match mask:
                case ast.UnaryOp(ast.Invert() | ast.Not(), kept):
                    yield call.lineno, (module.replace(mask, kept),)
                case ast.Compare(left, [ast.Eq() | ast.NotEq() as sign], [right]):
                    other = "!=" if isinstance(sign, ast.Eq) else "=="
                    yield call.lineno, (Edit(module.end(left), module.start(right), f" {other} "),)
                case _:
                    yield call.lineno, (module.replace(mask, f"~({module.source(mask)})"),)


def weakened(attention: Attention) -> Sites:
    module = attention.module
    for call in calls(attention.node):
        for fill in _fills(attention, call):
            yield call.lineno, (module.replace(fill, "1e-9"),)


def moved(attention: Attention) -> Sites:
    """`s = s.masked_fill(m, -inf)`, `w = s.softmax(-1)` → `w = s.softmax(-1)`, `w = w.masked_fill(m, 0.0)`."""
    module = attention.module
    for block in _blocks(attention.node):
        for index, statement in enumerate(block):
            for masking, name, mask, condition in _maskings(attention, statement):
                for later in block[index + 1 :]:
                    weights = _softmax_of(later, name)
                    if weights is not None:
                        told = f"{weights}.masked_fill({module.source(mask)}, 0.0)"
                        told += f" if {module.source(condition)} else {weights}" if condition is not None else ""
                        after = Edit(module.end(later), module.end(later), f"; {weights} = {told}")
                        yield masking.lineno, (module.replace(masking, "pass"), after)
                        break


def _masks(attention: Attention, call: ast.Call) -> list[ast.expr]:
    """What a call hides or keeps by, where it is sure to be a boolean."""
    match called(call), call.args:
        case (("masked_fill" | "masked_fill_"), [mask, *_]):
            return [mask]
        case "where", [mask, *_] if _fills(attention, call):
            return [mask]
        case "scaled_dot_product_attention", _:
            values = [keyword.value for keyword in call.keywords if keyword.arg == "attn_mask"]
            return [value for value in values if isinstance(value, ast.UnaryOp | ast.Compare)]
    return []


def _fills(attention: Attention, call: ast.Call) -> list[ast.expr]:
    match called(call), call.args:
        case (("masked_fill" | "masked_fill_"), [_, fill]):
            fills = [fill]
        case "where", [_, one, other]:
            fills = [one, other]
        case _:
            fills = []
    fills += [keyword.value for keyword in call.keywords if keyword.arg == "value"]
    return [fill for fill in fills if _HIDES.search(attention.module.source(fill))]


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for inner in ast.walk(node):
        for _, field in ast.iter_fields(inner):
            if isinstance(field, list) and field and isinstance(field[0], ast.stmt):
                yield field


def _maskings(attention: Attention, statement: ast.stmt) -> Iterator[tuple[ast.Assign, str, ast.expr, ast.expr | None]]:
    """A statement that masks, the scores' name, the mask and the condition that it stands under."""
    match statement:
        case ast.If(test, [*body], []):
            for one in body:
                yield from (
                    (masking, name, mask, test)
                    for masking, name, mask, nested in _maskings(attention, one)
                    if nested is None
                )
        case ast.Assign([ast.Name(name)], ast.Call(ast.Attribute(ast.Name(of), "masked_fill"), [mask, _])) if (
            name == of
        ):
            if _fills(attention, statement.value) if isinstance(statement.value, ast.Call) else False:
                yield statement, name, mask, None


def _softmax_of(statement: ast.stmt, name: str) -> str | None:
    """What the weights are called that a statement makes of these scores."""
    match statement:
        case ast.Assign([ast.Name(weights)], value):
            for call in calls(value):
                of = [call.func.value] if isinstance(call.func, ast.Attribute) else []
                named = any(isinstance(one, ast.Name) and one.id == name for one in [*of, *call.args[:1]])
                if re.search("softmax|attend$", called(call)) and named:
                    return weights
    return None
