"""`x = self.proj(x)` → `x = x`: the one Linear that follows the merge of the heads goes."""

import ast
import re

from mutations.attention import Attention, Sites, attribute_of_self, called, calls

_MERGES = re.compile(r"reshape|view|flatten|rearrange|merge|combine")


def sites(attention: Attention) -> Sites:
    if not attention.is_module:
        return
    module, forward, end = attention.module, attention.methods["forward"], attention.attends.get("forward")
    if end is None or attention.pools or not attention.has_heads:
        return
    later = [call for call in calls(forward) if module.end(call) > end]
    match [call for call in later if "Linear(" in attention.layers.get(attribute_of_self(call.func) or "", "")]:
        case [ast.Call(args=[argument], keywords=[]) as projection] if not isinstance(argument, ast.Starred):
            merges = [call for call in later if _merges(call) and module.end(call) <= module.end(projection)]
            helpers = {called(call) for call in calls(forward)} - {"forward"}
            if merges or any(_merges_after_attention(attention, helper) for helper in helpers):
                yield projection.lineno, (module.replace(projection, argument),)


def _merges(call: ast.Call) -> bool:
    return bool(_MERGES.search(called(call)))


def _merges_after_attention(attention: Attention, method: str) -> bool:
    end = attention.attends.get(method)
    if end is None or method not in attention.methods:
        return False
    return any(_merges(call) and attention.module.end(call) >= end for call in calls(attention.methods[method]))
