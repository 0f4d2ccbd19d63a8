"""Attention classes of real libraries, drawn by seed, and how each is built small: writes agreement.jsonl.

    python benchmarks/agreement_draw.py [--seed 7] [LIBRARY …]
    python benchmarks/agreement_draw.py --seed 11 --owners --quotas torch=4,timm=12,… --output agreement_owners.jsonl

Run it where the libraries are installed. Classes are shuffled by the seed and tried in that order, until a library's
quota is full: a class counts if some choice of small sizes, by the names of its parameters, can be built and run.
Nothing is asked of the prediction here. Sizes differ from one another where a class lets them. --owners draws from the
classes that build an attention, too. What stands in a list already isn't drawn again.
"""

import argparse
import importlib
import importlib.util
import inspect
import itertools
import json
import random
import signal
import sys
import types
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from agreement import Case, build, built_inputs
from shapecheck.source import Unreadable, read
from shapecheck.static.locate import picks
from shapecheck.static.project import File, Project
from shapecheck.static.roots import candidates

QUOTAS = {
    "torch": 4,
    "vit_pytorch": 70,
    "timm": 60,
    "transformers": 60,
    "x_transformers": 6,
    "diffusers": 25,
    "torchtune": 5,
    "open_clip": 6,
}
SIZES = [  # heads, width of a head, batch, tokens: each is tried with every layout of the input
    (3, 14, 5, 7),
    (4, 14, 5, 7),
    (3, 16, 5, 16),
    (4, 8, 3, 16),
    (8, 8, 3, 5),
    (2, 32, 3, 5),
]
NAMES = """
width: dim d_model embed_dim hidden_size channels in_channels query_dim dim_in width in_dim hidden_dim n_embd inner_dim
width: embed_dims dims input_dim c in_chs dim_out out_dim d_out out_channels out_chs in_features out_features
width: head_size_all cross_attention_dim encoder_dim nx n_state d_input embedding_dim inp dim_inner dim_q dim_kv kv_dim
width: q_dim context_dim temb_channels resnet_channels caption_channels output_dim inner_kv_dim hidden_features
heads: num_heads heads n_heads n_head num_attention_heads nhead num_head attention_heads encoder_attention_heads
groups: num_kv_heads kv_heads num_key_value_heads n_kv_heads
head: head_dim dim_head attention_head_dim d_head d_kv head_width
layers: depth layers num_layers n_layers num_single_layers num_refiner_layers num_blocks
"""
ROLE = {name: line.partition(":")[0] for line in NAMES.split("\n") for name in line.partition(":")[2].split()}
FIELDS = {  # what configs call what else must be small, or on
    "num_hidden_layers": 2, "vocab_size": 99, "attention_dropout": 0.0, "_attn_implementation": "eager",
    "attn_implementation": "eager", "max_position_embeddings": 64, "n_layer": 2, "n_layers": 2, "num_layers": 2,
}  # fmt: skip


# -- which classes -------------------------------------------------------------------------------------------------------
def drawn(library: str, seed: int, owners: bool = False) -> list[str]:
    """Every attention class of a library as a dotted path, and with `owners` those that build one, shuffled."""
    spec = importlib.util.find_spec(library)
    if spec is None or not spec.submodule_search_locations:
        return []
    root = Path(next(iter(spec.submodule_search_locations)))
    paths = sorted(root.glob("nn/modules/*.py") if library == "torch" else root.rglob("*.py"))
    found = sorted(name for path in paths for name in _classes(path, library, root, owners))
    random.Random(f"{seed} {library}").shuffle(found)
    return found


