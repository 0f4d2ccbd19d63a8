"""`assert dim % num_heads == 0` → `pass`: every guard of one division of `__init__` goes.

Not where a class of the module that builds this one checks its number of heads too: what is left is still refused.
"""

import ast
import re

from mutations.attention import Attention, Sites
from mutations.head_width import HeadWidth, guards, head_widths


def sites(attention: Attention) -> Sites:
    seen = set()
    if not attention.is_module:
        return
    for width in head_widths(attention, attention.init):
        if (width.width, width.heads) not in seen and not _is_guarded_by_builder(attention, width):
            seen.add((width.width, width.heads))
            if edits := tuple(attention.module.replace(guard.node, "pass") for guard in guards(attention, width)):
                yield width.node.lineno, edits


def _is_guarded_by_builder(attention: Attention, width: HeadWidth) -> bool:
    remainder = re.compile(rf"%\s*[\w.]*\b{re.escape(width.heads)}\b")
    others = [
        node for node in attention.module.tree.body if isinstance(node, ast.ClassDef) and node is not attention.node
    ]
    texts = map(attention.module.source, others)
    return any(f"{attention.node.name}(" in text and remainder.search(text) for text in texts)
