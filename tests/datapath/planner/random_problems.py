"""Small random planning problems of every kind."""

from __future__ import annotations

import random

from hwsim.planner import FreeConstant, Node, Problem, Tensor

ANY = (1, 2, 0.5, 3, 1.5, 6, 5, 2.5, 9, 0.75)
POWERS = (1, 2, 4, 0.5, 8)


def random_problem(seed: int) -> Problem:
    """A problem of four to eight nodes; what it is made of depends on the seed."""
    draw = random.Random(seed)
    constants = POWERS if draw.random() < 0.35 else ANY
    ranged, free = draw.random() < 0.5, draw.random() < 0.3
    effects = draw.choices(
        ["linear", "carry", "join", "product", "quotient", "pin", "absorb", "idle"],
        weights=[6, 1.5, 4, draw.choice([0, 2]), *(draw.choice([0, 1]) for _ in range(4))],
        k=draw.randint(3, 6),
    )
    kinds = draw.random()
    real, shift = ("division" if kinds < 0.8 else "reciprocal" if kinds < 0.9 else None), kinds > 0.3
    nodes = [Node("images", "source", (), _tensor(draw, "images", False))]
    for number, effect in enumerate(effects):
        names = [node.output.name for node in nodes if node.output]
        count = 1
        if effect in ("join", "product"):
            count = draw.randint(2, 3)
        elif effect == "quotient":
            count = 2
        elif effect == "pin":
            count = draw.choice([1, 1, 2])
        recent = names[-1:] if draw.random() < 0.7 else [draw.choice(names)]
        inputs = (*recent, *draw.choices(names, k=count - 1))
        constant = draw.choice(constants)
        if free and draw.random() < 0.6:
            constant = FreeConstant(constant / draw.choice([1, 2, 3]), constant, constant, draw.random() < 0.4)
            if constant.low == constant.high:
                constant = FreeConstant(constant.low / 2, constant.high, constant.preferred)
        nodes.append(
            Node(
                f"{effect}{number}",
                "absorb" if effect == "idle" else effect,
                inputs,
                _tensor(draw, f"t{number}", ranged),
                constant if effect == "linear" else 1,
                draw.randint(1, 9) if effect == "idle" else 0,
            )
        )
    nodes.append(Node("logits", "output", (nodes[-1].output.name,)))
    if draw.random() < 0.3:
        nodes.append(Node("more logits", "output", (draw.choice(nodes[:-1]).output.name,)))
    prices = draw.choice(
        [
            {"shift": 1, "reciprocal": 1, "division": 1},
            {"shift": 1, "reciprocal": 3, "division": 4},
            {"shift": 0, "reciprocal": 2, "division": 5},
            {"shift": 2, "reciprocal": 1, "division": 1.5},
        ]
    )
    return Problem(tuple(nodes), prices, real, shift)


def _tensor(draw: random.Random, name: str, ranged: bool) -> Tensor:
    if not ranged or draw.random() < 0.5:
        return Tensor(name, draw.randint(1, 9))
    low = draw.choice([-3.3, -1.3, -0.3, 0.2, 1.1])
    return Tensor(name, draw.randint(1, 9), low, low + draw.choice([0.4, 1.5, 2.7, 4.1]))
