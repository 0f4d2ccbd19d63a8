"""One snippet or more for each layer of the table that takes arguments."""

from __future__ import annotations

from snippets import Snippet, layer

IDS = {"ids": "long"}
RE = "from einops.layers.torch import Rearrange\n"

LAYER_CASES: dict[str, list[Snippet]] = {
    "Linear": [
        layer("nn.Linear(i, o)", x="* i"),
        layer("nn.Linear(i, 3 * o, bias=False)", x="* i"),
        layer("nn.Linear(in_features=i, out_features=o)", x="* i"),
    ],
    "LazyLinear": [layer("nn.LazyLinear(o)", x="* i", device="cpu")],
    "NonDynamicallyQuantizableLinear": [layer("nn.modules.linear.NonDynamicallyQuantizableLinear(i, o)", x="* i")],
    "Dropout1d": [layer("nn.Dropout1d()", x="b c l")],
    "Dropout2d": [layer("nn.Dropout2d(0.1)", x="b c y z")],
    "Dropout3d": [layer("nn.Dropout3d(0.1)", x="b c u v w")],
    "FeatureAlphaDropout": [layer("nn.FeatureAlphaDropout()", x="b c y z")],
    "Threshold": [layer("nn.Threshold(0.1, 20)", x="* t")],
    "PReLU": [layer("nn.PReLU()", x="b t *"), layer("nn.PReLU(c)", x="b c *")],
    "Identity": [
        layer("nn.Identity()", "self.layer(x.relu())", x="* t"),
        layer("nn.Identity(54, unused=1)", "self.layer(x.relu())", x="* t"),
    ],
    "LayerNorm": [
        layer("nn.LayerNorm(d)", x="* d"),
        layer("nn.LayerNorm((t, d))", x="* t d"),
        layer("nn.LayerNorm([d], eps=1e-6)", x="* d"),
    ],
    "RMSNorm": [layer("nn.RMSNorm(d)", x="* d")],
    "GroupNorm": [
        layer("nn.GroupNorm(2, 2 * c)", x="b 2*c *"),
        layer("nn.GroupNorm(num_groups=1, num_channels=c)", x="b c l"),
    ],
    "BatchNorm1d": [layer("nn.BatchNorm1d(c)", x="b c l"), layer("nn.BatchNorm1d(c)", x="b c")],
    "BatchNorm2d": [layer("nn.BatchNorm2d(c)", x="b c y z")],
    "BatchNorm3d": [layer("nn.BatchNorm3d(c)", x="b c u v w")],
    "InstanceNorm1d": [layer("nn.InstanceNorm1d(c)", x="b c l")],
    "InstanceNorm2d": [layer("nn.InstanceNorm2d(c)", x="b c y z")],
    "InstanceNorm3d": [layer("nn.InstanceNorm3d(c)", x="b c u v w")],
    "LocalResponseNorm": [layer("nn.LocalResponseNorm(2)", x="b c y z")],
    "Embedding": [
        layer("nn.Embedding(n, d)", ids="* t", dtypes=IDS),
        layer("nn.Embedding(num_embeddings=n, embedding_dim=d)", ids="b t", dtypes=IDS),
    ],
    "Softmax": [layer("nn.Softmax(dim=-1)", x="* t"), layer("nn.Softmax(1)", x="b t *")],
    "LogSoftmax": [layer("nn.LogSoftmax(dim=-1)", x="* t")],
    "Sequential": [
        layer("nn.Sequential(nn.Linear(i, h), nn.GELU(), nn.Dropout(0.1), nn.Linear(h, o))", x="* i"),
        layer("nn.Sequential(*[nn.Linear(i, i) for _ in range(3)])", x="* i"),
        layer("nn.Sequential(*[nn.Linear(i, i) for _ in range(n)])", x="* i"),
    ],
    "Flatten": [
        layer("nn.Flatten()", x="b t *"),
        layer("nn.Flatten(2)", x="b c y z"),
        layer("nn.Flatten(0, 1)", x="b t *"),
        layer("nn.Flatten(start_dim=-2)", x="* t d"),
    ],
    "Unflatten": [
        layer("nn.Unflatten(1, (h, d))", x="b h*d *"),
        layer("nn.Unflatten(-1, (h, -1))", x="* h*d", known=False),
    ],
    "Rearrange": [
        layer("Rearrange('b t (h d) -> b h t d', h=h)", x="b t h*d", imports=RE),
        layer("Rearrange('b c (y p) (z q) -> b (y z) (p q c)', p=2, q=2)", x="b c 2*y 2*z", imports=RE),
        layer("nn.Sequential(Rearrange('b t d -> b d t'), nn.Linear(t, o))", x="b t d", imports=RE),
    ],
    "MultiheadAttention": [
        layer("nn.MultiheadAttention(e, 1, batch_first=True)", "self.layer(q, k, k)", q="b t e", k="b s e"),
        layer("nn.MultiheadAttention(e, 1)", "self.layer(q, k, k)", q="t b e", k="s b e"),
        layer(
            "nn.MultiheadAttention(2 * e, 2, batch_first=True)",
            "self.layer(q, k, k, need_weights=False)[0]",
            q="b t 2*e",
            k="b s 2*e",
        ),
        layer("nn.MultiheadAttention(e, 1)", "self.layer(q, k, k)", q="t e", k="s e"),
        layer(
            "nn.MultiheadAttention(2 * e, 2, batch_first=True)",
            "self.layer(q, k, k, average_attn_weights=False)",
            q="b t 2*e",
            k="b s 2*e",
        ),
        layer(
            "nn.MultiheadAttention(e, 1, kdim=u, vdim=v, batch_first=True)",
            "self.layer(q, k, w)[0]",
            q="b t e",
            k="b s u",
            w="b s v",
        ),
        layer(
            "nn.MultiheadAttention(2 * e, 2, batch_first=True)",
            "self.layer(q, k, k, None, False)[0]",
            q="b t 2*e",
            k="b s 2*e",
        ),
    ],
    "Conv1d": [
        layer("nn.Conv1d(c, o, 3, padding=1)", x="b c l"),
        layer("nn.Conv1d(c, o, 1)", x="b c l"),
        layer("nn.Conv1d(c, o, 2, 2)", x="b c 2*l"),
        layer("nn.Conv1d(c, o, k, padding=k // 2)", x="b c l", sizes={"k": 3}),
        layer("nn.Conv1d(c, o, 5, stride=2, padding=4, dilation=2)", x="b c l", sizes={"l": 13}),
        layer("nn.Conv1d(c, o, 3, padding='same')", x="b c l"),
        layer("nn.Conv1d(c, c, 3, groups=c, padding='valid')", x="b c 9"),
        layer("nn.Conv1d(c, o, 1)", x="c l"),
        layer("nn.Conv1d(c, o, 2, 2, 1, 1)", x="b c l"),
    ],
    "Conv2d": [
        layer("nn.Conv2d(c, o, kernel_size=p, stride=p)", x="b c p*y p*z"),
        layer("nn.Conv2d(c, o, 3, 2, 1)", x="b c y z"),
        layer("nn.Conv2d(c, o, (3, 1), padding=(1, 0))", x="b c y z"),
        layer("nn.Conv2d(c, o, 1, bias=False)", x="b c y z"),
        layer(
            "nn.Conv2d(c, o, kernel_size=(p, q), stride=(p, q))",
            "self.layer(x).flatten(2).transpose(1, 2)",
            x="b c p*y q*z",
        ),
    ],
    "Conv3d": [
        layer("nn.Conv3d(c, o, 2, 2)", x="b c 2*u 2*v 2*w"),
        layer("nn.Conv3d(c, o, kernel_size=(1, 3, 3), padding=(0, 1, 1))", x="b c u v w"),
    ],
    "AvgPool1d": [layer("nn.AvgPool1d(2)", x="b c 2*l"), layer("nn.AvgPool1d(2, 2, 0, True)", x="b c 7", known=False)],
    "AvgPool2d": [
        layer("nn.AvgPool2d(2)", x="b c 2*y 2*z"),
        layer("nn.AvgPool2d(3, stride=1, padding=1)", x="b c y z"),
        layer("nn.AvgPool2d(2, ceil_mode=True)", x="b c 5 7", known=False),
    ],
    "AvgPool3d": [layer("nn.AvgPool3d(1)", x="b c u v w")],
    "MaxPool1d": [layer("nn.MaxPool1d(3, 2, 1)", x="b c l"), layer("nn.MaxPool1d(2, 1, 0, 2)", x="b c 9")],
    "MaxPool2d": [
        layer("nn.MaxPool2d(2, 2)", x="b c 2*y 2*z"),
        layer("nn.MaxPool2d(kernel_size=3, stride=2, padding=1)", x="b c y z"),
        layer("nn.MaxPool2d(2, return_indices=True)", x="b c 4 4", known=False),
    ],
    "MaxPool3d": [layer("nn.MaxPool3d((1, 2, 2), stride=(1, 2, 2))", x="b c u 2*y 2*z")],
    "AdaptiveAvgPool1d": [layer("nn.AdaptiveAvgPool1d(1)", x="b c l")],
    "AdaptiveAvgPool2d": [
        layer("nn.AdaptiveAvgPool2d(1)", x="b c y z"),
        layer("nn.AdaptiveAvgPool2d((n, 2))", x="b c y z"),
        layer("nn.AdaptiveAvgPool2d(output_size=(None, 2))", x="b c y z", known=False),
    ],
    "AdaptiveMaxPool1d": [layer("nn.AdaptiveMaxPool1d(2)", x="b c l")],
    "AdaptiveMaxPool2d": [layer("nn.AdaptiveMaxPool2d(2)", x="b c y z")],
    "TransformerEncoderLayer": [layer("nn.TransformerEncoderLayer(e, 1, 7)", x="t b e")],
    "TransformerEncoder": [
        layer("nn.TransformerEncoder(nn.TransformerEncoderLayer(2 * e, 2, 7, batch_first=True), 1)", x="b t 2*e")
    ],
    "TransformerDecoderLayer": [layer("nn.TransformerDecoderLayer(e, 1, 7)", "self.layer(x, m)", x="t b e", m="s b e")],
    "TransformerDecoder": [
        layer(
            "nn.TransformerDecoder(nn.TransformerDecoderLayer(e, 1, 7), 1)", "self.layer(x, m)", x="t b e", m="s b e"
        ),
    ],
    "Transformer": [
        layer("nn.Transformer(2 * e, 2, 1, 1, 7, batch_first=True)", "self.layer(m, x)", x="b t 2*e", m="b s 2*e")
    ],
    "LSTM": [
        layer("nn.LSTM(i, o, batch_first=True)", "self.layer(x)[0]", x="b t i"),
        layer("nn.LSTM(i, o, bidirectional=True)", "self.layer(x)[0]", x="t b i"),
        layer("nn.LSTM(i, 3 * o, proj_size=2)", "self.layer(x)[0]", x="t b i", known=False),
    ],
    "GRU": [
        layer("nn.GRU(i, o)", "self.layer(x)[0]", x="t b i"),
        layer("nn.GRU(i, o, 2, True, True, 0.0, True)", "self.layer(x)[0]", x="b t i"),
    ],
    "RNN": [layer("nn.RNN(i, o, num_layers=2)", "self.layer(x)[0]", x="t b i")],
    "GLU": [layer("nn.GLU()", x="* 2*d"), layer("nn.GLU(dim=1)", x="b 2*c l")],
    **{
        f"{kind}Pad{n}d": [
            layer(
                f"nn.{kind}Pad{n}d({1 if kind != 'Constant' else '1, 0.5'})", x=("b c l", "b c y z", "b c u v w")[n - 1]
            ),
            layer(
                f"nn.{kind}Pad{n}d(({', '.join('10' * n)}){', 0.5' if kind == 'Constant' else ''})",
                x=("b c l", "b c y z", "b c u v w")[n - 1],
            ),
        ]
        for kind in ("Zero", "Constant", "Reflection", "Replication", "Circular")
        for n in (1, 2, 3)
    },
    "Upsample": [
        layer("nn.Upsample(scale_factor=2)", x="b c y z"),
        layer("nn.Upsample(size=(p, q), mode='bilinear')", x="b c y z"),
    ],
    "UpsamplingNearest2d": [layer("nn.UpsamplingNearest2d(scale_factor=2)", x="b c y z")],
    "UpsamplingBilinear2d": [layer("nn.UpsamplingBilinear2d(size=(4, 5))", x="b c y z")],
    "ConvTranspose1d": [layer("nn.ConvTranspose1d(c, o, 4, 2, 1)", x="b c l")],
    "ConvTranspose2d": [
        layer("nn.ConvTranspose2d(c, o, kernel_size=2, stride=2)", x="b c y z"),
        layer("nn.ConvTranspose2d(c, o, (3, 4), stride=2, padding=1, output_padding=1)", x="b c y z"),
    ],
    "ConvTranspose3d": [layer("nn.ConvTranspose3d(c, o, 2)", x="b c u v w")],
    "PixelShuffle": [layer("nn.PixelShuffle(2)", x="b 4*c y z")],
    "PixelUnshuffle": [layer("nn.PixelUnshuffle(2)", x="b c 2*y 2*z")],
    "Unfold": [layer("nn.Unfold(3, padding=1, stride=2)", x="b c y z")],
    "Fold": [layer("nn.Fold((6, 8), 2, stride=2)", x="b 4*c 12")],
}
