"""Planning the rescalings of three large networks and a small hard one, proven optimal: seconds, cost and gap.

    python -m benchmarks.plan

The graphs have the shapes and numbers of elements of ResNet152, DenseNet201 and Swin-B at their usual image sizes, and
random constants. In the small one all layers read all that was made before and share one constant, so that no two
contradictions are independent. The number to hold: ten seconds each.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.timing import table
from hwsim.planner import COUNT, FreeConstant, Node, Problem, Tensor, plan

Constant = Callable[[random.Random], "float | FreeConstant"]


def any_constant(draw: random.Random) -> float:
    """t / max|W| as trained networks have it, with a significand of 24 bits."""
    return round(draw.uniform(1, 2) * 2**23) * 2.0 ** (draw.randrange(-1, 4) - 23)


def power_of_two(draw: random.Random) -> float:
    """The same, rounded down to a power of two."""
    return 2.0 ** draw.randrange(-1, 4)


def free_constant(draw: random.Random) -> FreeConstant:
    """The same, and down to half of it."""
    constant = any_constant(draw)
    return FreeConstant(constant / 2, constant, constant)


def free_power_of_two(draw: random.Random) -> FreeConstant:
    """A power of two of the two below t / max|W|."""
    constant = any_constant(draw)
    return FreeConstant(constant / 4, constant, constant, power_of_two=True)


@dataclass
class Graph:
    """Builds a problem node by node; each method returns the name of a tensor.

    Attributes:
        constant: draws the constant of a layer.
        limits: interval of every potential.
        bias: what follows a linear layer: "carry" (a bias), "absorb" (a BatchNorm), or "idle" (a bias with multiplier).
    """

    constant: Constant = any_constant
    limits: tuple[float, float] = (float("-inf"), float("inf"))
    bias: str = "carry"
    draw: random.Random = field(default_factory=lambda: random.Random(0))
    nodes: list[Node] = field(default_factory=list)

    def add(self, effect: str, inputs: tuple[str, ...], elements: int, **options: object) -> str:
        """Any node."""
        name = f"{effect}{len(self.nodes)}"
        self.nodes.append(Node(name, effect, inputs, Tensor(name, elements, *self.limits), **options))  # type: ignore[arg-type]
        return name

    def layer(self, source: str, elements: int) -> str:
        """A linear layer and its bias or BatchNorm."""
        name = self.add("linear", (source,), elements, constant=self.constant(self.draw))
        if self.bias == "idle":
            return self.add("absorb", (name,), elements, idle=elements)
        return self.add(self.bias, (name,), elements)

    def problem(self, result: str, **options: object) -> Problem:
        """The finished problem."""
        self.nodes.append(Node("logits", "output", (result,)))
        return Problem(tuple(self.nodes), **({"prices": COUNT} | options))  # type: ignore[arg-type]


def resnet(graph: Graph, blocks: tuple[int, ...] = (3, 8, 36, 3), size: int = 56) -> str:
    """A ResNet of bottleneck blocks; ResNet152 by default."""
    x = graph.add("source", (), 3 * (4 * size) ** 2)
    x = graph.add("carry", (graph.layer(x, 64 * 4 * size**2),), 64 * 4 * size**2)
    x = graph.add("carry", (x,), 64 * size**2)
    for stage, count in enumerate(blocks):
        width = 64 * 2**stage
        for block in range(count):
            before, skip = size, x
            size = size // 2 if stage and not block else size
            y = graph.add("carry", (graph.layer(x, width * before**2),), width * before**2)
            y = graph.add("carry", (graph.layer(y, width * size**2),), width * size**2)
            y = graph.layer(y, 4 * width * size**2)
            if not block:
                skip = graph.layer(x, 4 * width * size**2)
            x = graph.add("carry", (graph.add("join", (y, skip), 4 * width * size**2),), 4 * width * size**2)
    return graph.layer(graph.add("carry", (x,), 4 * width), 1000)


def densenet(graph: Graph, blocks: tuple[int, ...] = (6, 12, 48, 32), size: int = 56, norm: str = "absorb") -> str:
    """A DenseNet of growth 32, where every layer of a block reads all those before it; DenseNet201 by default."""
    x = graph.add("source", (), 3 * (4 * size) ** 2)
    x = graph.add("linear", (x,), 64 * 4 * size**2, constant=graph.constant(graph.draw))
    x = graph.add(norm, (x,), 64 * 4 * size**2)
    x, channels = graph.add("carry", (x,), 64 * size**2), 64
    for stage, count in enumerate(blocks):
        features = [x]
        for layer in range(count + 1):
            y = graph.add("join", tuple(features), channels * size**2)
            y = graph.add("carry", (graph.add(norm, (y,), channels * size**2),), channels * size**2)
            if layer == count:
                break
            y = graph.add("linear", (y,), 128 * size**2, constant=graph.constant(graph.draw))
            y = graph.add("carry", (graph.add(norm, (y,), 128 * size**2),), 128 * size**2)
            features.append(graph.add("linear", (y,), 32 * size**2, constant=graph.constant(graph.draw)))
            channels += 32
        if stage == len(blocks) - 1:
            break
        channels //= 2
        y = graph.add("linear", (y,), channels * size**2, constant=graph.constant(graph.draw))
        size //= 2
        x = graph.add("carry", (y,), channels * size**2)
    return graph.layer(graph.add("carry", (y,), channels), 1000)


def dense(graph: Graph, layers: int = 5, size: int = 8) -> str:
    """Layers that each read all that was made before them, and nothing that absorbs."""
    made = [graph.add("source", (), size)]
    for _ in range(layers):
        y = graph.add("join", tuple(made), size * len(made))
        made.append(graph.add("linear", (y,), size, constant=graph.constant(graph.draw)))
    return made[-1]


def swin(graph: Graph, depths: tuple[int, ...] = (2, 2, 18, 2), width: int = 128, size: int = 56) -> str:
    """A Swin transformer; Swin-B by default."""
    x = graph.layer(graph.add("source", (), 3 * (4 * size) ** 2), width * size**2)
    x = graph.add("absorb", (x,), width * size**2)
    for stage, depth in enumerate(depths):
        n, heads = width * size**2, width // 32
        for _ in range(depth):
            y = graph.layer(graph.add("absorb", (x,), n), 3 * n)
            q, k, v = (graph.add("carry", (y,), n) for _ in range(3))
            scores = graph.add("product", (graph.add("absorb", (q,), n), k), heads * 49 * size**2)
            scores = graph.add("pin", (graph.add("carry", (scores,), heads * 49 * size**2),), heads * 49 * size**2)
            y = graph.layer(graph.add("product", (scores, v), n), n)
            x = graph.add("join", (x, graph.add("carry", (y,), n)), n)
            y = graph.layer(graph.add("absorb", (x,), n), 4 * n)
            x = graph.add("join", (x, graph.layer(graph.add("pin", (y,), 4 * n), n)), n)
        if stage < len(depths) - 1:
            y = graph.add("absorb", (graph.add("carry", (x,), n),), n)
            width, size = 2 * width, size // 2
            x = graph.add("linear", (y,), width * size**2, constant=graph.constant(graph.draw))
    return graph.layer(graph.add("carry", (graph.add("absorb", (x,), n),), width), 1000)


FP16 = (-14.0, 12.0)
NARROW = (-3.0, 3.0)
CHEAP_SHIFT = {"shift": 0.25, "reciprocal": 1.0, "division": 4.0}


def cases() -> dict[str, Problem]:
    """Every graph with BatchNorm and without, with ranges, with freedom, and with powers of two."""
    found: dict[str, Problem] = {}
    for name, shape in (("ResNet152", resnet), ("DenseNet201", densenet), ("Swin-B", swin)):

        def case(what: str, graph: Graph, **options: object) -> None:
            found[f"{name}, {what}"] = graph.problem(shape(graph), **options)  # noqa: B023

        case("BatchNorm absorbs", Graph(bias="absorb"))
        case("folded", Graph())
        case("multiplier at the bias", Graph(bias="idle"), prices=CHEAP_SHIFT)
        case("FP16", Graph(limits=FP16))
        case("narrow range", Graph(limits=NARROW))
        case("narrow range, shifts cheaper", Graph(limits=NARROW), prices=CHEAP_SHIFT)
        case("shifts cheaper", Graph(), prices=CHEAP_SHIFT)
        case("powers of two", Graph(power_of_two), prices=CHEAP_SHIFT)
        case("powers of two, FP16", Graph(power_of_two, FP16), prices=CHEAP_SHIFT)
        case("powers of two, narrow range", Graph(power_of_two, NARROW), prices=CHEAP_SHIFT)
        case("free constants", Graph(free_constant))
        case("free powers of two", Graph(free_power_of_two), prices=CHEAP_SHIFT)
    for what, options in (("", {}), (", shifts cheaper", {"prices": CHEAP_SHIFT})):
        graph = Graph(lambda _: 3.0)
        found[f"five dense layers, one constant{what}"] = graph.problem(dense(graph), **options)
    graph = Graph()
    found["DenseNet201, nothing absorbs"] = graph.problem(densenet(graph, norm="carry"))
    return found


def main() -> None:
    """Measures and prints the table."""
    rows = []
    for name, problem in cases().items():
        start = time.perf_counter()
        solution = plan(problem)
        seconds = time.perf_counter() - start
        rows.append((name, f"{seconds:.2f}", f"{solution.cost:,.0f}", f"{len(solution.copies)}", f"{solution.gap:.1g}"))
    print(table(("", "seconds", "cost", "rescalings", "gap"), rows))


if __name__ == "__main__":
    main()
