"""Real modules of torch → the linter's layers, and a hold on their building and calling while a run is followed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, cast

from torch import nn
from torch.nn.modules.module import register_module_module_registration_hook

from shapecheck.runtime.follow import Follower
from shapecheck.runtime.record import SWAPPING
from shapecheck.runtime.symbolic import LEDGER
from shapecheck.static.ops.layers import LAYERS, MODULES, SIGNATURES
from shapecheck.static.values import Const, Layer, Value

OPEN = frozenset({"Sequential", "LSTM", "GRU", "RNN"})  # what they run is followed by itself, or not at all
_TORCH, _EINOPS = "torch.nn.modules.", "einops.layers."


class Layers:
    """The layers of a run: those of torch that it built, with the names and places that it gave them."""

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self._known: dict[int, tuple[nn.Module, Layer | None]] = {}

    def registered(self, owner: nn.Module, name: str, module: nn.Module | None) -> None:
        """A module became the attribute of another one."""
        if LEDGER.get() is not self.follower or module is None:
            return
        layer = self.of(module)
        if layer is not None and not layer.name:
            layer.name = name

    def of(self, module: nn.Module) -> Layer | None:
        """The layer that a module is; None for one whose forward is followed instead."""
        if id(module) not in self._known:
            self._known[id(module)] = module, self._made(module)
        return self._known[id(module)][1]

    def _made(self, module: nn.Module) -> Layer | None:
        kind = _kind(module)
        if kind is None:
            return None
        follower = self.follower
        spot = follower.here()
        arguments = {
            name: _argument(follower, module, name) for name in SIGNATURES.get(kind, ()) if hasattr(module, name)
        }
        if kind == "Rearrange":
            lengths = getattr(module, "axes_lengths", {})
            arguments |= {name: follower.value(one) for name, one in lengths.items()}
        layer = Layer(
            kind,
            arguments,
            ("layer", id(module)),
            cast("Any", spot),
            built_in="forward" if follower.running else "__init__",
        )
        follower.run.layers.append(layer)
        return layer


def _argument(follower: Follower, module: nn.Module, name: str) -> Value:
    value = getattr(module, name)
    if name in ("bias", "add_bias_kv"):
        return Const(value is not None and value is not False)
    return follower.value(value)


def _kind(module: nn.Module) -> str | None:
    """The name of the layer of torch whose forward a module runs, where the linter knows what that does."""
    forward = getattr(type(module), "forward", None)  # a scripted module's class has none to show
    for base in type(module).__mro__:
        if base.__module__.startswith((_TORCH, _EINOPS)) and base.__name__ in LAYERS and base.__name__ not in OPEN:
            return base.__name__ if vars(base).get("forward") is forward else None
    name = type(module).__name__
    return name if name in MODULES and name in LAYERS else None


@contextlib.contextmanager
def held(follower: Follower) -> Iterator[None]:
    """Note each layer that is built in here, and follow each that is applied as one op.

    For as long, the call of every module passes through here; other threads' go on as ever.
    """
    layers = Layers(follower)

    def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        layer = layers.of(module) if LEDGER.get() is follower else None
        if layer is None:
            return plainly(module, *args, **kwargs)
        return follower.layer(layer, args, kwargs, lambda *args, **kwargs: plainly(module, *args, **kwargs))

    with SWAPPING:
        plainly = nn.Module.__call__
        handle = register_module_module_registration_hook(layers.registered)
        nn.Module.__call__ = call  # type: ignore[method-assign]
        try:
            yield
        finally:
            nn.Module.__call__ = plainly  # type: ignore[method-assign]
            handle.remove()