def _classes(path: Path, library: str, root: Path, owners: bool) -> Iterator[str]:
    data = path.read_bytes()
    if not picks(data) or {"deprecated", "modular"} & set(path.as_posix().replace("modular_", "modular/").split("/")):
        return
    try:
        file = File(path, read(path, data).text, Project.of(path.parent))
    except Unreadable:
        return
    module = ".".join((library, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__")
    for block in candidates(file, "attention").blocks:
        if block.kind == "class" and (owners or block.mentions_attention):
            yield from (f"{module}.{name}" for name in block.names)


# -- how a class is built ------------------------------------------------------------------------------------------------
def cases(name: str) -> Iterator[Case]:
    """Ways in which a class may be built and called."""
    module_name, _, class_name = name.rpartition(".")
    of = getattr(importlib.import_module(module_name), class_name)
    for heads, head_width, batch, tokens in SIZES:
        width = heads * head_width
        arguments = _arguments(of, heads, head_width)
        if "config" in arguments and arguments["config"] is None:
            return
        for layout in _layouts(batch, tokens, width):
            for inputs in _inputs(of, layout, batch, tokens, heads, head_width):
                yield Case(name, arguments, inputs)


def _arguments(of: Any, heads: int, head_width: int) -> dict[str, Any]:
    """What a class is built with."""
    parameters = _parameters(of)
    arguments: dict[str, Any] = {"config": _config(of, heads, head_width)} if "config" in parameters else {}
    for parameter in parameters.values():
        if parameter.name not in arguments:
            value = _argument(of, parameter, heads, head_width)
            if value is not None:
                arguments[parameter.name] = value
    return arguments


def _parameters(of: Any) -> dict[str, inspect.Parameter]:
    """The parameters of a class by name; those of its bases too, as far as it hands on what it doesn't name itself."""
    found: dict[str, inspect.Parameter] = {}
    for one in of.__mro__:
        if "__init__" in vars(one):
            own = list(inspect.signature(one.__init__).parameters.values())[1:]
            found = {parameter.name: parameter for parameter in own} | found
            if one.__module__.startswith("torch.") or all(
                parameter.kind is not parameter.VAR_KEYWORD for parameter in own
            ):
                break
    return found


def _argument(of: Any, parameter: inspect.Parameter, heads: int, head_width: int) -> Any:
    required = parameter.default is inspect.Parameter.empty
    if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
        return None
    role = ROLE.get(parameter.name)
    if role == "layers" and (required or parameter.default is None or isinstance(parameter.default, int)):
        return 1
    if role is not None and (required or (isinstance(parameter.default, int) and role != "groups")):
        return small(role, heads, head_width)
    if not required:
        return None
    more = {
        "layer_idx": 0, "layer_id": 0, "window_size": [4, 4], "input_resolution": [16, 24], "num_patches": 16,
        "resolution": 16, "seq_len": 16, "mlp_dim": 31, "norm_num_groups": 2, "num_groups": 2, "mlp_ratio": 2.0,
        "is_decoder": False, "dropout": 0.0, "patch_size": 4, "image_size": 16, "num_classes": 11, "max_seq_len": 64,
        "num_tokens": 99, "vocab_size": 99, "max_pos": 64, "layer_number": 1, "dim_feedforward": 31, "block_idx": 0,
    }  # fmt: skip
    return more.get(parameter.name, _module(of, parameter, heads, head_width))


def _module(of: Any, parameter: inspect.Parameter, heads: int, head_width: int) -> Any:
    """What is built for a parameter that is annotated with a class of modules."""
    wanted = _annotated(of, parameter)
    if wanted is None or not issubclass(wanted, torch.nn.Module):
        return None
    width = heads * head_width
    if wanted is not torch.nn.Module:
        return {"module": f"{wanted.__module__}.{wanted.__name__}", "arguments": _arguments(wanted, heads, head_width)}
    if "norm" in parameter.name:
        return {"module": "torch.nn.LayerNorm", "arguments": {"normalized_shape": width}}
    return {"module": "torch.nn.Linear", "arguments": {"in_features": width, "out_features": width}}


def _annotated(of: Any, parameter: inspect.Parameter) -> type | None:
    """The class that a parameter is annotated with, be it as text."""
    annotation = parameter.annotation
    found = (
        annotation
        if isinstance(annotation, type)
        else getattr(sys.modules[of.__module__], str(annotation).strip("'"), None)
    )
    return found if isinstance(found, type) else None


def small(role: str, heads: int, head_width: int) -> int:
    return {"width": heads * head_width, "heads": heads, "groups": heads, "head": head_width, "layers": 1}[role]


def _config(of: Any, heads: int, head_width: int) -> Any:
    """The config class that goes with a class, and its sizes made small."""
    module = sys.modules[of.__module__]
    found = _annotated(of, inspect.signature(of.__init__).parameters["config"])
    if found is None:
        named = [getattr(one, "config_class", None) for one in vars(module).values() if isinstance(one, type)]
        listed = [one for one in named if isinstance(one, type)]
        found = listed[0] if listed else None
    if found is None:
        return None
    fields: dict[str, Any] = {}
    plain = found()
    for name in [*vars(plain), *getattr(found, "attribute_map", {})]:
        value = getattr(plain, name, None)
        if name in ROLE and isinstance(value, int) and not isinstance(value, bool):
            fields[name] = small(ROLE[name], heads, head_width)
        if name in FIELDS:
            fields[name] = FIELDS[name]
    fields["_attn_implementation"] = "eager"
    return {"config": f"{found.__module__}.{found.__name__}", "fields": fields}


def _layouts(batch: int, tokens: int, width: int) -> list[list[int]]:
    return [
        [batch, tokens, width],
        [batch, width, 16, 24],
        [batch, 16, 24, width],
        [batch, width, 16, 16],
        [batch, 6, tokens, width],
        [batch, width, tokens],
        [batch, 3, 16, 16],
        [batch, width, 5, 6, 8],
        [batch, width],
    ]


def _inputs(
    of: Any, layout: list[int], batch: int, tokens: int, heads: int, head_width: int
) -> Iterator[dict[str, Any]]:
    """What forward may be called with: the layout for the first argument, by names for the others."""
    signature = inspect.signature(of.forward)
    required = [
        one for one in list(signature.parameters.values())[1:]
        if one.default is inspect.Parameter.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    ]  # fmt: skip
    width = heads * head_width
    split = [batch, heads, tokens, head_width]
    rotary = {"tuple": [[1, tokens, head_width], [1, tokens, head_width]]}
    named: dict[str, list[Any]] = {
        "attention_mask": [None, [batch, 1, tokens, tokens]], "mask": [None], "position_embeddings": [rotary, None],
        "cos": [[1, tokens, head_width]], "sin": [[1, tokens, head_width]], "layer_head_mask": [None],
        "position_ids": [{"int": [batch, tokens], "below": tokens}], "past_key_values": [None], "temb": [[batch, width]],
        "encoder_hidden_states": [[batch, 11, width]], "context": [[batch, 11, width], layout],
        "key_value_states": [[batch, 11, width]], "memory": [[batch, 11, width], layout], "output_attentions": [{"value": False}],
        "H": [{"value": 4}], "W": [{"value": 4}], "height": [{"value": 4}], "width": [{"value": 4}], "pos_emb": [None],
        "rotary_pos_emb": [None], "image_rotary_emb": [None], "relative_pos": [None], "alibi": [None],
        "head_mask": [None], "input_ids": [{"int": [batch, tokens], "below": 90}],
    }  # fmt: skip
    ids = {"int": [batch, tokens], "below": 90}
    attends = [layout] if len(layout) != 3 else [layout, split, ids]
    first = attends if required else [None]
    options: list[list[Any]] = []
    for index, one in enumerate(required):
        if index == 0 and one.name != "input_ids":
            options.append(first)
        elif one.name in named:
            options.append(named[one.name])
        else:
            options.append([None if "mask" in one.name or "pos" in one.name else "same"])
    for chosen in itertools.islice(itertools.product(*options), 8):
        start = chosen[0] if chosen else None
        yield {one.name: start if value == "same" else value for one, value in zip(required, chosen, strict=True)}


# -- trying --------------------------------------------------------------------------------------------------------------
class TooSlow(Exception):
    pass


def works(case: Case) -> bool:
    """Whether a case can be built and run; nothing that a library does may end the draw."""

    def stop(number: int, frame: types.FrameType | None) -> None:
        raise TooSlow

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 3)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module = build(case)
            inputs = built_inputs(case)
            return bool(inputs) and module(**inputs) is not None
    except Exception:  # noqa: BLE001 (it can't be built in this way)
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def first_that_works(name: str) -> Case | None:
    try:
        tried = itertools.islice(cases(name), 60)
        return next((case for case in tried if works(case)), None)
    except Exception:  # noqa: BLE001 (the class can't even be imported, or has no signature)
        return None


def listed() -> set[str]:
    """The classes that stand in a list."""
    lists = Path(__file__).parent.glob("agreement*.jsonl")
    return {json.loads(line)["name"] for path in lists for line in path.read_text("utf-8").splitlines()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", nargs="*")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--owners", action="store_true")
    parser.add_argument("--quotas", default="")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("agreement.jsonl"))
    options = parser.parse_args()
    asked = (one.partition("=") for one in options.quotas.split(",") if one)
    quotas = {name: int(count) for name, _, count in asked} or QUOTAS
    options.output.write_text("", "utf-8")
    known = listed()
    for library in options.library or quotas:
        names = [name for name in drawn(library, options.seed, options.owners) if name not in known]
        tried = kept = 0
        for name in names:
            if kept == quotas[library]:
                break
            tried += 1
            case = first_that_works(name)
            if case is not None:
                kept += 1
                with options.output.open("a", encoding="utf-8") as output:
                    output.write(json.dumps(asdict(case)) + "\n")
        print(f"{library}: {kept} of the first {tried} could be built; {len(names)} classes", flush=True)


if __name__ == "__main__":
    main()
