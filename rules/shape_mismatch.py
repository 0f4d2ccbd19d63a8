"""Sizes that must agree and never do: in a product, a layer, a sum, a concatenation or a split.

Both shapes are known from the source, and no choice of the sizes makes them agree. The line raises when it is run.

    class Attention(nn.Module):
        def __init__(self, d_in, d_out):
            super().__init__()
            self.q = nn.Linear(d_in, d_out)
            self.k = nn.Linear(d_in, d_out)

        def forward(self, x):
            b, t, _ = x.shape
            q, k = self.q(x), self.k(x)
            return (q @ k / q.shape[-1] ** 0.5).softmax(dim=-1) @ x  # expect: SHP001

A product sums over the last axis of the left and the last but one of the right:

    class Attention(nn.Module):
        def __init__(self, d_in, d_out):
            super().__init__()
            self.q = nn.Linear(d_in, d_out)
            self.k = nn.Linear(d_in, d_out)

        def forward(self, x):
            b, t, _ = x.shape
            q, k = self.q(x), self.k(x)
            return (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(dim=-1) @ x

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.matmul.html
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Holds, Severity
from shapecheck.shapes.details import Applied, Contraction, Meeting, Parted
from shapecheck.shapes.trace import Step, Trace

code, severity, holds = "SHP001", Severity.ERROR, Holds.RAISING


def check(trace: Trace) -> Iterator[Draft]:
    for step in trace.steps:
        match step.detail:
            case Contraction(clash=(left, right)):
                yield _product(trace, step, str(left), str(right))
            case Applied(clash=True, takes=takes, got=got, layer=layer, name=name, weak=weak):
                shape = trace.shape(step.operands[0])
                yield Draft(
                    step.place,
                    f"`{name or layer}` takes {takes} features and is given {got}: its input is {shape}",
                    outcome="raises: "
                    + (
                        "the input's last axis is not the normalized shape"
                        if layer.endswith("Norm")
                        else "mat1 and mat2 shapes cannot be multiplied"
                    ),
                    step=step.index,
                    everywhere=weak,
                )
            case Meeting(left=left, right=right):
                shapes = " and ".join(str(trace.shape(operand)) for operand in step.operands[:2])
                yield Draft(
                    step.place, f"{left} meets {right}: {shapes}", step=step.index,
                    outcome=f"raises: the size of tensor a ({left}) must match the size of tensor b ({right})",
                )  # fmt: skip
            case Parted(axis=axis, parts=parts):
                yield Draft(
                    step.place,
                    f"{' + '.join(map(str, parts))} is not the {axis} that are split: {trace.shape(step.operands[0])}",
                    outcome="raises: split_sizes must sum exactly to the axis",
                    step=step.index,
                )


def _product(trace: Trace, step: Step, left: str, right: str) -> Draft:
    a, b = (trace.shape(operand) for operand in step.operands[:2])
    turned = b is not None and str(b.at(-1)) == left
    return Draft(
        step.place,
        f"the product sums {left} against {right}: {a} with {b}",
        outcome="raises: the sizes of the axes that are summed over must match",
        help="transpose the last two axes of the right side: `.transpose(-2, -1)`" if turned else None,
        step=step.index,
    )
