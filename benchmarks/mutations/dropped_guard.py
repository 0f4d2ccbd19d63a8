"""`assert dim % num_heads == 0` → `pass`: every guard of one division of `__init__` goes."""

from mutations.attention import Attention, Sites
from mutations.head_width import guards, head_widths


def sites(attention: Attention) -> Sites:
    seen = set()
    for width in head_widths(attention, attention.init):
        if (width.width, width.heads) not in seen:
            seen.add((width.width, width.heads))
            if edits := tuple(attention.module.replace(guard.node, "pass") for guard in guards(attention, width)):
                yield width.node.lineno, edits
