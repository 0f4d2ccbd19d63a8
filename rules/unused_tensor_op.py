"""The result of an op that gives a new tensor is dropped.

`masked_fill`, `transpose`, `clamp` and their like leave the tensor that they are asked of as it was and return another
one. As a statement by itself such a call does nothing: the mask doesn't mask, and later tokens are seen.

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            scores = q @ k.transpose(-2, -1) * self.head_dim**-0.5
            later = torch.ones(t, t, dtype=torch.bool).triu(1)
            scores.masked_fill(later, -torch.inf)  # expect: SHP008
            return self.out_proj((scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(b, t, d))

Bind the result, or change the tensor in place by the op with an underscore, `scores.masked_fill_(…)`:

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            scores = q @ k.transpose(-2, -1) * self.head_dim**-0.5
            later = torch.ones(t, t, dtype=torch.bool).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
            return self.out_proj((scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(b, t, d))

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.masked_fill.html
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Rewrite, Severity
from shapecheck.shapes.trace import Discarded, Trace

code, severity = "SHP008", Severity.ERROR


def check(trace: Trace) -> Iterator[Draft]:
    for discarded in trace.discarded:
        call = " ".join(discarded.step.place.code.split())
        yield Draft(
            discarded.step.place,
            f"the result of `{discarded.op}` is dropped, and `{discarded.of}` stays as it was",
            outcome="silent: the statement does nothing",
            help=f"`{discarded.of} = {call}`",
            fix=_bound(trace, discarded),
        )


def _bound(trace: Trace, discarded: Discarded) -> Rewrite | None:
    """The result bound to the name: safe where nothing after it is given another shape than before."""
    place, of = discarded.step.place, discarded.of
    if not discarded.local or place.code.startswith("("):
        return None
    before, after = trace.shape(discarded.step.operands[0]), trace.shape(discarded.step.result)
    return Rewrite(f"bind the result to `{of}`", ((place, f"{of} = {place.code}"),), safe=before == after)
