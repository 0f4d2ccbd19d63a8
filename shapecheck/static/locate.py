"""Which files, classes and functions are worth reading: told by bytes and words. Nothing is parsed here."""

from __future__ import annotations

import re

# Words without which a file holds no attention.
_ATTENTION = re.compile(
    rb"softmax|Softmax|scaled_dot_product_attention|flash_attn|MultiheadAttention|memory_efficient_attention"
    rb"|attention_interface|ATTENTION_FUNCTIONS"
)
_KERNEL = re.compile(
    r"scaled_dot_product_attention|flash_attn|MultiheadAttention|memory_efficient_attention|attention_interface"
    r"|ATTENTION_FUNCTIONS|multi_head_attention_forward"
)
_SOFTMAX = re.compile(r"[sS]oftmax|sparsemax|entmax")
_PRODUCT = re.compile(r"matmul|bmm|einsum|[\w)\]][ \t]*@[ \t]*[\w(]|\.mm\(|\.dot\(|@=")
_NEAR_PRODUCT = re.compile(_PRODUCT.pattern + r"|heads|attn|attend")  # a class may leave the product to a function
_DOCSTRING = re.compile(r'"""(?:[^\\]|\\.)*?"""', re.DOTALL)
_TORCH = re.compile(rb"torch|einops")
_MODULE = re.compile(rb"\bModule\b|nn\.|torch\.")


def picks(data: bytes, scope: str = "attention") -> bool:
    """Whether a file may hold what `scope` asks for: `attention`, or any `modules`."""
    if not _TORCH.search(data):
        return False
    return bool(_MODULE.search(data) if scope == "modules" else _ATTENTION.search(data))


def attends(text: str, *, is_function: bool) -> bool:
    """Whether a class or function, docstrings apart, calls a kernel of attention, or a softmax and a product."""
    if not _SOFTMAX.search(text) and not _KERNEL.search(text):
        return False
    code = _DOCSTRING.sub("", text) if '"""' in text else text
    if _KERNEL.search(code):
        return True
    product = _PRODUCT if is_function else _NEAR_PRODUCT
    return bool(_SOFTMAX.search(code) and product.search(code))
