"""Products: matmul, bmm, linear. Which axes are summed over, and whether they agree."""

from __future__ import annotations

from shapecheck.shapes.details import Applied, Contraction, Scaled
from shapecheck.shapes.dim import Dim, Kind
from shapecheck.shapes.rows import ahead
from shapecheck.shapes.shape import Axis, Entry, Factor, Origin, Row, Shape
from shapecheck.shapes.trace import Tensor
from shapecheck.static.ops import Call, Lost, op
from shapecheck.static.ops.broadcast import broadcast
from shapecheck.static.ops.lengths import is_made_of_lengths, is_sequence
from shapecheck.static.ops.memory import in_order
from shapecheck.static.run import Run
from shapecheck.static.values import real


@op("matmul", "bmm", "mm", "__matmul__", "dot", "mv")
def matmul(call: Call) -> Value:
    a, b = call.tensor(0, "input"), call.tensor(1, "other", "mat2")
    return product(call, a, b)


@op("baddbmm", "addmm", "addbmm")
def add_product(call: Call) -> Value:
    """beta * input + alpha * (batch1 @ batch2)."""
    result = product(call, call.tensor(1, "batch1", "mat1"), call.tensor(2, "batch2", "mat2"))
    if not isinstance(result, Tensor):
        return result
    if call.name == "addbmm":  # the products of a batch are added up
        result = call.emit([result], Shape(call.shape(result, -2).entries[-2:]), op="reduce")
    if "alpha" in call.kwargs:
        scaled = Scaled(real(call.kwargs["alpha"]))
        result = call.emit([result], result.shape, scaled, op="mul", memory=result.memory)
    bias = call.tensor(0, "input")
    return call.emit([result, bias], result.shape, op="add", memory=result.memory)


def _by_weights(call: Call, a: Tensor, b: Tensor, left: Shape, right: Shape) -> Value:
    """[*, i] @ [i, o]: how many axes there are isn't asked before all has been seen that may tell."""
    call.run.unsettled = True
    if left.position(-1) is None:
        raise Lost("rank")
    return call.emit([a, b], left.put(len(left.entries) - 1, right.at(-1)), op="matmul")


def product(call: Call, a: Tensor, b: Tensor) -> Value:
    """`a @ b`."""
    run = call.run
    left, right = run.shape(a), run.shape(b)
    if left.rank == 1 or right.rank == 1:
        return _vector(call, a, b, left, right)
    if left.row is not None and left.at(-2) is None and right.rank == 2 and not run.assume:
        return _by_weights(call, a, b, run.back(left, -1), right)
    left, right = run.back(left, -2), run.back(right, -2)
    n, inner = left.at(-2), left.at(-1)
    other, m = right.at(-2), right.at(-1)
    if n is None or inner is None or other is None or m is None:
        raise Lost("rank")
    if run.facts.assumed and {a.origin, b.origin} == {Origin.OTHER} and _lopsided(left, right):
        run.conflict = True
    batch, batch_clash = broadcast(run, Shape(left.entries[:-2]), Shape(right.entries[:-2]))
    if batch is None:
        batch = Shape(left.entries[:-2]) if len(left.entries) >= len(right.entries) else Shape(right.entries[:-2])
    activations = both_projected(a, b, left, right)
    clash = (inner, other) if differ(run, inner, other, activations=activations) else batch_clash
    if clash is None and activations:
        share_batch(run, left, right)
        clash = _batches(run, left.entries[:-2], right.entries[:-2])
    certain = clash is None and run.facts.same(inner.size, other.size)
    if clash is None:
        agree(run, inner, other)
    m = weighted(run, m) if b.origin is Origin.PARAMETER else m
    n = weighted(run, n) if a.origin is Origin.PARAMETER else n
    m = renewed(run, m, Shape((*batch.entries, n)))
    shape = Shape((*batch.entries, n, m))
    detail = Contraction(((inner, other),), (n,), (m,), clash, _ratio(run, clash), certain)
    return call.emit([a, b], shape, detail, op="matmul", memory=in_order(run, shape))


def _lopsided(left: Shape, right: Shape) -> bool:
    """Whether batches of two ranks meet: where a rank was only assumed, it was the wrong one."""
    ranks = {shape.rank for shape in (left, right)}
    return None not in ranks and len(ranks) == 2 and min(rank for rank in ranks if rank is not None) > 2


def both_projected(a: Tensor, b: Tensor, left: Shape, right: Shape) -> bool:
    """Whether both operands are activations that layers gave out: queries and keys."""
    if a.origin is not Origin.OTHER or b.origin is not Origin.OTHER:
        return False
    return all(any(factor.origin is Origin.LAYER for factor in shape.factors()) for shape in (left, right))


def _batches(run: Run, a: tuple[Entry, ...], b: tuple[Entry, ...]) -> tuple[Axis, Axis] | None:
    """Two axes in front that a product of activations never broadcasts: heads against tokens."""
    for one, other in zip(reversed(a), reversed(b), strict=False):
        if isinstance(one, Row) or isinstance(other, Row):
            return None
        if one.is_one or other.is_one or _leads(one) or _leads(other):
            continue
        if differ(run, one, other, activations=True):
            return one, other
    return None


