"""What `checked` costs: a call of a small attention, plain, with asserts by hand, under jaxtyping, and checked.

    python benchmarks/overhead.py [--rounds 200] [--device cpu]

Two sizes: tiny (b1 t4 d16 h2) and real (b8 t128 d256 h8). All variants have the same weights; they are timed in
interleaved rounds, and medians are printed. `asserts` are four of the same tensors, written by hand: what the gate is
measured against is the time that they add. Variants that need beartype are left out where it isn't installed.
"""

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Float, jaxtyped
from torch import Tensor, nn

from shapecheck import checked

BOUND = 1.2  # the gate's time over that of four asserts
SIZES = {"tiny": (1, 4, 16, 2), "real": (8, 128, 256, 8)}  # batch, tokens, width, heads


class Attention(nn.Module):
    """Three inputs and a result, as the asserts name them."""

    def __init__(self, d_model: int, num_heads: int) -> None:
        super().__init__()
        assert d_model % num_heads == 0
        self.d_model, self.num_heads, self.head_dim = d_model, num_heads, d_model // num_heads
        self.q_proj = nn.Linear(d_model, d_model)
        self.k_proj = nn.Linear(d_model, d_model)
        self.v_proj = nn.Linear(d_model, d_model)
        self.out_proj = nn.Linear(d_model, d_model)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        b, t, _ = q.shape
        q = self.q_proj(q).view(b, t, self.num_heads, self.head_dim).transpose(1, 2)
        k = self.k_proj(k).view(b, t, self.num_heads, self.head_dim).transpose(1, 2)
        v = self.v_proj(v).view(b, t, self.num_heads, self.head_dim).transpose(1, 2)
        weights = (q @ k.transpose(-2, -1) / self.head_dim**0.5).softmax(dim=-1)
        context = (weights @ v).transpose(1, 2).reshape(b, t, self.d_model)
        out: Tensor = self.out_proj(context)
        return out


class Plain(Attention):
    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return self.attend(q, k, v)


class Asserts(Attention):
    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        b, t, d = q.shape
        assert d == self.d_model and q.dtype.is_floating_point, f"q is {q.shape}"
        assert k.shape == (b, t, self.d_model) and k.dtype.is_floating_point, f"k is {k.shape}"
        assert v.shape == (b, t, self.d_model) and v.dtype.is_floating_point, f"v is {v.shape}"
        out = self.attend(q, k, v)
        assert out.shape == (b, t, self.d_model) and out.dtype.is_floating_point, f"the result is {out.shape}"
        return out


@checked
class Checked(Attention):
    def forward(
        self, q: Float[Tensor, "b t d_model"], k: Float[Tensor, "b t d_model"], v: Float[Tensor, "b t d_model"]
    ) -> Float[Tensor, "b t d_model"]:
        return self.attend(q, k, v)


def variants() -> Iterator[tuple[str, type[Attention]]]:
    yield "plain", Plain
    yield "asserts", Asserts
    yield "checked", Checked
    if find_spec("beartype") is None:
        return
    from beartype import beartype

    class Jaxtyped(Attention):
        @jaxtyped(typechecker=beartype)
        def forward(
            self, q: Float[Tensor, "b t d"], k: Float[Tensor, "b t d"], v: Float[Tensor, "b t d"]
        ) -> Float[Tensor, "b t d"]:
            return self.attend(q, k, v)

    class JaxtypedSelf(Attention):
        @jaxtyped(typechecker=beartype)
        def forward(
            self,
            q: Float[Tensor, "b t {self.d_model}"],
            k: Float[Tensor, "b t {self.d_model}"],
            v: Float[Tensor, "b t {self.d_model}"],
        ) -> Float[Tensor, "b t {self.d_model}"]:
            return self.attend(q, k, v)

    yield "jaxtyped + beartype", Jaxtyped
    yield "the same with {self.d_model}", JaxtypedSelf


def built(size: tuple[int, int, int, int], device: str) -> tuple[dict[str, Attention], tuple[Tensor, ...]]:
    batch, tokens, width, heads = size
    torch.manual_seed(0)
    modules = {name: of(width, heads).to(device).eval() for name, of in variants()}
    first = next(iter(modules.values()))
    for module in modules.values():
        module.load_state_dict(first.state_dict())
    return modules, tuple(torch.randn(batch, tokens, width, device=device) for _ in range(3))


def timed(modules: dict[str, Attention], inputs: tuple[Tensor, ...], rounds: int, calls: int) -> dict[str, float]:
    """Microseconds a call: medians over rounds in which every variant has its turn."""
    synchronise: Callable[[], Any] = torch.cuda.synchronize if inputs[0].is_cuda else lambda: None
    taken: dict[str, list[float]] = {name: [] for name in modules}
    order = list(modules)
    with torch.inference_mode():
        for module in modules.values():
            for _ in range(5):
                module(*inputs)
        for number in range(rounds):
            for name in order[number % len(order) :] + order[: number % len(order)]:
                module = modules[name]
                synchronise()
                began = time.perf_counter()
                for _ in range(calls):
                    module(*inputs)
                synchronise()
                taken[name].append((time.perf_counter() - began) / calls * 1e6)
    return {name: statistics.median(times) for name, times in taken.items()}


def stubbed(modules: dict[str, Attention]) -> None:
    """Leave the attention out, so that what stands around it is all that is timed."""
    for module in modules.values():
        module.attend = lambda q, k, v: q  # type: ignore[method-assign]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name, size in SIZES.items():
        modules, inputs = built(size, options.device)
        times = timed(modules, inputs, options.rounds, calls=20 if name == "tiny" else 2)
        print(f"{name}: b{size[0]} t{size[1]} d{size[2]} h{size[3]}, {inputs[0].device}")
        for variant, microseconds in times.items():
            print(f"  {variant:30} {microseconds:8.2f} µs   {microseconds / times['plain']:.3f} × plain")
    modules, inputs = built(SIZES["tiny"], options.device)
    for module in modules.values():
        module(*inputs)
    stubbed(modules)
    bare = timed(modules, inputs, options.rounds, calls=200)
    print("without the attention: what is added to a call")
    added = {variant: microseconds - bare["plain"] for variant, microseconds in bare.items() if variant != "plain"}
    for variant, microseconds in added.items():
        print(f"  {variant:30} {microseconds:8.2f} µs   {microseconds / added['asserts']:.2f} × the asserts")
    kept = added["checked"] <= BOUND * added["asserts"]
    print(
        f"the gate is {added['checked'] / added['asserts']:.2f} × the asserts; bound {BOUND}: {'kept' if kept else 'NOT kept'}"
    )
    return int(not kept)


if __name__ == "__main__":
    sys.exit(main())
