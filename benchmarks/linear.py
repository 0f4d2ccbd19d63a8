"""Does the cost of a forward grow with its length, and no faster? One forward of 1 ×, 10 × and 100 × the statements.

    python benchmarks/linear.py [--times 1 10 100] [--rounds 3]

The forward is attention again and again, with a helper, a reshape and a projection in each layer, and no two layers share
a name. CPU times are of this process, the least of the rounds; the bound is on the growth of the cost of one statement.
"""

import argparse
import gc
import sys
import time
from pathlib import Path

from shapecheck.rule import load_rules
from shapecheck.source import Source
from shapecheck.static import analyse
from shapecheck.static.project import Project

BOUND = 1.5  # times the cost of a layer in the shortest forward
SHORTEST = 4  # layers: forty statements
HEAD = """\
import torch.nn.functional as F
from torch import nn


class Deep(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        if dim % num_heads:
            raise ValueError("heads share the width evenly")
        self.num_heads, self.head_dim = num_heads, dim // num_heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def split(self, x):
        return x.reshape(x.shape[0], x.shape[1], self.num_heads, self.head_dim).transpose(1, 2)

    def forward(self, x_0):
        b, t, d = x_0.shape
"""
LAYER = """\
        q_{0}, k_{0}, v_{0} = self.qkv(x_{0}).chunk(3, dim=-1)
        q_{0} = self.split(q_{0})
        k_{0} = self.split(k_{0})
        v_{0} = self.split(v_{0})
        scores_{0} = q_{0} @ k_{0}.transpose(-2, -1) * self.head_dim**-0.5
        weights_{0} = scores_{0}.softmax(dim=-1)
        y_{0} = weights_{0} @ v_{0}
        y_{0} = y_{0}.transpose(1, 2).reshape(b, t, d)
        y_{0} = self.proj(y_{0})
        x_{1} = x_{0} + y_{0}
"""


def forward(layers: int) -> str:
    """The text of a module whose forward has ten statements a layer, and two besides."""
    body = "".join(LAYER.format(index, index + 1) for index in range(layers))
    return f"{HEAD}{body}        return x_{layers}\n"


def seconds(text: str, rounds: int) -> float:
    """The CPU time of one analysis with all rules, the files read before."""
    rules = load_rules()
    times = []
    for _ in range(rounds):
        gc.collect()
        started = time.process_time()
        analysis = analyse(Source(Path("deep.py").resolve(), text), Project(Path.cwd()), rules, "attention")
        times.append(time.process_time() - started)
        assert not analysis.findings and not analysis.defects, analysis
    return min(times)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    seconds(forward(1), 1)  # what is loaded on first use
    first = None
    worst = 0.0
    for times in options.times:
        took = seconds(forward(times * SHORTEST), options.rounds)
        each = took / times
        first = first or each
        worst = max(worst, each / first)
        print(
            f"{times:4} × {took * 1000:9.1f} ms of CPU: a layer costs {each / first:.2f} × that of the shortest",
            flush=True,
        )
    print(f"growth of a layer's cost: {worst:.2f} × (bound: {BOUND} ×)")
    return int(worst > BOUND)


if __name__ == "__main__":
    sys.exit(main())