def _vector(call: Call, a: Tensor, b: Tensor, left: Shape, right: Shape) -> Value:
    if left.rank == 1 and right.rank == 1:
        shape, pair = Shape(()), (left.at(0), right.at(0))
    elif right.rank == 1:
        shape, pair = Shape(left.entries[:-1]), (left.at(-1), right.at(0))
    else:
        shape, pair = Shape((*right.entries[:-2], *right.entries[-1:])), (left.at(0), right.at(-2))
    if pair[0] is None or pair[1] is None:
        raise Lost("rank")
    return call.emit(
        [a, b], shape, Contraction(((pair[0], pair[1]),), (), ()), op="matmul", memory=in_order(call.run, shape)
    )


def weighted(run: Run, axis: Axis) -> Axis:
    """The axis that a product with a parameter brings: output features, like a layer's."""
    return run.axis(axis.size, Origin.LAYER) if axis.factors else axis


def renewed(run: Run, axis: Axis, others: Shape) -> Axis:
    """The axis with an identity of its own where another already has it: scores are [t, t], and only one is the keys."""
    taken = {factor.id for factor in others.factors()}
    if not axis.ids & taken:
        return axis
    return Axis(tuple(
        Factor(factor.size, run.fresh(factor.size).id, factor.origin, factor.part, factor.whole) for factor in axis.factors
    ))  # fmt: skip


def _ratio(run: Run, clash: tuple[Axis, Axis] | None) -> Dim | None:
    return run.facts.ratio(clash[0].size, clash[1].size) if clash is not None else None


def differ(run: Run, left: Axis, right: Axis, *, activations: bool) -> bool:
    """Whether two axes that a product sums over are never the same size.

    An input's size against a constructor's or a config's is never the same where both are activations and nothing has
    bound them: it is how keys that were not transposed show.
    """
    if left.ids & right.ids and left.size == right.size:
        return False
    a, b = run.facts.simplify(left.size), run.facts.simplify(right.size)
    if a == b or not a.known or not b.known:
        return False
    if a.value is not None and b.value is not None:
        return a.value != b.value
    if run.facts.ratio(a, b) is not None:
        return True
    if not activations:
        return False
    if run.facts.of_one_input(a, b):
        return True
    kinds = run.facts.kinds(a), run.facts.kinds(b)
    for one, own in ((a, kinds), (b, kinds[::-1])):
        symbol = one.symbol
        if not own[1] or not own[1] <= {Kind.CONSTRUCTOR, Kind.CONFIG}:
            continue
        if symbol is not None and symbol.kind is Kind.INPUT and is_sequence(left if one == a else right):
            return True
        if symbol is None and is_made_of_lengths(run, left if one == a else right):
            return True
    return False


def share_batch(run: Run, left: Shape, right: Shape) -> None:
    """Learn that the first axes of two inputs are one batch, where queries of one meet keys of the other."""
    a, b = left.at(0), right.at(0)
    if (
        left.rank is None
        or left.rank != right.rank
        or left.rank < 3
        or a is None
        or b is None
        or not (_leads(a) and _leads(b))
    ):
        return
    one, other = a.size.symbol, b.size.symbol
    if one is not None and other is not None and one != other and {one.kind, other.kind} == {Kind.INPUT}:
        run.facts.bind(other, a.size)


def _leads(axis: Axis) -> bool:
    """Whether an axis is an input's first one."""
    key = axis.factors[0].id if axis.factors else None
    return isinstance(key, tuple) and len(key) == 3 and key[1] == 0 and not ahead(key[0])


def agree(run: Run, left: Axis, right: Axis) -> None:
    """Learn that two axes are the same size, where one of them is an input's."""
    a, b = run.facts.simplify(left.size), run.facts.simplify(right.size)
    if a == b:
        return
    for one, other in ((a, b), (b, a)):
        symbol = one.symbol
        if symbol is not None and symbol.kind in (Kind.INPUT, Kind.UNKNOWN) and other.known:
            run.facts.bind(symbol, other)
            return


@op("linear")
def linear(call: Call) -> Value:
    """F.linear(x, weight): weight is [out, in]."""
    tensor, weight = call.tensor(0, "input"), call.tensor(1, "weight")
    shape, kernel = call.run.back(call.run.shape(tensor), -1), call.run.back(call.run.shape(weight), -2)
    got, out, takes = shape.at(-1), kernel.at(-2), kernel.at(-1)
    if got is None or out is None or takes is None:
        raise Lost("linear")
    agree(call.run, got, takes)
    result = Shape((*shape.entries[:-1], weighted(call.run, out)))
    origin = (
        Origin.PARAMETER if tensor.origin is Origin.PARAMETER and weight.origin is Origin.PARAMETER else Origin.OTHER
    )
    detail = Applied("Linear", "linear", takes.size, got)
    memory = in_order(call.run, result)
    return call.emit([tensor, weight], result, detail, op="layer", memory=memory, origin=origin)


from shapecheck.static.values import Value  # noqa: E402
