"""What no datapath can run, refused in one sentence: control flow, random draws, shapes that depend on the images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.fx.experimental.symbolic_shapes import free_unbacked_symbols

from hwsim.errors import HwsimError
from hwsim.network.graph import ATEN

REGIONS = {  # parts of a graph under a setting of autograd or autocast -> how many arguments come before the part
    torch.ops.higher_order.wrap_with_set_grad_enabled: 1,
    torch.ops.higher_order.wrap_with_autocast: 4,
}
DROPOUTS = {
    ATEN.dropout.default,
    ATEN.feature_dropout.default,
    ATEN.alpha_dropout.default,
    ATEN.feature_alpha_dropout.default,
}


def check(node: torch.fx.Node) -> None:
    """Raise what no datapath can run."""
    target, where = node.target, module_path(node) or "the network"
    if target is torch.ops.higher_order.wrap_with_autocast:
        if _flag(node, 2):
            raise HwsimError(f"Autocast in {where} computes in {node.args[1]}: capture the network in float32.")
    elif isinstance(target, torch._ops.HigherOrderOperator) and target not in REGIONS:
        raise HwsimError(
            f"{target} in {where} lets the images decide what is done: a datapath has one fixed sequence of operations."
        )
    elif target == ATEN.batch_norm.default and _flag(node, 5):
        raise HwsimError(
            f"{target} in {where} normalises by the statistics of the batch in evaluation too: let it use running ones."
        )
    elif free_unbacked_symbols(node.meta.get("val")):
        raise HwsimError(
            f"{target} in {where} makes a shape or a number of what is in the images: a datapath's are fixed, so use a "
            "mask and torch.where."
        )


def check_types(module_name: str, module: nn.Module) -> None:
    """Raise parameters that are not those of the datapath's arithmetic."""
    for name, parameter in module.named_parameters():
        if parameter.dtype != torch.float32 and parameter.is_floating_point():
            raise HwsimError(
                f"{name} in {module_name} is {parameter.dtype}, and the datapath computes in FP32: capture "
                "module.float(); the number format of stored words is harden's."
            )


def check_product(node: torch.fx.Node, weights: list[Any]) -> None:
    """Raise products with weights that are not of the type of the datapath's arithmetic."""
    where = module_path(node) or "the network"
    for weight in weights:
        if not isinstance(weight, Tensor):
            continue
        if weight.is_complex():
            raise HwsimError(f"{node.target} in {where} has weights that are complex: they must be real numbers.")
        if weight.is_floating_point() and weight.dtype != torch.float32:
            raise HwsimError(
                f"{node.target} in {where} computes in {weight.dtype}, and the datapath in FP32: leave out the cast."
            )


def check_images_apart(module_name: str, module: nn.Module, image: Tensor) -> None:
    """Raise if the logits of an image change with the others that are run with it.

    The image is run between two of NaN, which every sum and product with them would pass on, whatever the rounding. So
    one run tells. What only compares images, or looks up something by their numbers, is not found.
    """
    others = torch.full_like(image, torch.nan)
    try:
        with torch.inference_mode():
            mixed = module(torch.cat([others, image, others]))[1].isnan()
            if not mixed.any() or not (mixed & ~module(image.clone())[0].isnan()).any():
                return
    except (IndexError, RuntimeError):  # NaN is no place in a table
        return
    raise HwsimError(
        f"{module_name} mixes the images of a batch: the logits of one change with the others, so let every operation "
        "keep the first axis apart (batch_first=True, statistics and sums over the other axes only)."
    )


def check_logits(module_name: str, value: Any) -> None:
    """Raise what a classifier cannot return."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = value.dtype if isinstance(value, Tensor) else "a size"
        raise HwsimError(f"{module_name} returns {kind}: a classifier returns logits, which are real numbers.")
    if value.dim() == 0 or isinstance(value.shape[0], int) or for_one_image(value.shape[0]) != 1:
        raise HwsimError(
            f"{module_name} mixes the images in what it returns: a classifier returns a row of logits for each image."
        )


def check_draws(node: torch.fx.Node) -> None:
    """Raise what draws random numbers: recurrent layers may, in training only, and so may dropout."""
    target: Any = node.target
    schema = getattr(target, "_schema", None)
    if schema is None:
        return
    if target in DROPOUTS:
        draws = _flag(node, 1) and _flag(node, 2)
    elif target in (ATEN.rrelu.default, ATEN.rrelu_.default):
        draws = _flag(node, 3, "training")
    elif target == ATEN.scaled_dot_product_attention.default:
        draws = _flag(node, 4, "dropout_p")
    else:
        draws = torch.Tag.nondeterministic_seeded in target.tags and all(a.name != "train" for a in schema.arguments)
    if draws:
        where = module_path(node) or "the network"
        raise HwsimError(f"{target} in {where} draws at random in evaluation too: let it depend on module.training.")


def _flag(node: torch.fx.Node, position: int, name: str = "") -> bool:
    return bool(node.args[position] if len(node.args) > position else node.kwargs.get(name))


def for_one_image(size: Any) -> int:
    """A size, which may be an expression in the number of images, for one of them."""
    if isinstance(size, int):
        return size
    expression = size.node.expr
    return int(expression.subs(dict.fromkeys(expression.free_symbols, 1)))


def module_path(node: torch.fx.Node) -> str:
    """Where in the module tree the operation stands: "layer1.0.conv1"; empty at the top."""
    stack = node.meta.get("nn_module_stack")
    if not stack:
        return ""
    path, _ = list(stack.values())[-1]
    return str(path)
