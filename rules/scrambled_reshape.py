"""A view or reshape that changes the order of axes, and so mixes the values of different tokens.

`view` and `reshape` keep the order of the elements: they only group or split neighbouring axes. Heads that were moved
in front of the tokens by a transpose must be moved back before they are merged. Otherwise the result has the right
shape, the module trains, and every output holds values of other tokens.

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            if d_model % n_heads:
                raise ValueError(f"{d_model} does not divide into {n_heads} heads")
            self.n_heads = n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = (y.view(b, t, self.n_heads, -1).transpose(1, 2) for y in self.qkv(x).chunk(3, dim=-1))
            y = F.scaled_dot_product_attention(q, k, v)
            return self.out_proj(y.reshape(b, t, d))  # expect: SHP003

Transpose back first:

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            if d_model % n_heads:
                raise ValueError(f"{d_model} does not divide into {n_heads} heads")
            self.n_heads = n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = (y.view(b, t, self.n_heads, -1).transpose(1, 2) for y in self.qkv(x).chunk(3, dim=-1))
            y = F.scaled_dot_product_attention(q, k, v)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.reshape.html
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Severity
from shapecheck.shapes.details import Reshape
from shapecheck.shapes.reshape import Verdict
from shapecheck.shapes.shape import Origin, is_heads
from shapecheck.shapes.trace import Step, Trace

code, severity = "SHP003", Severity.ERROR


def check(trace: Trace) -> Iterator[Draft]:
    for step in trace.steps:
        scrambled = isinstance(step.detail, Reshape) and step.detail.regrouping.verdict is Verdict.SCRAMBLED
        if (
            scrambled
            and isinstance(step.detail, Reshape)
            and not (_is_relative_shift(trace, step) or _is_batch_of_one(step.detail))
        ):
            old = trace.shape(step.operands[0])
            if old is None or not old.known:
                continue
            yield _draft(trace, step, step.detail)


def _is_relative_shift(trace: Trace, step: Step) -> bool:
    """Whether a padded tensor's last two axes change places: Transformer-XL's trick shifts rows by that on purpose."""
    old, new = trace.shape(step.operands[0]), trace.shape(step.result)
    if (
        old is None
        or new is None
        or old.rank is None
        or old.rank != new.rank
        or trace.maker(step.operands[0]).op not in ("pad", "cat")
    ):
        return False
    return old.entries[:-2] == new.entries[:-2] or [str(one) for one in old.entries[:-2]] == [
        str(one) for one in new.entries[:-2]
    ]


def _is_batch_of_one(detail: Reshape) -> bool:
    """Whether the batch is left out and the rest counted by -1: written for a batch of 1, where nothing moves."""
    first = detail.old[0].factors[:1]
    leading = bool(first) and first[0].origin is Origin.INPUT
    return (
        leading
        and detail.inferred is not None
        and len(detail.new) < len(detail.old) - 1
        and detail.regrouping.left == detail.old[0].size
    )


def _draft(trace: Trace, step: Step, detail: Reshape) -> Draft:
    old, new = trace.shape(step.operands[0]), trace.shape(step.result)
    first, second = detail.regrouping.left, detail.regrouping.need
    merged, split = len(detail.new) < len(detail.old), len(detail.new) > len(detail.old)
    if merged and any(map(is_heads, detail.old)):
        what, help_ = (
            "heads merged without transposing back",
            "`.transpose(1, 2)` before it puts the heads beside head_dim",
        )
    elif split and any(factor.origin is Origin.LAYER for factor in detail.old[-1].factors):
        what, help_ = (
            "heads split before the sequence",
            "split the last axis first: `.view(b, t, heads, -1).transpose(1, 2)`",
        )
    else:
        what, help_ = "axes exchanged by a reshape", "`permute` exchanges axes, `reshape` does not"
    return Draft(
        step.place,
        f"{what}: {old} to {new} takes {first} where {second} is wanted",
        outcome=f"silent: the output has the shape {new} all the same, made of other tokens' values",
        help=help_,
        step=step.index,
    )
