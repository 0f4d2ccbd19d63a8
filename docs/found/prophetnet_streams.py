"""transformers, ProphetNet: the predicting streams take relative positions of other tokens, later ones included."""

import torch
from transformers import ProphetNetConfig, ProphetNetDecoder
from transformers.models.prophetnet.modeling_prophetnet import ProphetNetDecoderModelOutput

from probes import begin, moved, spread_out

LENGTH = 6

begin("transformers")
config = ProphetNetConfig(
    vocab_size=50,
    hidden_size=32,
    num_decoder_layers=2,  # the first sees positions only
    num_decoder_attention_heads=4,
    decoder_ffn_dim=32,
    add_cross_attention=False,
    is_encoder_decoder=False,
    pad_token_id=0,
    decoder_start_token_id=1,
    num_buckets=8,
)
decoder = ProphetNetDecoder(config).eval()
spread_out(decoder)
tokens = torch.randint(5, 50, (1, LENGTH))
later = tokens.clone()
later[0, 2:] = (tokens[0, 2:] - 4) % 45 + 5


def streams(out: ProphetNetDecoderModelOutput) -> torch.Tensor:
    """[main and predicting streams, t, c]; the next token is told from stream 1."""
    together = torch.cat([out.last_hidden_state, out.last_hidden_state_ngram], dim=1)
    return together.view(1 + config.ngram, -1, config.hidden_size)


@torch.no_grad()
def at_once(tokens: torch.Tensor) -> torch.Tensor:
    return streams(decoder(input_ids=tokens, use_cache=False))


@torch.no_grad()
def token_by_token(tokens: torch.Tensor) -> torch.Tensor:
    """The same as generate() computes it: one token at a time, with a cache."""
    cache, rows = None, []
    for place in range(tokens.shape[1]):
        out = decoder(input_ids=tokens[:, place : place + 1], past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        rows.append(streams(out))
    return torch.cat(rows, dim=1)


before, after, stepwise = at_once(tokens), at_once(later), token_by_token(tokens)
stepwise_later = token_by_token(later)
for stream in range(1 + config.ngram):
    print(
        f"stream {stream}: tokens from 2 on are changed, rows 0 and 1 move by "
        f"{moved(before[stream, :2], after[stream, :2]):.3g} all at once, "
        f"{moved(stepwise[stream, :2], stepwise_later[stream, :2]):.3g} token by token; "
        f"the two ways differ by {moved(before[stream], stepwise[stream]):.3g}"
    )
