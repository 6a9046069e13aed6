"""Random small networks, composed of every operation that has a rule, with its optional arguments there and not.

Every value of a network is a tensor (N, 4, 4, 4). A step applies one operation to one or two earlier values; what it
returns is brought back to that shape by a layer, or by broadcasting against another value. `operation` adds an entry:
a function that draws the options of a step and returns what it computes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 4
SHAPE = (CHANNELS, 4, 4)

Function = Callable[..., Tensor]
_OPERATIONS: dict[str, tuple[Callable[[Draw], Function], int]] = {}


def operation(inputs: int = 1) -> Callable[[Callable[[Draw], Function]], Callable[[Draw], Function]]:
    """Add an entry that reads so many values."""

    def add(make: Callable[[Draw], Function]) -> Callable[[Draw], Function]:
        _OPERATIONS[make.__name__] = (make, inputs)
        return make

    return add


def operations() -> tuple[str, ...]:
    """The names of all entries."""
    return tuple(_OPERATIONS)


class Draw:
    """What the options of a step are drawn with; tensors drawn here become parameters of the step."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)
        self.generator = torch.Generator().manual_seed(self.random.getrandbits(40))
        self.parameters: dict[str, Tensor] = {}

    def often(self, chance: float = 0.5) -> bool:
        return self.random.random() < chance

    def choice(self, options: Sequence[Any]) -> Any:
        return self.random.choice(options)

    def some(self, **options: Sequence[Any]) -> dict[str, Any]:
        """Keyword arguments, each there or not, with one of its values."""
        return {name: self.choice(values) for name, values in options.items() if self.often()}

    def leading(self, *options: Sequence[Any]) -> tuple[Any, ...]:
        """Positional arguments, of which the last ones may be left out."""
        return tuple(self.choice(values) for values in options[: self.random.randint(0, len(options))])

    def tensor(self, name: str, *shape: int, spread: float = 1.0, about: float = 0.0) -> None:
        self.parameters[name] = about + spread * torch.randn(shape, generator=self.generator)

    def maybe(self, name: str, *shape: int, spread: float = 0.5, about: float = 0.0) -> None:
        """A parameter that may be left out."""
        if self.often():
            self.tensor(name, *shape, spread=spread, about=about)

    def weight(self, name: str, *shape: int) -> None:
        """A weight of a layer that keeps magnitudes about as they are."""
        fan_in = max(1, torch.Size(shape[1:]).numel())
        self.tensor(name, *shape, spread=fan_in**-0.5)


class Step(nn.Module):
    """One operation with its parameters."""

    def __init__(self, name: str, function: Function, inputs: Sequence[int], parameters: dict[str, Tensor]) -> None:
        super().__init__()
        self.name, self.function, self.reads = name, function, tuple(inputs)
        for key, value in parameters.items():
            if value.is_floating_point():
                self.register_parameter(key, nn.Parameter(value))
            else:
                self.register_buffer(key, value)

    def forward(self, *values: Tensor) -> Tensor:
        given = dict(self.named_parameters()) | dict(self.named_buffers())
        return self.function(*values, **given)


class Composed(nn.Module):
    """Steps in a row, each of which reads earlier values; the logits are made of the last one."""

    def __init__(self, steps: Sequence[Step], head: Step) -> None:
        super().__init__()
        self.steps, self.head = nn.ModuleList(steps), head

    def forward(self, x: Tensor) -> Tensor:
        values = [x]
        for step in self.steps:
            values.append(step(*(values[place] for place in step.reads)))
        return self.head(*(values[place] for place in self.head.reads))

    def __str__(self) -> str:
        return " ".join(f"{s.name}{list(s.reads)}" for s in [*self.steps, self.head])


