"""NAND flash: wear, retention and read disturb by both published fits, in their directions."""

from __future__ import annotations

from itertools import pairwise
from math import exp, log

import pytest

from hwsim.errors import HwsimError
from hwsim.memory.device.device import Device
from hwsim.memory.life.mission import Condition, Mission, Phase
from hwsim.memory.mechanisms import mechanisms_of
from hwsim.memory.mechanisms.mechanism import Rates
from hwsim.memory.physics import nand
from hwsim.memory.physics.common import combine_flips
from hwsim.memory.technology.constants import technology
from tests.memory.mechanisms.on_device import DAY, HOUR, YEAR, agrees, cells_of, counts, made, mechanism, situation

ALL = ("wear", "retention", "read_disturb")
LAW = {one: technology("nand_tlc").values(*names) for one, names in {
    "wear": ("floor", "wear", "wear_exponent"),
    "retention": ("retention", "retention_cycle_exponent", "retention_time_exponent"),
    "read_disturb": ("disturb", "disturb_cycle_exponent", "disturb_read_exponent"),
}.items()}  # fmt: skip


def tlc(*which: str, cycles: int = 999, words: int = 200_000, **changes: object) -> Device:
    """Flash in its thousandth cycle, say."""
    return made("nand_tlc", which, changes, cycles=cycles, words=words)


def rates(device: Device) -> Rates:
    """Of the only mechanism."""
    (one,) = device.mechanisms
    return one.rates(situation(device, one))  # type: ignore[attr-defined]


# Both fits against what is published


def test_raw_errors_have_their_published_check_points() -> None:
    # 64 million bits, half of them 0: 130,000 and 570,000 errors. Two errors of one bit cancel, so the sum is less.
    device = tlc(*ALL, words=8_000_000)
    bits = 64_000_000
    assert agrees(device.read().wrong_bits, bits, 2.030890e-3)
    device.advance(Phase(1000 * HOUR))
    lost = 8.916773e-3 - 2.030890e-3
    # A 0 is lost to retention at twice the rate, a 1 not at all, and reads have hardly begun.
    both = (float(combine_flips(2.030890e-3, 2 * lost)) + 2.030890e-3) / 2
    assert both == pytest.approx(8.916773e-3, rel=4e-3)
    assert agrees(device.read().wrong_bits, bits, both)


@pytest.mark.parametrize(("cycles", "hours"), [(1, 1), (1000, 1000), (5000, 10_000)])
def test_retention_in_the_logarithm_of_time_is_the_published_fit(cycles: int, hours: float) -> None:
    device = made("nand_3d", "retention", words=8, cycles=cycles - 1)
    device.advance(hours * HOUR)
    published = exp((7.92e-6 * cycles + 0.25) * log(hours * HOUR) + 3.28e-5 * cycles - 12.72)
    assert rates(device) == pytest.approx((2 * published, 0), rel=1e-9)


def test_drawn_errors_of_the_logarithmic_fit_have_its_rate() -> None:
    # 32 million zeros, 10,000 errors: 5 %.
    device = made("nand_3d", "retention", words=8_000_000)
    device.advance(1000 * HOUR)
    (up, zeros), (down, _) = counts(device, device.read())
    assert down == 0
    assert agrees(up, zeros, rates(device).zero_to_one)


# Directions


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_worn_cells_err_in_the_share_of_the_table(share: float) -> None:
    # 800,000 cells of each value at 4e-3: 3,000 errors, 8 %.
    device = tlc("wear", wear_to_one=share)
    rate = float(nand.wear_error(1000, **LAW["wear"]))
    for (count, cells), expected in zip(
        counts(device, device.read()), (2 * share * rate, 2 * (1 - share) * rate), strict=True
    ):
        assert agrees(count, cells, expected)
    assert device.mechanisms[0].traits.direction == {0.0: "1 to 0", 1.0: "0 to 1"}.get(share, "both")


def test_charge_loss_turns_zeros_into_ones_and_reading_ones_into_zeros() -> None:
    # 800,000 cells of each value: 5,000 errors each, 6 %.
    device = tlc("retention")
    device.advance(300 * HOUR)
    (up, zeros), (down, _) = counts(device, device.read())
    assert down == 0
    lost = float(nand.retention_error(1000, 300 * HOUR, **LAW["retention"]))
    assert agrees(up, zeros, 2 * lost)

    device = tlc("read_disturb")
    device.count_reads(1000)
    (up, _), (down, ones) = counts(device, device.read())
    assert up == 0
    assert agrees(down, ones, 2 * float(nand.read_disturb_error(1000, 1000, **LAW["read_disturb"])))


# Clocks


def test_heat_counts_as_its_equivalent_time() -> None:
    device = tlc("retention", words=8)
    device.advance(Mission((Phase(DAY / 2, Condition(25)), Phase(DAY / 2, Condition(55))), 100 * DAY))
    rate = nand.retention_error(1000, 100 * DAY * 25.552, **LAW["retention"])
    assert rates(device).zero_to_one == pytest.approx(2 * float(rate), rel=1e-4)


