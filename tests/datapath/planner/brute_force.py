"""An independent way to plan: try every choice of copies, cheapest first.

Shares no code with the planner but its vocabulary. Constants must be products of powers of 2, 3 and 5. A choice is
possible if its equations hold exactly (elimination over fractions, one right-hand side for each of log 2, log 3, log 5)
and a mixed-integer program finds potentials in their ranges.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from hwsim.planner import FreeConstant, Problem

PRIMES = (2, 3, 5)
LOGS = [math.log2(prime) for prime in PRIMES]


def least_cost(problem: Problem) -> float | None:
    """The least cost of any plan; None if there is none."""
    stars, variables, equations = _system(problem)
    options = [_options(problem, *star) for star in stars]
    finest = [max(star, key=lambda option: (len(option[1]), sum(map(len, option[1])))) for star in options]
    if not _possible(variables, equations, [classes for _, classes in finest]):
        return None
    choices = sorted(itertools.product(*options), key=lambda choice: sum(cost for cost, _ in choice))
    for choice in choices:
        if _possible(variables, equations, [classes for _, classes in choice]):
            return sum(cost for cost, _ in choice)
    raise AssertionError("the finest choice is possible")


def possible_choices(problem: Problem):
    """Every choice that is possible, for a problem without idle multipliers: the class and the block at which each
    tensor is held, first its own and then those of its readers."""
    stars, variables, equations = _system(problem)
    names = [t.name for t in problem.tensors if any(t.name in node.inputs for node in problem.nodes)]
    for choice in itertools.product(*(_options(problem, *star) for star in stars)):
        if _possible(variables, equations, [classes for _, classes in choice]):
            held = (
                [_place(classes, end) for end in ends] for (ends, *_), (_, classes) in zip(stars, choice, strict=True)
            )
            yield dict(zip(names, held, strict=True))


def _place(classes, end):
    return next((n, block) for n, blocks in enumerate(classes) for block in map(tuple, blocks) if end in block)


def choices(problem: Problem) -> int:
    """How many choices `least_cost` has to try at most."""
    return math.prod(len(_options(problem, *star)) for star in _system(problem)[0])


def _options(problem: Problem, ends, elements, idle):
    """Every way to divide the ends of a star into classes of blocks, with its cost."""
    price = problem.prices
    shift = None if idle or not problem.shift else elements * price["shift"]
    real = elements * price["reciprocal"] if idle else None if not problem.real else elements * price[problem.real]
    found = []
    for blocks in partitions(ends):
        for classes in partitions(blocks) if shift is not None else [[[block] for block in blocks]]:
            if len(classes) == 1 or real is not None:
                cost = (len(classes) - 1) * (real or 0) + (len(blocks) - len(classes)) * (shift or 0)
                found.append((cost, classes))
    return found


def _exponents(number) -> list[int]:
    number, found = Fraction(number), []
    for prime in PRIMES:
        exponent = 0
        while number.numerator % prime == 0:
            number, exponent = number / prime, exponent + 1
        while number.denominator % prime == 0:
            number, exponent = number * prime, exponent - 1
        found.append(exponent)
    assert number == 1
    return found


def _system(problem: Problem):
    """Stars (ends, elements, idle), variables (low, high, integer), equations (coefficients, exponents)."""
    variables, equations, produced, readers, idle = [], [], {}, {}, []
    tensors = {tensor.name: tensor for tensor in problem.tensors}

    def new(low=-math.inf, high=math.inf, integer=False) -> int:
        variables.append((low, high, integer))
        return len(variables) - 1

    for node in problem.nodes:
        read = {}
        for name in dict.fromkeys(node.inputs):
            read[name] = new(tensors[name].low, tensors[name].high)
            readers[name].append(read[name])
        if node.output is not None:
            out = produced[node.output.name] = new(node.output.low, node.output.high)
            readers[node.output.name] = []
        inputs = [read[name] for name in node.inputs]
        if node.effect in ("source", "pin", "output"):
            zero = [*inputs, *([out] if node.output else [])]
            equations += [({symbol: 1}, [0, 0, 0]) for symbol in zero]
        elif node.effect == "join":
            equations += [({symbol: 1, out: -1}, [0, 0, 0]) for symbol in inputs]
        elif node.effect == "absorb":
            if node.idle:
                idle.append(([inputs[0], out], node.idle, True))
        else:
            row = {out: 1}
            for place, symbol in enumerate(inputs):
                divisor = node.effect == "quotient" and place == 1
                row[symbol] = row.get(symbol, 0) + (1 if divisor else -1)
            exponents = [0, 0, 0]
            if node.effect == "linear" and isinstance(node.constant, FreeConstant):
                row[new(math.log2(node.constant.low), math.log2(node.constant.high), node.constant.power_of_two)] = -1
            elif node.effect == "linear":
                exponents = _exponents(node.constant)
            equations.append((row, exponents))
    stars = [([produced[name], *ends], tensors[name].elements, False) for name, ends in readers.items() if ends]
    return stars + idle, variables, equations


def partitions(items):
    """All ways to divide a list into parts."""
    if not items:
        yield []
        return
    first, *rest = items
    for parts in partitions(rest):
        yield [[first], *parts]
        for n, part in enumerate(parts):
            yield [*parts[:n], [first, *part], *parts[n + 1 :]]


def _possible(variables, equations, choice) -> bool:
    variables, equations = list(variables), list(equations)
    for classes in choice:
        for blocks in classes:
            for block in blocks:
                equations += [({block[0]: 1, other: -1}, [0, 0, 0]) for other in block[1:]]
            for block in blocks[1:]:
                variables.append((-math.inf, math.inf, True))
                equations.append(({blocks[0][0]: 1, block[0]: -1, len(variables) - 1: 1}, [0, 0, 0]))
    return _exactly_solvable(variables, equations) and _in_range(variables, equations)


def _exactly_solvable(variables, equations) -> bool:
    """Whether rational multiples of log 2, log 3 and log 5 solve the equations, with integers where they must be."""
    rows = [[Fraction(row.get(n, 0)) for n in range(len(variables))] + list(map(Fraction, b)) for row, b in equations]
    order = sorted(range(len(variables)), key=lambda n: variables[n][2])  # real variables are eliminated first
    for column in order:
        pivot = next((row for row in rows if row[column]), None)
        if variables[column][2]:
            break
        if pivot is not None:
            rows.remove(pivot)
            rows = [
                [a - row[column] / pivot[column] * b for a, b in zip(row, pivot, strict=True)] if row[column] else row
                for row in rows
            ]
    return all(not any(row[-2:]) and (any(row[:-3]) or not row[-3]) for row in rows)


def _in_range(variables, equations) -> bool:
    matrix = np.zeros((len(equations), len(variables)))
    for line, (row, _) in enumerate(equations):
        for column, coefficient in row.items():
            matrix[line, column] = coefficient
    known = np.array([np.dot(exponents, LOGS) for _, exponents in equations])
    low, high, integer = (np.array(part, dtype=float) for part in zip(*variables, strict=True))
    bounds = Bounds(np.where(integer, np.maximum(low, -40), low), np.where(integer, np.minimum(high, 40), high))
    constraint = LinearConstraint(matrix, known, known)
    objectives = np.vstack([np.zeros(len(variables)), np.eye(len(variables))])
    for objective, presolve in itertools.product(objectives, (True, False)):
        options = {"presolve": presolve}
        solved = milp(objective, integrality=integer, bounds=bounds, constraints=constraint, options=options)
        if solved.status in (0, 2, 3):  # optimal, infeasible, unbounded; the solver fails on some small programs
            return solved.status != 2
    raise AssertionError(solved.message)
