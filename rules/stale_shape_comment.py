"""A comment or docstring that gives a tensor another shape than it has.

Shape comments are what readers of attention code go by, and nothing runs them: the line changes, the comment stays.
Every form that people write is read (`# (b, h, t, d)`, `# B x T x C`, `# bhnd`, `# (B, T, C) -> (B, H, T, D)`, behind the
line, above it, under a docstring's Args and Returns). A name means one size in one function; what a name that is never
bound stands for is nobody's business.

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, c = x.shape
            q, k, v = self.qkv(x).chunk(3, dim=-1)  # (b, t, c)
            q = q.view(b, t, self.n_heads, self.head_dim).transpose(1, 2)  # (b, t, n_heads, head_dim)  # expect: SHP006
            k = k.view(b, t, self.n_heads, self.head_dim).transpose(1, 2)
            v = v.view(b, t, self.n_heads, self.head_dim).transpose(1, 2)
            y = F.scaled_dot_product_attention(q, k, v)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, c))

Say what the line makes:

    class Attention(nn.Module):
        def __init__(self, d_model, n_heads):
            super().__init__()
            assert d_model % n_heads == 0
            self.n_heads, self.head_dim = n_heads, d_model // n_heads
            self.qkv = nn.Linear(d_model, 3 * d_model)
            self.out_proj = nn.Linear(d_model, d_model)

        def forward(self, x):
            b, t, c = x.shape
            q, k, v = self.qkv(x).chunk(3, dim=-1)  # (b, t, c)
            q = q.view(b, t, self.n_heads, self.head_dim).transpose(1, 2)  # (b, n_heads, t, head_dim)
            k = k.view(b, t, self.n_heads, self.head_dim).transpose(1, 2)
            v = v.view(b, t, self.n_heads, self.head_dim).transpose(1, 2)
            y = F.scaled_dot_product_attention(q, k, v)
            return self.out_proj(y.transpose(1, 2).reshape(b, t, c))
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Holds, Rewrite, Severity
from shapecheck.shapes.claims import Claim, Verdict
from shapecheck.shapes.trace import Trace

code, severity, holds = "SHP006", Severity.WARNING, Holds.REACHING


def check(trace: Trace) -> Iterator[Draft]:
    told_true = {claim.remark.place for claim in trace.claims if claim.verdict is Verdict.HOLDS}
    for claim in trace.claims:
        if claim.verdict is Verdict.LIES and claim.remark.place not in told_true:
            yield _draft(claim)


def _draft(claim: Claim) -> Draft:
    remark = claim.remark
    said = " ".join(remark.place.code.split())
    what = f"`{remark.name}`" if remark.name.isidentifier() else remark.name or "what the line gives"
    if remark.said.before:
        what = "what the line takes"
    return Draft(
        remark.place,
        f"the comment says {said}, and {what} is {claim.shape}: {claim.why}",
        outcome="silent: nothing runs a comment",
        help=f"`{claim.mended}`" if claim.mended is not None else None,
        fix=Rewrite("write the shape that is there", ((remark.place, claim.mended),), safe=True)
        if claim.mended is not None
        else None,
    )