def composed(seed: int, names: Sequence[str] | None = None) -> Composed:
    """A network from a seed: two to six operations, `names` or drawn ones, with layers in between."""
    draw = Draw(f"network {seed}")
    if names is None:
        names = [draw.choice(operations()) for _ in range(draw.random.randint(2, 6))]
    steps: list[Step] = []
    values = [torch.randn(2, *SHAPE, generator=draw.generator)]

    def add(name: str, function: Function, reads: Sequence[int], parameters: dict[str, Tensor]) -> None:
        step = Step(name, function, reads, parameters)
        with torch.no_grad():
            values.append(step(*(values[place] for place in reads)))
        steps.append(step)

    def earlier() -> int:
        """A value with the right shape: most often the last one, which has often been scaled."""
        places = [place for place, value in enumerate(values) if value.shape[1:] == SHAPE]
        return places[-1] if draw.often(0.6) else draw.choice(places)

    layers: list[Step] = []
    for turn, name in enumerate(names):
        if draw.often(0.7):
            if layers and draw.often(0.2):  # a layer that is used again
                with torch.no_grad():
                    again = Step.__new__(Step)
                    nn.Module.__init__(again)
                    again.__dict__.update({**layers[-1].__dict__, "reads": (earlier(),)})
                    values.append(again(values[again.reads[0]]))
                    steps.append(again)
            else:
                layer, inner = draw.choice(LAYERS), Draw(f"{seed} layer {turn}")
                add(layer.__name__, layer(inner), [earlier()], inner.parameters)
                layers.append(steps[-1])
        make, inputs = _OPERATIONS[name]
        inner = Draw(f"{seed} operation {turn}")
        function = make(inner)
        add(name, function, [earlier() for _ in range(inputs)], inner.parameters)
        result = values[-1]
        if result.shape[1:] != SHAPE:
            inner = Draw(f"{seed} shape {turn}")
            function, reads = _brought_back(inner, result, len(values) - 1, earlier())
            add("shape", function, reads, inner.parameters)
    head = Draw(f"{seed} head")
    reads = [len(values) - 1]
    if draw.often(0.3):
        reads.append(earlier())
    return Composed(steps, Step("head", _head(head, len(reads)), reads, head.parameters)).eval()


def _brought_back(draw: Draw, result: Tensor, place: int, other: int) -> tuple[Function, list[int]]:
    """A function to the usual shape, and what it reads."""
    try:
        fits = torch.broadcast_shapes(result.shape, (2, *SHAPE)) == (2, *SHAPE) and result.dim() == 4
    except RuntimeError:
        fits = False
    if fits and draw.often():
        kind = draw.choice(["add", "mul", "expand"])
        if kind == "expand":
            return lambda x: x.expand(-1, *SHAPE), [place]
        return (torch.add if kind == "add" else torch.mul), [place, other]
    size = result[0].numel()

    def flat(x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1)

    if draw.often() and size:
        draw.weight("weight", 64, size)
        draw.maybe("bias", 64)
        return lambda x, weight, bias=None: functional.linear(flat(x), weight, bias).view(-1, *SHAPE), [place]
    if size >= 64:
        return lambda x: flat(x)[:, :64].reshape(-1, *SHAPE), [place]
    return lambda x: functional.pad(flat(x), (0, 64 - size)).reshape(-1, *SHAPE), [place]


def _head(draw: Draw, inputs: int) -> Function:
    joined = (lambda *xs: torch.cat(xs, 1)) if draw.often() else (lambda *xs: torch.stack(xs).sum(0))
    size = 64 * inputs if inputs > 1 and joined(*[torch.zeros(1, *SHAPE)] * 2).shape[1] == 8 else 64
    if draw.often(0.8):
        draw.weight("weight", 5, size)
        draw.maybe("bias", 5)
        return lambda *xs, weight, bias=None: functional.linear(joined(*xs).flatten(1), weight, bias)
    return lambda *xs: joined(*xs).flatten(1)[:, :7]


# -- layers -------------------------------------------------------------------------------------------------------


