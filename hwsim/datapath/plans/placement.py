"""The plan for every way of dividing."""

from __future__ import annotations

from hwsim.datapath.config import DatapathConfig
from hwsim.datapath.plan import Plan, place_divisions
from hwsim.datapath.plans.least_cost import PlanOptions, least_cost_plan
from hwsim.datapath.plans.ranges import Peaks, true_peaks
from hwsim.errors import HwsimError
from hwsim.hardening import Hardened


def make_plan(
    hardened: Hardened,
    way: str,
    config: DatapathConfig | None = None,
    peaks: Peaks | None = None,
    options: PlanOptions | None = None,
) -> Plan:
    """Where the scaling constants of stored words are divided out.

    Args:
        hardened: the stored words of a network, and their constants.
        way: one of `hwsim.datapath.WAYS`.
        config: the datapath that the plan is for, with its multipliers and formats.
        peaks: for `planned`, how large each tensor gets: `true_peaks` or `interval_peaks`; those of noise if None.
        options: for `planned`, prices and how careful the plan is.

    Raises:
        HwsimError: where the result could not be exact: scaled weights that are never divided, constants per channel
            or stored biases with `logits`, an operation that needs a scale of one; if no plan keeps all tensors in
            range; or if peaks or options are given for a way that follows a rule.
    """
    config = config or DatapathConfig()
    if way == "planned":
        return least_cost_plan(hardened, peaks or true_peaks(hardened.network), config, options)
    if peaks is not None or options is not None:
        raise HwsimError(f"{way!r} follows a rule, whatever peaks and options are: give them with 'planned' only.")
    return place_divisions(hardened, way, config)