def test_an_activation_energy_of_nothing_makes_it_indifferent_to_heat() -> None:
    cold, hot = (tlc("retention", words=8, retention_activation_energy=0.0) for _ in range(2))
    cold.advance(Phase(YEAR, Condition(25)))
    hot.advance(Phase(YEAR, Condition(85)))
    assert rates(cold) == rates(hot)


def test_a_new_block_is_written_in_cycle_one_and_earlier_lives_count() -> None:
    new = tlc("wear", cycles=0, words=8)
    law = LAW["wear"]
    assert new.mechanisms[0].split(situation(new, new.mechanisms[0])).zero_to_one == pytest.approx(  # type: ignore[attr-defined]
        float(nand.wear_error(1, **law))
    )
    one = made("nand_tlc", "wear", {"cycles": 999}, words=100_000)
    other = made("nand_tlc", "wear", cycles=999, words=100_000)
    assert cells_of(one) == cells_of(other) != set()


@pytest.mark.parametrize(
    ("mild", "harsh"),
    [
        ({"hours": 10}, {"hours": 1000}),
        ({"temperature_c": 25}, {"temperature_c": 55}),
        ({"cycles": 100}, {"cycles": 3000}),
        ({"retention": 1e-5}, {"retention": 6.28e-5}),
        ({"reads": 100}, {"reads": 1000}),
        ({"floor": 1e-4}, {"floor": 1e-3}),
    ],
)
def test_longer_hotter_more_worn_and_more_often_read_is_worse(mild: dict[str, float], harsh: dict[str, float]) -> None:
    def errors(
        hours: float = 100, temperature_c: float = 40, cycles: int = 1000, reads: int = 300, **changes: float
    ) -> int:
        device = tlc(*ALL, cycles=cycles, words=100_000, **changes)
        device.advance(Phase(hours * HOUR, Condition(temperature_c)))
        device.count_reads(reads)
        return device.read().wrong_bits

    assert errors(**mild) < errors(**harsh)  # type: ignore[arg-type]


# Persistence and resets


def test_errors_grow_until_a_refresh_that_takes_retention_and_disturb_away_but_leaves_wear() -> None:
    device = tlc(*ALL)
    worn = cells_of(device)
    found = [worn]
    for _ in range(3):
        device.advance(300 * HOUR)
        device.count_reads(300)
        found.append({*cells_of(device)} | worn)
    assert all(len(few) < len(many) for few, many in pairwise(found))
    device.rewrite()
    refreshed = cells_of(device)
    assert worn <= refreshed
    assert len(refreshed - worn) < len(worn) / 100  # one cycle more


@pytest.mark.parametrize("which", ["retention", "read_disturb"])
def test_charge_moves_on_in_the_same_cells_until_a_rewrite_and_in_others_after_it(which: str) -> None:
    def live(device: Device) -> set[int]:
        device.advance(300 * HOUR)
        device.count_reads(500)
        return cells_of(device)

    device = tlc(which)
    first, second = live(device), live(device)
    assert first < second
    device.rewrite()
    assert len(live(device) & first) < len(first) / 4


def test_each_refresh_wears_by_one_cycle() -> None:
    by_hand, at_once = (tlc("wear", cycles=9000, words=20_000, wear=1e-9) for _ in range(2))
    for _ in range(20):
        by_hand.advance(30 * DAY)
        by_hand.rewrite()
    at_once.advance(Mission.constant(Condition(), 630 * DAY, rewrite_every_s=30 * DAY))
    assert by_hand.cycles == at_once.cycles == 9021
    assert cells_of(by_hand) == cells_of(at_once)
    assert len(cells_of(at_once)) > len(cells_of(tlc("wear", cycles=9000, words=20_000, wear=1e-9)))


def test_refreshes_at_once_give_what_refreshes_one_by_one_give() -> None:
    by_hand, at_once = (tlc(*ALL, words=20_000) for _ in range(2))
    hot = Condition(55, reads_per_s=1e-4)
    for month in range(12):
        by_hand.advance(Phase(30 * DAY, hot))
        if month < 11:
            by_hand.rewrite()
    at_once.advance(Mission.constant(hot, 360 * DAY, rewrite_every_s=30 * DAY))
    assert cells_of(by_hand) == cells_of(at_once) != set()


# Contract


def test_traits_are_those_of_the_contract() -> None:
    wear, kept, read = (mechanism("nand_tlc", name) for name in ALL)
    assert wear.traits == ("both", "permanent", "cell", "cycles", "nothing")
    assert kept.traits == ("0 to 1", "until rewritten", "cell", "since write", "write or scrub")
    assert read.traits == ("1 to 0", "until rewritten", "cell", "reads", "write or scrub")
    assert all(one.ages for one in (wear, kept, read))
    assert [one.name for one in mechanisms_of(technology("nand_3d"))] == ["retention"]


def test_a_share_that_is_none_is_refused() -> None:
    with pytest.raises(HwsimError, match=r"to_one = 1\.5 is not a share of the errors"):
        mechanism("nand_3d", "retention", {"retention_to_one": 1.5})