@operation()
def convolution(d: Draw) -> Function:
    groups, kernel = d.choice([1, 2, 4]), d.choice([1, 3])
    d.weight("weight", CHANNELS, CHANNELS // groups, kernel, kernel)
    d.maybe("bias", CHANNELS)
    options: dict[str, Any] = {"padding": kernel // 2, "groups": groups}
    if kernel == 3:
        options |= d.some(dilation=[2], stride=[1, 2])
        options["padding"] = options.get("dilation", 1)
        if "stride" not in options and d.often(0.3):
            options["padding"] = "same"
    return lambda x, weight, bias=None: functional.conv2d(x, weight, bias, **options)


@operation()
def convolution_and_norm(d: Draw) -> Function:
    d.weight("weight", CHANNELS, CHANNELS, 3, 3)
    d.maybe("bias", CHANNELS)
    norm = batch_norm(d)
    names = ("mean", "variance", "gamma", "beta")

    def function(x: Tensor, weight: Tensor, bias: Tensor | None = None, **numbers: Tensor) -> Tensor:
        return norm(functional.conv2d(x, weight, bias, padding=1), **{k: v for k, v in numbers.items() if k in names})

    return function


@operation()
def batch_norm(d: Draw) -> Function:
    d.tensor("mean", CHANNELS, spread=0.3)
    d.tensor("variance", CHANNELS, spread=0.1, about=1.0)
    d.parameters["variance"] = d.parameters["variance"].abs()
    d.maybe("gamma", CHANNELS, about=1.0)
    d.maybe("beta", CHANNELS)
    options = d.some(eps=[0.1], momentum=[0.2])

    def function(x: Tensor, mean: Tensor, variance: Tensor, gamma: Any = None, beta: Any = None) -> Tensor:
        return functional.batch_norm(x, mean, variance, gamma, beta, training=False, **options)

    return function


@operation()
def linear(d: Draw) -> Function:
    d.weight("weight", 4, 4)
    d.maybe("bias", 4)
    return lambda x, weight, bias=None: functional.linear(x, weight, bias)


@operation()
def convolution_1d_and_3d(d: Draw) -> Function:
    d.weight("weight", *((CHANNELS, CHANNELS, 3) if d.often() else (2, 1, 3, 3, 3)))
    d.maybe("bias", len(d.parameters["weight"]))

    def function(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if weight.dim() == 3:
            return functional.conv1d(x.flatten(2), weight, bias, padding=1).reshape(x.shape)
        return functional.conv3d(x[:, None], weight, bias, padding=1)

    return function


LAYERS = (convolution, convolution, convolution_and_norm, linear)


# -- carried scales -----------------------------------------------------------------------------------------------


@operation()
def relu(d: Draw) -> Function:
    return d.choice([torch.relu, torch.neg, torch.abs, functional.leaky_relu])


@operation()
def leaky_relu(d: Draw) -> Function:
    slope = d.leading([0.3, 2.0])
    return lambda x: functional.leaky_relu(x, *slope)


@operation()
def prelu(d: Draw) -> Function:
    d.tensor("slope", d.choice([1, CHANNELS]))
    return lambda x, slope: functional.prelu(x, slope)


@operation()
def hardtanh(d: Draw) -> Function:
    if d.often(0.4):
        return functional.relu6
    bounds = d.leading([-1.5, 0.0, -0.25], [0.5, 2.0])
    return lambda x: functional.hardtanh(x, *bounds)


@operation()
def clamp(d: Draw) -> Function:
    bounds = d.some(min=[-0.5, 0.0, 0.25], max=[0.5, 1.0]) or {"min": 0.1}
    if d.often(0.3):
        return lambda x: x.clamp_min(0.25).clamp_max(1.5)
    return lambda x: x.clamp(**bounds)


@operation()
def max_pool(d: Draw) -> Function:
    kind = d.choice(["1d", "2d", "3d", "adaptive", "adaptive 1d"])
    more = d.leading([1, 2], [0, 1], [1], [False, True])
    if kind == "1d":
        return lambda x: functional.max_pool1d(x.flatten(2), 3, *more)
    if kind == "3d":
        return lambda x: functional.max_pool3d(x, 3, *more)
    if kind == "adaptive":
        size = d.choice([1, 2, 3])
        return lambda x: functional.adaptive_max_pool2d(x, size)
    if kind == "adaptive 1d":
        return lambda x: functional.adaptive_max_pool1d(x.flatten(2), 3)
    return lambda x: functional.max_pool2d(x, 2, *more)


@operation()
def places_of_a_maximum(d: Draw) -> Function:
    kind = d.choice(["unpool", "adaptive", "topk", "sort", "argmax", "max"])
    if kind == "unpool":
        return lambda x: functional.max_unpool2d(*functional.max_pool2d(x, 2, return_indices=True), 2)
    if kind == "adaptive":
        return lambda x: functional.adaptive_max_pool2d(x, 2, return_indices=True)[1] * x[:, :, :2, :2]
    if kind == "topk":
        return lambda x: x.gather(1, x.topk(2, 1)[1])
    if kind == "sort":
        return lambda x: x.gather(1, x.sort(1)[1])
    if kind == "max":
        return lambda x: x.max(1)[1][:, None] + x
    return lambda x: x.gather(1, x.argmax(1, keepdim=True))


@operation()
def average_pool(d: Draw) -> Function:
    kind = d.choice(["1d", "2d", "3d", "adaptive", "adaptive 1d", "adaptive 3d"])
    more = d.leading([1, 2], [0, 1], [False, True], [False, True])
    divisor = d.some(divisor_override=[3, 5])
    if kind == "1d":
        return lambda x: functional.avg_pool1d(x.flatten(2), 3, *more)
    if kind == "2d":
        return lambda x: functional.avg_pool2d(x, 3, *more, **divisor)
    if kind == "3d":
        return lambda x: functional.avg_pool3d(x, 3, *more, **divisor)
    size = d.choice([1, 3])
    if kind == "adaptive":
        return lambda x: functional.adaptive_avg_pool2d(x, size)
    if kind == "adaptive 1d":
        return lambda x: functional.adaptive_avg_pool1d(x.flatten(2), size)
    return lambda x: functional.adaptive_avg_pool3d(x[:, None], size)


@operation()
def reduction(d: Draw) -> Function:
    axes = d.choice([(1,), (2, 3), (-1,), (1, 2, 3)])
    keep = d.leading([True, False])
    kind = d.choice(["mean", "sum", "amax", "amin", "logsumexp", "max", "min", "median", "prod"])
    if kind in ("max", "min", "median"):
        return lambda x: getattr(x, kind)(axes[0], *keep)[0]
    if kind == "prod":
        return lambda x: x.prod(axes[0], *keep)
    return lambda x: getattr(torch, kind)(x, axes, *keep)


@operation()
def deviation(d: Draw) -> Function:
    kind = d.choice([torch.std, torch.var, torch.std_mean, torch.var_mean])
    axes, more = d.choice([(1,), (2, 3), (1, 2, 3)]), d.some(keepdim=[True, False], correction=[0, 1, 2])
    if d.often(0.3):
        more = d.some(unbiased=[True, False], keepdim=[True])
        more.setdefault("unbiased", True)

    def function(x: Tensor) -> Tensor:
        found = kind(x, axes, **more)
        return found[0] + found[1] if isinstance(found, tuple) else found

    return function


@operation()
def vector_norm(d: Draw) -> Function:
    orders = [0, 1, 2, 3, 0.5, -1, -2, float("inf"), float("-inf")]
    more = (*d.leading(orders), *d.leading())
    axes = d.choice([(1,), (2, 3), (1, 2, 3)])
    if d.often(0.3):
        return lambda x: functional.normalize(x, dim=1)
    options = d.some(keepdim=[True, False])
    return lambda x: torch.linalg.vector_norm(x, *more, dim=axes, **options)


@operation()
def cumulative(d: Draw) -> Function:
    kind = d.choice(["cumsum", "cummax", "cummin", "diff"])
    axis = d.choice([1, 3])
    if kind in ("cummax", "cummin"):
        return lambda x: getattr(x, kind)(axis)[0]
    return lambda x: getattr(torch, kind)(x, dim=axis)


@operation()
def ordered(d: Draw) -> Function:
    kind, axis = d.choice(["sort", "topk", "kthvalue", "msort"]), d.choice([1, 2, 3])
    if kind == "sort":
        options = d.some(descending=[True, False], stable=[True])
        return lambda x: x.sort(dim=axis, **options)[0]
    if kind == "topk":
        more = d.leading([axis], [True, False], [True])
        return lambda x: x.topk(2, *more)[0]
    if kind == "kthvalue":
        more = d.leading([axis], [True, False])
        return lambda x: x.kthvalue(2, *more)[0]
    return lambda x: x.median(axis)[0]


@operation()
def reshapes(d: Draw) -> Function:
    functions: list[Function] = [
        lambda x: x.flatten(1).reshape(-1, *SHAPE),
        lambda x: x.permute(0, 2, 3, 1),
        lambda x: x.transpose(1, 2),
        lambda x: x.swapaxes(1, 3).contiguous(),
        lambda x: x.movedim(1, 3),
        lambda x: x.movedim((1, 2), (3, 1)),
        lambda x: x.unsqueeze(2).squeeze(2),
        lambda x: x.mean(1, True).squeeze(1),
        lambda x: x.unflatten(1, (2, 2)),
        lambda x: x.flatten(1).unflatten(1, SHAPE),
        lambda x: x.roll(1, 2),
        lambda x: x.flip(3),
        lambda x: x.clone(),
        lambda x: x.tile(2, 1),
        lambda x: x.repeat(1, 1, 2, 1),
        lambda x: x[:, :1].expand(-1, 4, -1, -1),
        lambda x: x[:, 1:3],
        lambda x: x[:, 2],
        lambda x: x[..., ::2],
        lambda x: x.narrow(1, 1, 2),
        lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
        lambda x: torch.stack(x.unbind(1), 3),
        lambda x: torch.cat(x.split([1, 3], 1)[::-1], 1),
        lambda x: x.split(2, 1)[0],
        lambda x: functional.channel_shuffle(x, 2),
        lambda x: functional.pixel_shuffle(x, 2),
        lambda x: functional.pixel_unshuffle(x, 2),
        lambda x: functional.unfold(x, 2),
        lambda x: functional.fold(functional.unfold(x, 2), (4, 4), 2),
        lambda x: x.unfold(2, 2, 2),
        lambda x: x.tril() + x.triu(1),
        lambda x: x.rot90(1, (2, 3)),
        lambda x: x.diagonal(0, 2, 3),
        lambda x: x.expand_as(x) + x.reshape_as(x),
        lambda x: x.repeat_interleave(2, 1),
        lambda x: x.flatten(2).mT,
        lambda x: x.mean(1).unsqueeze(1).squeeze((1,)),
    ]
    return d.choice(functions)


@operation()
def chosen_elements(d: Draw) -> Function:
    d.parameters["index"] = torch.tensor([3, 0, 2])
    kind = d.choice(["index_select", "gather", "index", "index_two", "take_along"])
    if kind == "index_select":
        return lambda x, index: x.index_select(1, index)
    if kind == "gather":
        return lambda x, index: x.gather(1, index.view(1, 3, 1, 1).expand(x.shape[0], 3, 4, 4))
    if kind == "index":
        return lambda x, index: x[:, index]
    if kind == "take_along":
        return lambda x, index: x.take_along_dim(index.view(1, 3, 1, 1), 1)
    return lambda x, index: x[:, :, index, index]


@operation()
def padded(d: Draw) -> Function:
    mode = d.choice(["constant", "constant", "reflect", "replicate", "circular"])
    value = d.some(value=[0.75, 0.0, -2]) if mode == "constant" else {}
    if d.often(0.2):
        return lambda x: torch.ops.aten.constant_pad_nd.default(x, [1, 1], *value.values())
    return lambda x: functional.pad(x, (1, 0, 0, 1), mode=mode, **value)


@operation()
def resized(d: Draw) -> Function:
    mode = d.choice(["nearest", "bilinear", "bicubic", "area", "nearest-exact", "linear", "trilinear"])
    options: dict[str, Any] = {}
    if mode in ("bilinear", "bicubic"):
        options = d.some(align_corners=[True, False], antialias=[True])
        if options.get("antialias"):
            options.pop("align_corners", None)
    size = {"size": d.choice([3, 6])} if d.often() else {"scale_factor": 2}
    if mode in ("linear", "trilinear"):
        options = d.some(align_corners=[True, False])
    if mode == "linear":
        return lambda x: functional.interpolate(x.flatten(2), mode=mode, **size, **options)
    if mode == "trilinear":
        return lambda x: functional.interpolate(x[:, None], mode=mode, **size, **options)
    if mode == "nearest" and d.often():
        return lambda x: functional.interpolate(x.flatten(2), mode=mode, **size)
    return lambda x: functional.interpolate(x, mode=mode, **size, **options)


@operation()
def sampled(d: Draw) -> Function:
    d.tensor("theta", 1, 2, 3, spread=0.5)
    options = d.some(mode=["bilinear", "nearest"], padding_mode=["zeros", "border"], align_corners=[True])
    options.setdefault("align_corners", False)

    def function(x: Tensor, theta: Tensor) -> Tensor:
        grid = functional.affine_grid(theta, [1, *SHAPE], align_corners=False)
        return functional.grid_sample(x, grid.expand(x.shape[0], -1, -1, -1), **options)

    return function


@operation(2)
def shaped_like_another(d: Draw) -> Function:
    functions: list[Function] = [
        lambda x, y: x[:, :1].expand_as(y),
        lambda x, y: x.flatten(1).reshape_as(y),
        lambda x, y: x.view_as(y),
        lambda x, y: torch.ones_like(x) + y,
        lambda x, y: torch.full_like(x, 0.75) * y,
        lambda x, y: torch.zeros_like(x) - y,
        lambda x, y: x.new_ones(x.shape[0], *SHAPE) + y,
        lambda x, y: x.new_full((x.shape[0], 1, 4, 4), 0.5) + y,
        lambda x, y: torch.cat([x.new_zeros(x.shape[0], 1, 4, 4), y], 1),
        lambda x, y: torch.zeros(x.shape[0], 1, 4, 4, dtype=x.dtype) + y,
        lambda x, y: torch.full((x.shape[0], 1, 4, 4), 0.3, dtype=x.dtype) + y,
        lambda x, y: torch.ones(x.shape[0], 1, 4, 4, dtype=x.dtype) - y,
        lambda x, y: torch.fill(x, 0.3) + y,
        lambda x, y: y + torch.fill(x, torch.tensor(0.3)),
    ]
    return d.choice(functions)


# -- sums, joins and what is compared -----------------------------------------------------------------------------


@operation(2)
def joined(d: Draw) -> Function:
    axis = d.choice([1, 2, -1])
    functions: list[Function] = [
        lambda x, y: torch.cat([x, y], axis),
        lambda x, y: torch.cat([x, y, x], axis),
        lambda x, y: torch.stack([x, y], axis),
        torch.maximum,
        torch.minimum,
        torch.max,
        torch.min,
        torch.fmax,
        lambda x, y: torch.slice_scatter(x, y[:, :2], 1, 1, 3),
        lambda x, y: torch.select_scatter(x, y[:, 0], 1, 2),
        lambda x, y: torch.hstack([x, y]),
    ]
    return d.choice(functions)


@operation(2)
def sum_of_two(d: Draw) -> Function:
    kind, factor = d.choice([torch.add, torch.sub, torch.rsub]), d.some(alpha=[2, 0.5, -1.5])
    return lambda x, y: kind(x, y, **factor)


@operation()
def sum_with_a_constant(d: Draw) -> Function:
    kind, factor = d.choice([torch.add, torch.sub, torch.rsub]), d.some(alpha=[2, 0.5, -1.5])
    if d.often():
        number = d.choice([0.75, -2])
        return lambda x: kind(x, number, **factor)
    d.tensor("other", *d.choice([(4,), (4, 1, 1), (1, 4, 4, 4), (1,), ()]))
    if d.often():
        return lambda x, other: kind(other, x, **factor)
    return lambda x, other: kind(x, other, **factor)


@operation()
def joined_with_a_constant(d: Draw) -> Function:
    d.tensor("other", 1, *SHAPE)
    d.parameters["mask"] = torch.rand(1, *SHAPE, generator=d.generator) > 0.4
    functions: list[Function] = [
        lambda x, other, mask: torch.cat([other.expand(x.shape[0], -1, -1, -1), x], 1),
        lambda x, other, mask: torch.cat([x, other[:, :1].repeat(x.shape[0], 1, 1, 1)], 1),
        lambda x, other, mask: torch.maximum(x, other),
        lambda x, other, mask: torch.minimum(other, x),
        lambda x, other, mask: torch.where(mask, x, other),
        lambda x, other, mask: torch.where(mask, other, x),
        lambda x, other, mask: torch.where(mask, x, 0.75),
        lambda x, other, mask: torch.where(mask, 0.75, x),
        lambda x, other, mask: x.masked_fill(mask, 0.75),
        lambda x, other, mask: x.masked_fill(mask, other[0, 0, 0, 0]),
        lambda x, other, mask: torch.slice_scatter(x, other[:, :1].expand(x.shape[0], -1, -1, -1), 1, 0, 1),
        lambda x, other, mask: torch.clamp(x, other - 1, other + 1),
        lambda x, other, mask: torch.clamp(x, min=other),
        lambda x, other, mask: torch.lerp(x, other, 0.3),
        lambda x, other, mask: torch.lerp(other, x, 0.3),
        lambda x, other, mask: x.index_add(1, torch.tensor([2, 0, 1, 1]), other.expand(x.shape[0], -1, -1, -1)),
        lambda x, other, mask: torch.max(x, other),
        lambda x, other, mask: x * mask,
        lambda x, other, mask: x.index_fill(1, torch.tensor([2]), 0.75),
        lambda x, other, mask: x.clamp_min(other),
        lambda x, other, mask: x + mask,
    ]
    return d.choice(functions)


@operation(2)
def chosen_by_the_values(d: Draw) -> Function:
    functions: list[Function] = [
        lambda x, y: torch.where(x > 0, x, 0.1 * y),
        lambda x, y: torch.where(x > 0.3, x, y),
        lambda x, y: x * (y > 0),
        lambda x, y: x.masked_fill(y > 0, 0.75),
        lambda x, y: torch.sign(x) * y,
        lambda x, y: torch.where(x > y, x, y),
        lambda x, y: functional.threshold(x, 0.3, -0.2) + y,
        lambda x, y: functional.hardshrink(x, 0.3) + y,
        lambda x, y: functional.softshrink(x, 0.3) + y,
        lambda x, y: torch.copysign(x, y),
        lambda x, y: torch.heaviside(x, x.new_full((), 0.5)) * y,
        lambda x, y: (x == x.amax(1, keepdim=True)) * y,
        lambda x, y: torch.ops.aten.copy.default(x, y),
        lambda x, y: torch.lerp(x, y, 0.3),
        lambda x, y: torch.lerp(x, y, x),
        lambda x, y: x.clamp(min=y),
        lambda x, y: x.clamp(max=y),
    ]
    return d.choice(functions)


# -- products -----------------------------------------------------------------------------------------------------


@operation(2)
def product_of_two(d: Draw) -> Function:
    functions: list[Function] = [
        torch.mul,
        torch.matmul,
        lambda x, y: torch.bmm(x.flatten(2), y.flatten(2).mT),
        lambda x, y: torch.einsum("bcij,bckj->bcik", x, y),
        lambda x, y: x / (y.abs() + 0.5),
        lambda x, y: torch.div(x, y.square() + 1.0),
        lambda x, y: torch.addcmul(x, y, y),
        lambda x, y: torch.addcmul(x, y, y, value=0.5),
        lambda x, y: torch.addcdiv(x, y, y.abs() + 1.0),
        lambda x, y: torch.baddbmm(x[:, 0], x[:, 1], y[:, 0]),
        lambda x, y: torch.baddbmm(x[:, 0], x[:, 1], y[:, 0], beta=0.5, alpha=2),
        lambda x, y: functional.cosine_similarity(x, y),
        lambda x, y: x * torch.reciprocal(y.abs() + 1.0),
        lambda x, y: torch.linalg.vecdot(x, y),
        lambda x, y: torch.hypot(x, y),
    ]
    return d.choice(functions)


@operation()
def product_with_a_constant(d: Draw) -> Function:
    d.tensor("other", 4, 4, about=0.5)
    value = d.some(value=[0.5, 2])
    functions: list[Function] = [
        lambda x, other: x * 0.3,
        lambda x, other: 3 * x,
        lambda x, other: x * other,
        lambda x, other: other * x,
        lambda x, other: x / 3,
        lambda x, other: x / (other.abs() + 0.5),
        lambda x, other: x @ other,
        lambda x, other: other @ x,
        lambda x, other: torch.einsum("bcij,jk->bcik", x, other),
        lambda x, other: torch.addcmul(other, other, x, **value),
        lambda x, other: torch.addcmul(other, x, other, **value),
        lambda x, other: torch.addcmul(x, other, other, **value),
        lambda x, other: torch.addcdiv(other, x, other.abs() + 1, **value),
        lambda x, other: torch.bmm(x[:, 0], other.expand(x.shape[0], -1, -1)),
        lambda x, other: torch.baddbmm(other, x[:, 0], other.expand(x.shape[0], -1, -1)),
        lambda x, other: torch.addmm(other[0], x[:, 0, 0], other),
        lambda x, other: other / (x.abs() + 1.0),
        lambda x, other: torch.tensordot(x, other, ([3], [0])),
        lambda x, other: x.true_divide(2.0),
        lambda x, other: x.mul(-0.5).div(4),
        lambda x, other: torch.cross(x[..., :3], other[0, :3].expand(x.shape[0], 4, 4, 3), dim=-1),
        lambda x, other: functional.bilinear(x, x, other[None].contiguous()),
    ]
    return d.choice(functions)


@operation()
def convolution_without_storage(d: Draw) -> Function:
    kind = d.choice(["1d", "2d", "3d"])
    d.weight("weight", *{"1d": (4, 2, 3), "2d": (4, 2, 3, 3), "3d": (1, 2, 3, 3, 3)}[kind])
    d.maybe("bias", 2)
    more = d.leading([1, 2], [1, 0], [0], [1], [1])
    if kind == "1d":
        return lambda x, weight, bias=None: functional.conv_transpose1d(x.flatten(2), weight, bias, *more)
    if kind == "2d":
        return lambda x, weight, bias=None: functional.conv_transpose2d(x, weight, bias, *more)
    return lambda x, weight, bias=None: functional.conv_transpose3d(x[:, None], weight, bias, *more)


@operation()
def powers(d: Draw) -> Function:
    functions: list[Function] = [
        torch.square,
        lambda x: x**2,
        lambda x: x**3,
        lambda x: (x.abs() + 0.1).sqrt(),
        lambda x: (x.square() + 0.1).rsqrt(),
        lambda x: 1 / (x.abs() + 1),
        lambda x: (x.abs() + 0.5) ** -1.5,
        lambda x: (x.abs() + 0.5) ** 0.5,
        lambda x: (x.abs() + 0.5) ** -1,
        lambda x: x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-3),
        lambda x: 2.0**x,
        lambda x: (x.abs() + 0.5) ** x,
        lambda x: x * x * x,
        lambda x: x**0,
        lambda x: x**1,
    ]
    return d.choice(functions)


@operation()
def transformed(d: Draw) -> Function:
    functions: list[Function] = [
        lambda x: torch.fft.fft2(x).real,
        lambda x: torch.fft.fft(x, dim=1, norm="ortho").imag,
        lambda x: torch.fft.irfft2(torch.fft.rfft2(x)),
        lambda x: torch.fft.rfft2(x, norm="forward").abs(),
    ]
    return d.choice(functions)


# -- what absorbs, and what needs a scale of one -------------------------------------------------------------------


@operation()
def layer_norm(d: Draw) -> Function:
    shape = d.choice([(4,), (4, 4), SHAPE])
    d.maybe("weight", *shape, about=1.0)
    d.maybe("bias", *shape)
    options = d.some(eps=[0.1])
    return lambda x, weight=None, bias=None: functional.layer_norm(x, shape, weight, bias, **options)


@operation()
def group_norm(d: Draw) -> Function:
    d.maybe("weight", CHANNELS, about=1.0)
    d.maybe("bias", CHANNELS)
    groups, options = d.choice([1, 2, 4]), d.some(eps=[0.1])
    return lambda x, weight=None, bias=None: functional.group_norm(x, groups, weight, bias, **options)


@operation()
def instance_norm(d: Draw) -> Function:
    d.maybe("weight", CHANNELS, about=1.0)
    d.maybe("bias", CHANNELS)
    options = d.some(eps=[0.1])
    if d.often(0.3):
        d.tensor("mean", CHANNELS)
        d.parameters["variance"] = torch.rand(CHANNELS, generator=d.generator) + 0.5
        options["use_input_stats"] = False

    def function(x: Tensor, mean: Any = None, variance: Any = None, weight: Any = None, bias: Any = None) -> Tensor:
        return functional.instance_norm(x, mean, variance, weight, bias, **options)

    return function


@operation()
def rms_norm(d: Draw) -> Function:
    shape = d.choice([(4,), (4, 4)])
    d.maybe("weight", *shape, about=1.0)
    options = d.some(eps=[0.1])

    def function(x: Tensor, weight: Tensor | None = None) -> Tensor:
        # Without eps torch takes that of the type: the reference in doubles has to take that of FP32 too.
        of_single = {"eps": torch.finfo(torch.float32).eps} if x.dtype == torch.float64 else {}
        return functional.rms_norm(x, shape, weight, **of_single | options)

    return function


@operation()
def local_response_norm(d: Draw) -> Function:
    options = d.some(alpha=[0.1], beta=[0.5], k=[2.0])
    return lambda x: functional.local_response_norm(x, 2, **options)


@operation(2)
def attention(d: Draw) -> Function:
    options = d.some(scale=[0.3, 2.0], is_causal=[True], dropout_p=[0.0])
    kind = d.choice(["none", "none", "float", "bool", "expanded", "of the values", "fixed query", "fixed value"])
    d.tensor("mask", 4, 4)
    if kind not in ("none", "fixed query", "fixed value"):
        options.pop("is_causal", None)

    def function(x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        of = functional.scaled_dot_product_attention
        if kind == "none":
            return of(x, y, x + y, **options)
        if kind == "float":
            return of(x, y, y, mask, **options)
        if kind == "bool":
            return of(x, y, y, mask > -1, **options)
        if kind == "expanded":
            return of(x, y, y, mask.expand(x.shape[0], 1, 4, 4), **options)
        if kind == "of the values":
            return of(x, x, x, y, **options)
        if kind == "fixed query":
            return of(mask.expand(1, 4, 4, 4), x, y, **options)
        return of(x, y, mask.expand(1, 4, 4, 4), **options)

    return function


@operation(2)
def grouped_attention(d: Draw) -> Function:
    return lambda x, y: functional.scaled_dot_product_attention(x, y[:, :2], y[:, 2:], enable_gqa=True)


@operation()
def hard_gates(d: Draw) -> Function:
    return d.choice([functional.hardswish, functional.hardsigmoid])


@operation()
def curved(d: Draw) -> Function:
    functions: list[Function] = [
        functional.gelu,
        lambda x: functional.gelu(x, approximate="tanh"),
        functional.silu,
        torch.sigmoid,
        torch.tanh,
        functional.softplus,
        lambda x: functional.softplus(x, 2.0, 5.0),
        functional.elu,
        lambda x: functional.elu(x, 0.5),
        functional.selu,
        functional.celu,
        functional.mish,
        functional.softsign,
        functional.logsigmoid,
        lambda x: torch.exp(0.3 * x).clamp(max=50),
        lambda x: torch.log(x.abs() + 0.5),
        torch.erf,
        torch.sin,
        lambda x: x.softmax(1),
        lambda x: x.log_softmax(-1),
        lambda x: functional.softmin(x, 1),
        functional.tanhshrink,
        lambda x: functional.glu(x, 1),
    ]
    return d.choice(functions)


@dataclass(frozen=True)
class Reference:
    """What a module says in double precision, and how far off rounding could be.

    Attributes:
        logits: (N, classes).
        slack: what the largest change of a logit is when every parameter and the images change in their last bit.
    """

    logits: Tensor
    slack: float


def reference(module: nn.Module, images: Tensor) -> Reference:
    """Of a module, which is left as it was."""
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    generator = torch.Generator().manual_seed(0)

    def nudged(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        return tensor.double() * (1 + 2.0**-23 * torch.randn(tensor.shape, generator=generator))

    with torch.no_grad():
        exact = module.double()(images.double())
        changes = []
        for _ in range(3):
            module.load_state_dict({name: nudged(tensor) for name, tensor in state.items()})
            changes.append(float((module(nudged(images)) - exact).abs().max()))
        module.float().load_state_dict(state)
    return Reference(exact, max(changes))
