"""`is_causal` where there are more keys than queries.

`is_causal=True` lines queries and keys up at the beginning: query 0 sees key 0 and no more. With a cache the keys are
longer, the queries are the last of them, and each sees the oldest tokens only.

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x, past=None):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            if past is not None:
                k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # expect: ATN025
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

Give a mask whose diagonal ends at the last key, where there is a cache:

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x, past=None):
            b, t, d = x.shape
            q, k, v = self.qkv(x).view(b, t, 3, self.n_heads, self.head_dim).permute(2, 0, 3, 1, 4)
            seen = None
            if past is not None:
                k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
                s = k.shape[2]
                seen = torch.ones(t, s, dtype=torch.bool).tril(diagonal=s - t)
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=past is None)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, d))

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.attention.bias.CausalBias.html
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Severity
from shapecheck.shapes.details import Joined, Sdpa
from shapecheck.shapes.trace import Step, Tensor, Trace

code, severity = "ATN025", Severity.WARNING


def check(trace: Trace) -> Iterator[Draft]:
    for step in trace.steps:
        if isinstance(step.detail, Sdpa) and step.detail.causal and step.detail.layout == "b h t d":
            ahead = _longer(trace, step)
            if ahead is not None:
                yield Draft(
                    step.place,
                    f"is_causal lines {ahead[0]} queries up with the first of {ahead[1]} keys",
                    outcome="silent: each query sees the oldest keys, and not those before it",
                    help="a mask with `tril(diagonal=keys - queries)`; or `is_causal` only where there is no cache",
                    step=step.index,
                    spoils=False,
                )


def _longer(trace: Trace, step: Step) -> tuple[str, str] | None:
    """How long queries and keys are, where the keys are the queries' own with others put in front."""
    queries, keys = trace.shape(step.operands[0]), trace.shape(step.operands[1])
    if queries is None or keys is None:
        return None
    short, long = queries.at(-2), keys.at(-2)
    joined = _joined(trace, step.operands[1])
    if short is None or long is None or joined is None or len(joined.operands) != 2:
        return None
    new = trace.shape(joined.operands[-1])
    if new is None or not any(trace.facts.same(axis.size, short.size) for axis in new.axes or ()):
        return None
    if not long.size.known or trace.facts.same(short.size, long.size) or not (long.size - short.size).known:
        return None
    return str(short), str(long)


def _joined(trace: Trace, tensor: Tensor) -> Step | None:
    """The cat that keys come from."""
    for _ in range(8):
        step = trace.maker(tensor)
        if step.op == "cat" and isinstance(step.detail, Joined):
            return step
        if not step.operands or step.op in ("layer", "matmul", "input"):
            return None
        tensor = step.operands[0]
    return None
