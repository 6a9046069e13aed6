"""What codes cost, counted again from the cells that their checks cover; and how often errors exceed them."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from hwsim.errors import HwsimError
from hwsim.memory.ecc import Code, GateTable, get_code, outcome, p_errors_at_least
from hwsim.memory.ecc.gates import GATE_KINDS, Gates
from tests.memory.ecc.oracles import errors

CODES = [
    get_code(name, bits, "fp32")
    for name in ("parity_zero", "secded", "bch_dec", "bch_dec_ted", "in_place_parity")
    for bits in (32, 64)
]


def covered(code: Code) -> list[int]:
    """Cells under each check, from which single flips make the checks fail."""
    data_flips, check_flips = errors(code, 1)
    if code.name == "in_place_parity":
        return [int(code.decode(data_flips, check_flips).detected.sum())]
    syndromes = code.encode(data_flips).check ^ check_flips
    return [int((syndromes >> np.uint64(check) & np.uint64(1)).sum()) for check in range(code.check_bits)]


def inverters_and_ands(bits: tuple[int, ...], value: int, nodes: set[tuple[tuple[int, ...], int]]) -> None:
    """Adds the ANDs that detect `value` on `bits`, shared with those already there."""
    if len(bits) > 1 and (bits, value) not in nodes:
        nodes.add((bits, value))
        half = len(bits) // 2
        inverters_and_ands(bits[:half], value & (1 << half) - 1, nodes)
        inverters_and_ands(bits[half:], value >> half, nodes)


@pytest.mark.parametrize("code", CODES, ids=str)
def test_an_encoder_is_a_tree_of_xors_for_each_check(code: Code) -> None:
    inputs = [cells - 1 for cells in covered(code)]
    assert code.encoder.gates == Gates(xor2=sum(count - 1 for count in inputs))
    assert code.encoder.paths == (Gates(xor2=math.ceil(math.log2(max(inputs)))),)


@pytest.mark.parametrize("uncorrectable", ["zero", "as_read"])
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("name", ["secded", "bch_dec", "bch_dec_ted"])
def test_a_decoder_matches_the_syndrome_of_every_error_that_it_corrects(
    name: str, bits: int, uncorrectable: str
) -> None:
    """The gates counted one by one from the errors themselves."""
    code = get_code(name, bits, "fp32", uncorrectable)
    nodes: set[tuple[tuple[int, ...], int]] = set()
    matched, hits = 0, np.zeros(bits, int)
    for weight in (1, 2) if name != "secded" else (1,):
        data_flips, check_flips = errors(code, weight)
        matched += len(data_flips)
        hits += [np.count_nonzero(data_flips >> np.uint64(bit) & np.uint64(1)) for bit in range(bits)]
        for syndrome in (code.encode(data_flips).check ^ check_flips).tolist():
            inverters_and_ands(tuple(range(code.check_bits)), syndrome, nodes)
    zeroing = bits if uncorrectable == "zero" else 0
    xors = sum(cells - 1 for cells in covered(code)) + bits
    ors = int((hits - 1).sum()) + matched - 1 + code.check_bits - 1
    decoder = code.decoder
    assert decoder.gates.xor2 == xors
    assert decoder.gates.or2 == ors
    # Every value of a half is decoded, also the few that no error needs.
    unused = decoder.gates.and2 - (len(nodes) + 1 + zeroing)
    assert 0 <= unused <= 4
    assert decoder.active == Gates(xor2=xors, and2=zeroing)


def test_counts_of_the_usual_secded_codes_are_the_known_ones() -> None:
    """(39, 32) has 96 ones over its data bits and (72, 64) has 208: one XOR fewer for each check."""
    assert get_code("secded", 32, "fp32").encoder.gates.xor2 == 96 - 7
    assert get_code("secded", 64, "fp32").encoder.gates.xor2 == 208 - 8
    assert get_code("secded", 64, "fp32").encoder.paths == (Gates(xor2=5),)


def test_costs_are_gates_times_the_table() -> None:
    table, code = GateTable.load().constants, get_code("secded", 64, "fp32")
    cost, gates = code.overhead().decode, code.decoder.gates
    area = gates.xor2 * 1.596 + (gates.and2 + gates.or2) * 1.064
    assert cost.area_um2 == pytest.approx(area, rel=1e-12)
    assert cost.energy_pj == pytest.approx((272 * 0.78 + 64 * 0.52) / 1000, rel=1e-12)
    slowest = max(
        sum(getattr(path, kind) * table[f"{kind}_delay"].value for kind in GATE_KINDS) for path in code.decoder.paths
    )
    assert cost.latency_ns == slowest


@pytest.mark.parametrize(("policy", "gates_of_the_policy"), [("zero", 1), ("as_read", 0)])
def test_the_slowest_way_through_a_decoder_is_that_of_the_flag(policy: str, gates_of_the_policy: int) -> None:
    """(72, 64): 27 cells a check, whose 8 bits are matched against 72 errors, any of which is reported."""
    delay = {kind: GateTable.load().constants[f"{kind}_delay"].value for kind in GATE_KINDS}
    cost = get_code("secded", 64, "fp32", policy).overhead().decode
    syndrome, match, report = 5 * delay["xor2"], 3 * delay["and2"], 7 * delay["or2"] + delay["and2"]
    assert cost.latency_ns == pytest.approx(syndrome + match + report + gates_of_the_policy * delay["and2"], rel=1e-12)


def test_each_codeword_of_a_memory_word_has_gates_of_its_own() -> None:
    one, two = (get_code("parity_zero", bits, "fp32").overhead() for bits in (32, 64))
    assert (one.check_bits, two.check_bits) == (1, 2)
    assert two.decode.area_um2 == 2 * one.decode.area_um2
    assert two.decode.latency_ns == one.decode.latency_ns
    assert one.cells_per_bit == two.cells_per_bit == 33 / 32


def test_stronger_codes_cost_more() -> None:
    overheads = [get_code(name, 64, "fp32").overhead() for name in ("none", "parity_zero", "secded", "bch_dec")]
    for quantity in ("energy_pj", "area_um2", "latency_ns"):
        costs = [getattr(overhead.decode, quantity) for overhead in overheads]
        assert costs == sorted(costs)
        assert costs[0] == 0.0


def test_every_constant_of_a_gate_has_a_unit_a_source_and_a_trust_level() -> None:
    units = {"area": "um2", "energy": "pJ", "delay": "ns"}
    table = GateTable.load().constants
    assert set(table) == {f"{kind}_{quantity}" for kind in GATE_KINDS for quantity in units}
    for name, entry in table.items():
        assert isinstance(entry.value, float)
        assert entry.value > 0
        assert entry.unit == units[name.partition("_")[2]]
        assert entry.trust in ("published", "derived", "assumed")
        assert entry.source


def test_a_constant_of_a_gate_can_be_overridden() -> None:
    code = get_code("secded", 64, "fp32")
    changed = GateTable.load().override({"xor2_energy": "1.56 fJ", "and2_energy": 0.00104})
    assert code.overhead(changed).decode.energy_pj == pytest.approx(2 * code.overhead().decode.energy_pj)
    assert code.overhead(changed).decode.area_um2 == code.overhead().decode.area_um2
    assert [entry.name for entry in changed.constants.values() if entry.overridden] == ["xor2_energy", "and2_energy"]
    with pytest.raises(HwsimError, match="Unknown constant of gates 'xor2_enrgy': did you mean 'xor2_energy'"):
        changed.override({"xor2_enrgy": 1})
    with pytest.raises(HwsimError, match="xor2_delay"):
        changed.override({"xor2_delay": "1 pJ"})


def test_the_energies_make_up_the_adder_that_they_are_derived_from() -> None:
    value = {name: constant.value for name, constant in GateTable.load().constants.items()}
    adder = 32 * (2 * value["xor2_energy"] + 2 * value["and2_energy"] + value["or2_energy"])
    assert adder == pytest.approx(0.1, rel=0.005)
    areas = value["xor2_area"] / value["and2_area"]
    assert value["xor2_energy"] / value["and2_energy"] == pytest.approx(areas, rel=0.005)


@pytest.mark.parametrize(("seconds", "golden"), [(3600, 3.31e-8), (86400, 1.90e-5)])
def test_two_errors_between_scrubs_come_as_often_as_the_closed_form_says(seconds: float, golden: float) -> None:
    """A cell fails at 1e-9 per second; the figures are given to three digits."""
    rate = -math.expm1(-1e-9 * seconds)
    found = float(p_errors_at_least(2, 72, rate))
    assert found == pytest.approx(golden, rel=2e-3)
    assert found == pytest.approx(-math.expm1(72 * math.log1p(-rate)) - 72 * rate * (1 - rate) ** 71, rel=1e-5)


@pytest.mark.parametrize("rate", ["0", "1/1000000000000", "1/1000", "1/3", "999/1000", "1"])
@pytest.mark.parametrize(("errors_", "cells"), [(0, 5), (1, 72), (2, 72), (3, 78), (9, 8)])
def test_the_chance_of_errors_is_the_exact_sum_over_the_others(errors_: int, cells: int, rate: str) -> None:
    p = Fraction(rate)
    fewer = sum(
        math.comb(cells, wrong) * p**wrong * (1 - p) ** (cells - wrong) for wrong in range(min(errors_, cells + 1))
    )
    assert float(p_errors_at_least(errors_, cells, float(p))) == pytest.approx(float(1 - fewer), rel=1e-9, abs=1e-300)


def test_the_chance_of_errors_takes_arrays_of_rates_and_no_others() -> None:
    assert p_errors_at_least(1, 8, np.array([[0.0, 1.0]])).tolist() == [[0.0, 1.0]]
    for wrong in (-0.1, 1.1, math.nan):
        with pytest.raises(HwsimError, match="between 0 and 1"):
            p_errors_at_least(1, 8, wrong)


def test_secded_fails_as_often_as_two_errors_meet_in_a_codeword() -> None:
    """400,000 codewords at a bit error rate of 2e-3: 3,762 failures expected, standard deviation 61. Six deviations
    are allowed, so that a rate that is off by 20 % is seen with near certainty and chance fails once in 1e9 seeds.
    """
    words, rate = 400_000, 2e-3
    code, generator = get_code("secded", 64, "fp32"), np.random.default_rng(3)
    flips = [np.zeros(words, np.uint64), np.zeros(words, np.uint64)]
    for cell in range(code.cells):
        hit = generator.random(words) < rate
        flips[cell >= 64][hit] ^= np.uint64(1) << np.uint64(cell % 64)
    data = generator.integers(0, 1 << 64, words, np.uint64)
    stored = code.encode(data)
    found = outcome(data, code.decode(stored.data ^ flips[0], stored.check ^ flips[1]))
    failed = found.detected + found.miscorrected + found.silent
    expected = words * float(p_errors_at_least(2, code.cells, rate))
    assert abs(failed - expected) < 6 * math.sqrt(expected)
    assert found.codewords == words
