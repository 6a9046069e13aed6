"""Plans and predictions for a network on images, which show how large each of its tensors gets."""

from __future__ import annotations

from torch import Tensor

from hwsim.datapath.accelerator import true_peaks
from hwsim.datapath.plan import Plan
from hwsim.datapath.planned import Planned, PlanOptions, first_out_of_range, least_cost_plan
from hwsim.datapath.tensor_format import TensorFormats
from hwsim.hardening import Hardened
from hwsim.network import Network


def plan_divisions(
    network: Network,
    hardened: Hardened,
    calibration: Tensor | None = None,
    options: PlanOptions | None = None,
    formats: TensorFormats | None = None,
) -> Planned:
    """The exact set of rescalings of least cost, with every tensor inside the range of its format.

    Args:
        network: the network to run.
        hardened: its stored words, with one scaling constant for each layer.
        calibration: images, (N, C, H, W), that show how large each tensor gets; noise if None.
        options: prices, and how careful the plan is.
        formats: number formats of the datapath; FP32 if None.

    Raises:
        HwsimError: if constants are per channel, a price is missing, or no plan keeps all tensors in range.
    """
    return least_cost_plan(network, hardened, true_peaks(network, calibration), options, formats)


def first_overflow(
    network: Network, plan: Plan, calibration: Tensor | None = None, formats: TensorFormats | None = None
) -> str | None:
    """The first value that a plan drives out of the range of its format, predicted from the true magnitudes.

    Returns:
        Its name, or None if all stay in range.
    """
    return first_out_of_range(network, plan, true_peaks(network, calibration), formats or TensorFormats.of())
