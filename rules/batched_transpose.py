"""`.T` on more than two axes reverses them all.

`keys.T` is right for one sequence `[t, d]`. On a batch `[b, t, d]` it gives `[d, t, b]`: the product then raises, or,
where the sizes happen to fit, mixes the samples of the batch. torch deprecates it for any other rank than 2.

    class SelfAttention(nn.Module):
        def __init__(self, d_in, d_out):
            super().__init__()
            self.q = nn.Linear(d_in, d_out)
            self.k = nn.Linear(d_in, d_out)

        def forward(self, x):
            b, t, _ = x.shape
            q, k = self.q(x), self.k(x)
            return (q @ k.T / k.shape[-1] ** 0.5).softmax(dim=-1)  # expect: SHP005

`mT` turns the last two axes and leaves the batch alone:

    class SelfAttention(nn.Module):
        def __init__(self, d_in, d_out):
            super().__init__()
            self.q = nn.Linear(d_in, d_out)
            self.k = nn.Linear(d_in, d_out)

        def forward(self, x):
            b, t, _ = x.shape
            q, k = self.q(x), self.k(x)
            return (q @ k.mT / k.shape[-1] ** 0.5).softmax(dim=-1)

PyTorch: https://docs.pytorch.org/docs/stable/tensors.html#torch.Tensor.T
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Severity
from shapecheck.shapes.trace import Trace

code, severity = "SHP005", Severity.ERROR


def check(trace: Trace) -> Iterator[Draft]:
    for step in trace.steps:
        if step.op != "reverse":
            continue
        shape = trace.shape(step.operands[0])
        if shape is not None and shape.rank is not None and shape.rank > 2:
            yield Draft(
                step.place,
                f"`.T` reverses all {shape.rank} axes: {shape} becomes {trace.shape(step.result)}",
                outcome="raises where the sizes don't fit by chance, and mixes the batch where they do",
                help="`.mT` turns the last two axes",
                step=step.index,
            )
