"""What a layer of torch.nn holds: the shapes of `weight` and `bias`, the sizes of a convolution's window."""

from __future__ import annotations

from shapecheck.shapes.dim import ONE, Dim
from shapecheck.shapes.shape import Row
from shapecheck.static.run import Run
from shapecheck.static.values import FALSE, NONE, Layer, Num, Seq, Value, number

WINDOW = {
    "kernel_size": None,
    "stride": 1,
    "padding": 0,
    "dilation": 1,
}  # of a convolution, with what they are by default


def weight(run: Run, layer: Layer, name: str) -> list[Dim] | None:
    """The sizes of a layer's parameter of this name; None where they aren't known."""
    kind = layer.type
    if kind == "Linear":
        found = _sizes(layer, *(("out_features", "in_features") if name == "weight" else ("out_features",)))
    elif kind == "Conv1D":  # transformers': a Linear the other way round
        found = _sizes(layer, *(("nx", "nf") if name == "weight" else ("nf",)))
    elif kind == "Embedding" and name == "weight":
        found = _sizes(layer, "num_embeddings", "embedding_dim")
    elif kind in ("LayerNorm", "RMSNorm"):
        found = _listed(layer, "normalized_shape")
    elif kind.startswith("BatchNorm"):
        found = _sizes(layer, "num_features")
    elif kind == "GroupNorm":
        found = _sizes(layer, "num_channels")
    elif kind in ("Conv1d", "Conv2d", "Conv3d"):
        found = _kernel(run, layer, int(kind[4])) if name == "weight" else _sizes(layer, "out_channels")
    else:
        found = None
    return found


def has_none(layer: Layer, name: str) -> bool:
    """Whether a layer was built without this parameter."""
    given = ("elementwise_affine", "affine", *(("bias",) if name == "bias" else ()))
    return any(layer.arguments.get(one) == FALSE for one in given)


def window(layer: Layer, name: str) -> Value | None:
    """What a convolution keeps of its window: one number for each axis, whatever it was given; None where that isn't known."""
    if layer.type not in ("Conv1d", "Conv2d", "Conv3d"):
        return None
    default = WINDOW[name]
    given = layer.arguments.get(name, NONE if default is None else Num(Dim.of(default)))
    return Seq([given] * int(layer.type[4])) if isinstance(given, Num) else None


def _sizes(layer: Layer, *names: str) -> list[Dim] | None:
    found = [number(layer.arguments.get(name, NONE)) for name in names]
    known = [dim for dim in found if dim is not None]
    return known if len(known) == len(found) else None


def _listed(layer: Layer, name: str) -> list[Dim] | None:
    value = layer.arguments.get(name)
    if not isinstance(value, Seq):
        return _sizes(layer, name)
    found = [number(item) for item in value.items if not isinstance(item, Row)] if value.plain else [None]
    known = [dim for dim in found if dim is not None]
    return known if len(known) == len(found) else None


def _kernel(run: Run, layer: Layer, rank: int) -> list[Dim] | None:
    """[out_channels, in_channels // groups, *kernel_size]"""
    widths = _sizes(layer, "out_channels", "in_channels")
    groups = number(layer.arguments["groups"]) if "groups" in layer.arguments else ONE
    kernel = _listed(layer, "kernel_size")
    if widths is None or groups is None or not groups.terms or kernel is None or len(kernel) not in (1, rank):
        return None
    each = run.facts.divide(widths[1], groups)
    if each is None:
        each = widths[1] // groups
    return [widths[0], each, *(kernel if len(kernel) == rank else kernel * rank)]
