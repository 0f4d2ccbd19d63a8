"""A causal mask that is off by one.

`triu` makes a mask of what is to be hidden with `diagonal=1`: with 0 it hides each token from itself, and the first one
has nothing left to see; with 2 it shows the next token, which is the one to be predicted. A mask of what is to be seen is
`tril` with diagonal 0.

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
            hidden = torch.triu(torch.ones(t, t, dtype=torch.bool))
            scores = scores.masked_fill(hidden, float("-inf"))  # expect: ATN024
            weights = scores.softmax(dim=-1)
            return self.out_proj((weights @ v).transpose(1, 2).reshape(b, t, d))

Start beside the diagonal:

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
            hidden = torch.triu(torch.ones(t, t, dtype=torch.bool), diagonal=1)
            scores = scores.masked_fill(hidden, float("-inf"))
            weights = scores.softmax(dim=-1)
            return self.out_proj((weights @ v).transpose(1, 2).reshape(b, t, d))

PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.triu.html
"""

from collections.abc import Iterator

from shapecheck.rule import Draft, Rewrite, Severity
from shapecheck.shapes.making import Triangle
from shapecheck.shapes.maskings import Masking, Way
from shapecheck.shapes.masks import Marks
from shapecheck.shapes.trace import Trace

code, severity = "ATN024", Severity.ERROR


def check(trace: Trace) -> Iterator[Draft]:
    for masking in trace.maskings:
        off = _off(masking)
        if off is not None:
            nan = masking.fill == float("-inf") or masking.way is Way.KEEPS
            first = "the first one's weights are NaN" if nan else "the first one sees all"
            yield Draft(
                masking.step.place,
                "the causal mask hides each token from itself" if off < 0 else "the causal mask shows the next token",
                outcome=f"silent: {first if off < 0 else 'what is to be predicted is seen'}",
                help="`triu(…, diagonal=1)` for what is hidden, `tril(…)` for what is seen",
                step=masking.step.index,
                spoils=False,
                fix=_moved(trace, masking, off),
            )


def _moved(trace: Trace, masking: Masking, off: int) -> Rewrite | None:
    """The triangle with its diagonal where it belongs, where a single one made the mask."""
    steps = [trace.steps[index] for index in trace.ancestors(trace.maker(masking.mask))] if masking.mask else []
    made = [(step, step.detail) for step in steps if isinstance(step.detail, Triangle)]
    if len(made) != 1:
        return None
    ((step, kept),) = made
    value = kept.diagonal.value if kept.diagonal is not None else None
    if value is None or value - kept.upper != off:  # turned over since
        return None
    if kept.at is not None:
        return Rewrite("move the diagonal", ((kept.at, str(value - off)),), safe=False)
    call = step.place.code.removesuffix(")")
    return Rewrite(
        "move the diagonal",
        ((step.place, f"{call}{'' if call.endswith('(') else ', '}diagonal={value - off})"),),
        safe=False,
    )


def _off(masking: Masking) -> int | None:
    """How far the diagonal is from where it belongs, where that is by one."""
    made = masking.made
    if (
        made is None
        or not made.exact
        or not masking.square
        or masking.wrong_way_round
        or not masking.hides_what_is_hidden
    ):
        return None
    for region in made.regions:
        if region.marks is Marks.CAUSAL and region.diagonal is not None and region.diagonal.value in (-1, 1):
            return region.diagonal.value
    return None
