"""Reader: what the tensors of a trace hold, as far as masks go, from the ops that made them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shapecheck.shapes.carried import Steps, all_on_result, axis_of, carried, kept, on_result, onto
from shapecheck.shapes.details import Making, Scaled
from shapecheck.shapes.making import (
    BOOL,
    FLOAT,
    INT,
    SAME,
    Choice,
    Compared,
    Converted,
    Counted,
    Cut,
    Filled,
    Offset,
    Put,
    Triangle,
)  # fmt: skip
from shapecheck.shapes.masks import (
    ORDER,
    Constant,
    Content,
    Distance,
    Marks,
    Mask,
    Positions,
    Region,
    blurred,
    cast,
    causal,
    lengths,
    mapped,
    moved,
    regions_of,
    sliced,
    triangle,
)  # fmt: skip
from shapecheck.shapes.shape import Axis

if TYPE_CHECKING:
    from shapecheck.shapes.trace import Step, Tensor

DEEPEST = 60  # steps that a mask is followed back


_MOVES = frozenset({
    "reshape", "permute", "rearrange", "contiguous", "index", "unsqueeze", "squeeze", "expand", "repeat", "cast", "reverse",
})  # fmt: skip
_FOLLOWED = _MOVES | {
    "logical_not", "bitwise_not", "neg", "bitwise_and", "logical_and", "mul", "bitwise_or", "logical_or", "maximum", "add",
    "sub", "pad", "gather", "parameter",
}  # fmt: skip
_FLOATS = frozenset(
    {"softmax", "matmul", "layer", "norm", "dropout", "embedding", "normalize", "exp", "tanh", "sigmoid"}
)


class Reader:
    """What the tensors of one trace hold, as far as masks go; each is worked out once."""

    def __init__(self, trace: Steps) -> None:
        self.trace = trace
        self._known: dict[int, Content | None] = {}
        self._depth = 0

    def mask(self, tensor: Tensor, at: int) -> Mask | None:
        """The mask that a tensor is where step `at` takes it; None for anything else, and where it isn't known."""
        found = self.content(tensor, at)
        return found if isinstance(found, Mask) else None

    def constant(self, value: float | Tensor | None, at: int) -> float | None:
        """A number, or the one value that a tensor holds everywhere."""
        if value is None or isinstance(value, int | float):
            return value
        found = self.content(value, at)
        return found.value if isinstance(found, Constant) else None

    def content(self, tensor: Tensor, at: int) -> Content | None:
        """What a tensor holds where step `at` takes it; None once something was changed in place before."""
        step = self.trace.steps[tensor.step]
        if self.trace.changed.get(step.index, at) < at or len(step.results) != 1 or self._depth > DEEPEST:
            return None
        if step.index not in self._known:
            self._depth += 1
            self._known[step.index] = self._made(step)
            self._depth -= 1
        return self._known[step.index]

    def dtype(self, tensor: Tensor, at: int) -> str | None:
        """bool, float or int, where it is known."""
        found = self.content(tensor, at)
        if isinstance(found, Mask | Constant):
            return found.dtype
        step = self.trace.steps[tensor.step]
        for _ in range(DEEPEST):
            match step.detail:
                case Compared():
                    return BOOL
                case Converted(dtype) if dtype != SAME:
                    return dtype
                case Filled(dtype=dtype) if not step.operands:
                    return dtype
                case Counted():
                    return INT
            if step.op in ("logical_not", "logical_and", "logical_or", "logical_xor", "isnan", "isinf"):
                return BOOL
            if step.op in _FLOATS:
                return FLOAT
            if step.op not in _MOVES | {"bitwise_not", "bitwise_and", "bitwise_or", "cast"} or not step.operands:
                return None
            step = self.trace.steps[step.operands[0].step]
        return None

    # -- what each op makes ---------------------------------------------------------------------------------------------
    def _made(self, step: Step) -> Content | None:
        if not isinstance(step.detail, Making | Scaled) and step.op not in _FOLLOWED:
            return None
        operands = [self.content(operand, step.index) for operand in step.operands]
        match step.detail, operands:
            case Filled(value, dtype), _:
                return None if value is None else Constant(value, dtype)
            case Counted(start), []:
                axis = axis_of(self.trace, step.result, -1)
                return None if axis is None else Positions(axis, start)
            case Triangle() as triangular, [Constant() as filled]:
                shape = self.trace.shape(step.result)
                return filled if not filled.value else triangle(triangular, shape, filled.value, filled.dtype)
            case Compared() as compared, _:
                return self._compared(step, compared, operands)
            case Offset() as offset, [content]:
                return moved(content, offset)
            case Scaled(scale), [Mask() | Constant() as content] if step.op in ("mul", "div"):
                by = scale.coefficient if scale.known and not scale.learnt and not scale.powers else None
                return None if by is None else mapped(content, lambda value: value * by)
            case Converted(dtype), [Mask() | Constant() as content]:
                return cast(content, dtype)
            case Put(value), [base, Mask() as mask]:
                return self._chosen(step, mask, self._branch(value, step), base)
            case Choice(condition, chosen, other), _ if condition is not None:
                mask_ = self.mask(condition, step.index)
                branches = self._branch(chosen, step), self._branch(other, step)
                return None if mask_ is None else self._chosen(step, mask_, *branches)
            case Cut(axes), [content]:
                return kept(self.trace, sliced(content, axes), step)
        return self._combined(step, operands)

    def _combined(self, step: Step, operands: list[Content | None]) -> Content | None:
        match step.op, operands:
            case ("logical_not", [Mask() | Constant() as content]):
                return mapped(content, lambda value: value == 0, BOOL)
            case ("bitwise_not", [Mask() | Constant() as content]) if content.dtype == BOOL:
                return mapped(content, lambda value: value == 0, BOOL)
            case ("neg", [Mask() | Constant() as content]):
                return mapped(content, lambda value: -value)
            case (("bitwise_and" | "logical_and" | "mul"), [_, _]):
                return self._joined(step, operands, strict=step.op == "mul")
            case (("bitwise_or" | "logical_or" | "maximum"), [_, _]):
                return self._joined(step, operands, strict=step.op == "maximum")
            case ("add", [_, _]):
                return self._added(step, operands)
            case ("sub", [Positions() as left, Positions() as right]):
                axes = onto(self.trace, left.axis, step, 0), onto(self.trace, right.axis, step, 1)
                return None if None in axes else Distance(axes[0], axes[1], left.start - right.start)  # type: ignore[arg-type]
            case ("parameter", [content]):
                return carried(self.trace, content, step)
            case ("pad", [Mask() as mask]):
                return on_result(self.trace, replace(blurred(mask), exact=False), step, 0)
            case ("gather", [Mask() as mask, *_]):
                return kept(self.trace, blurred(mask), step)
            case ("expand", [content, _]):  # expand_as
                return carried(self.trace, content, step)
        if step.op in _MOVES and len(operands) == 1:
            return kept(self.trace, operands[0], step)
        return None

    def _compared(self, step: Step, compared: Compared, operands: list[Content | None]) -> Content | None:
        number = compared.value
        match operands:
            case [Mask() | Constant() as content] if number is not None:
                return mapped(content, lambda value: ORDER[compared.how](value, number), BOOL)
            case [Mask() | Constant() as content, Constant(value=other)]:
                return on_result(
                    self.trace, mapped(content, lambda value: ORDER[compared.how](value, other), BOOL), step, 0
                )
            case [Distance(keys, queries, more)] if compared.size is not None:
                return causal(keys, queries, compared.how, compared.size - more)
            case [Positions() as left, Positions() as right]:
                keys_, queries_ = onto(self.trace, left.axis, step, 0), onto(self.trace, right.axis, step, 1)
                if keys_ is not None and queries_ is not None and not keys_.ids & queries_.ids:
                    return causal(keys_, queries_, compared.how, right.start - left.start)
            case [Positions(axis), None] if compared.how in ("<", ">=") and self._is_given(step.operands[1]):
                return lengths(onto(self.trace, axis, step, 0), below=compared.how == "<")
            case [None, Positions(axis)] if compared.how in (">", "<=") and self._is_given(step.operands[0]):
                return lengths(onto(self.trace, axis, step, 1), below=compared.how == ">")
            case [None] if compared.how in ("==", "!=") and self._are_ids(step, compared):
                axis_ = axis_of(self.trace, self._source(step.operands[0]).result, -1)
                values = (0.0, 1.0) if compared.how == "==" else (1.0, 0.0)
                return kept(self.trace, Mask(*values, (Region(Marks.PADDING, axis_),), BOOL), step)
        return None

    def _branch(self, value: float | Tensor | None, step: Step) -> Content | None:
        if value is None or isinstance(value, int | float):
            return None if value is None else Constant(float(value), None)
        return self.content(value, step.index)

    def _chosen(self, step: Step, mask: Mask, chosen: Content | None, other: Content | None) -> Content | None:
        """`chosen` where the mask is True and `other` elsewhere, both of one value, or told apart at the same places."""
        values: list[float] = []
        for name in ("seen", "hidden"):
            branch = chosen if getattr(mask, name) else other
            match branch:
                case Constant(value):
                    values.append(value)
                case Mask() if regions_of(branch) == regions_of(mask):
                    values.append(getattr(branch, name))
                case _:
                    return None
        dtypes = {branch.dtype for branch in (chosen, other) if isinstance(branch, Mask | Constant) and branch.dtype}
        made = Mask(values[0], values[1], mask.regions, dtypes.pop() if len(dtypes) == 1 else FLOAT, mask.exact)
        place = next(
            (index for index, operand in enumerate(step.operands) if self.mask(operand, step.index) == mask), 0
        )
        return on_result(self.trace, made, step, place)

    def _joined(self, step: Step, operands: list[Content | None], *, strict: bool) -> Content | None:
        """Masks joined by and, or: those of one sense keep it; something unknown beside a mask makes it inexact."""
        masks = all_on_result(self.trace, operands, step)
        if isinstance(masks[0], Mask) and isinstance(masks[1], Mask):
            masks[1] = _like(masks[1], masks[0])
        match masks:
            case [Mask() as mask, Constant(value)] | [Constant(value), Mask() as mask] if step.op == "mul":
                return mapped(mask, lambda one: one * value)
            case [Mask() as left, Mask() as right] if left.is_zero_one and (left.seen, left.hidden) == (
                right.seen,
                right.hidden,
            ):
                narrows = left.keeps is (step.op in ("bitwise_and", "logical_and", "mul"))
                regions = left.regions + tuple(one for one in right.regions if one not in left.regions)
                return replace(left, regions=regions, exact=left.exact and right.exact and narrows, dtype=left.dtype)
            case [Mask() as left, Mask() as right] if left.is_zero_one and right.is_zero_one:
                sure = [one for one in (left, right) if one.sure]  # the other one may be a window
                return replace(sure[0], exact=False) if len(sure) == 1 else None
            case [Mask() as mask, None] | [None, Mask() as mask] if not strict and mask.is_zero_one:
                return replace(mask, exact=False)
        return None

    def _added(self, step: Step, operands: list[Content | None]) -> Content | None:
        """Masks that are added to scores, put together: 0 and a large negative number."""
        masks = all_on_result(self.trace, operands, step)
        match masks:
            case [Mask() as mask, Constant(value)] | [Constant(value), Mask() as mask]:
                return mapped(mask, lambda one: one + value)
            case [Mask(seen=0.0) as left, Mask(seen=0.0) as right] if max(left.hidden, right.hidden) < -100:
                return replace(left, regions=left.regions + right.regions, exact=left.exact and right.exact)
            case [Mask(seen=0.0) as mask, None] | [None, Mask(seen=0.0) as mask] if mask.hidden < -100:
                return replace(mask, exact=False)
        return None

    # -- who is asked -------------------------------------------------------------------------------------------------------
    def _source(self, tensor: Tensor) -> Step:
        """The step that a tensor comes from, views and casts apart."""
        step = self.trace.steps[tensor.step]
        while step.op in _MOVES | {"cast"} and len(step.operands) == 1:
            step = self.trace.steps[step.operands[0].step]
        return step

    def _is_given(self, tensor: Tensor) -> bool:
        """Whether a tensor is an argument of forward."""
        return self._source(tensor).op == "input"

    def _are_ids(self, step: Step, compared: Compared) -> bool:
        """Whether the ids of tokens are compared with the one that pads: they are looked up in an embedding."""
        if compared.size is None or compared.value not in (None, 0.0):
            return False
        source = self._source(step.operands[0])
        return source.op == "input" and any(
            other.op == "embedding" and other.operands and self._source(other.operands[0]) is source
            for other in self.trace.steps
        )


def _like(mask: Mask, other: Mask) -> Mask:
    """A causal mask with the axes for keys and queries that another has, where it has them the other way round."""
    match mask.regions, other.regions:
        case [Region(queries=Axis()) as one], [Region(queries=Axis()) as two] if (one.keys, one.queries) == (
            two.queries,
            two.keys,
        ):
            return replace(mask, seen=mask.hidden, hidden=mask.seen, regions=(one.turned,))
    return mask
