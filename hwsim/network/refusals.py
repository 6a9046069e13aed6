"""What no datapath can run, refused in one sentence: control flow, random draws, shapes that depend on the images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
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
