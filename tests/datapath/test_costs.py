"""The table of operation costs, and prices made from it."""

import math
import subprocess
import sys
import tomllib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim import HwsimError
from hwsim.constants import TRUST
from hwsim.constants.units import parse_unit
from hwsim.datapath import PlanOptions
from hwsim.datapath.costs import COSTS, check_prices, operation_costs, prices, typical
from hwsim.planner import RESCALING_KINDS

PUBLISHED = {  # Horowitz, ISSCC 2014: pJ at 45 nm, 0.9 V
    ("fp32", "add"): 0.9,
    ("fp32", "multiply"): 3.7,
    ("fp16", "add"): 0.4,
    ("fp16", "multiply"): 1.1,
    ("int8", "add"): 0.03,
    ("int8", "multiply"): 0.2,
    ("int32", "add"): 0.1,
    ("int32", "multiply"): 3.1,
}
ENTRIES = [
    (fmt, name, quantity, getattr(cost, quantity))
    for fmt, operations in operation_costs().items()
    for name, cost in operations.items()
    for quantity in ("energy", "area", "latency", "interval")
]


def test_published_energies_are_in_the_table():
    for (fmt, name), energy_pj in PUBLISHED.items():
        entry = operation_costs()[fmt][name].energy
        assert (entry.value, entry.unit, entry.trust) == (energy_pj, "pJ", "published")


@pytest.mark.parametrize(("fmt", "name", "quantity", "entry"), ENTRIES)
def test_every_entry_has_a_unit_a_source_and_a_degree_of_trust(fmt, name, quantity, entry):
    assert entry.unit == {"energy": "pJ", "area": "um2", "latency": "cycles", "interval": "cycles"}[quantity]
    parse_unit(entry.unit)
    assert entry.trust in TRUST
    assert len(entry.source) > 5
    values = entry.value if isinstance(entry.value, tuple) else (entry.value,)
    assert len(values) in (1, 3)
    assert list(values) == sorted(values)
    assert all(0 < value < math.inf for value in values)


def test_derived_numbers_follow_from_what_they_are_derived_from():
    fp32, q = operation_costs()["fp32"], operation_costs()["q2.5"]
    multiplication = fp32["multiply"]
    assert typical(fp32["divide_pipelined"].energy) == pytest.approx(7.1 * typical(multiplication.energy), rel=0.01)
    assert typical(fp32["divide_pipelined"].area) == pytest.approx(1.22 * typical(multiplication.area), rel=0.01)
    assert typical(fp32["divide_iterative"].area) == pytest.approx(0.24 * typical(multiplication.area), rel=0.01)
    low, _, high = fp32["divide_iterative"].energy.value
    assert (low, high) == pytest.approx((2.49 * 3.7, 4.80 * 3.7), rel=0.01)
    low, _, high = fp32["shift"].energy.value
    assert (low, high) == pytest.approx((0.009 * 3.7, 0.017 * 3.7), rel=0.06)
    assert q["divide_iterative"].energy.value[2] == pytest.approx(2.9 * 0.2, rel=0.01)
    assert typical(q["divide_iterative"].area) == pytest.approx(1.22 * 282, rel=0.01)
    # The significand of FP32 has 24 bits, that of FP16 has 11; a few cycles more for rounding and normalising.
    assert 24 <= typical(fp32["divide_iterative"].latency) <= 28
    assert 11 <= typical(operation_costs()["fp16"]["divide_iterative"].latency) <= 15


def test_a_typical_value_lies_inside_its_range():
    for *_, entry in ENTRIES:
        if isinstance(entry.value, tuple):
            low, _, high = entry.value
            assert typical(entry) == pytest.approx((low + high) / 2, rel=0.06)


def test_the_table_has_no_other_entries():
    text = (resources.files("hwsim.datapath") / "tables" / "costs.toml").read_text("utf-8")
    assert sum(len(of) - 1 for operations in tomllib.loads(text).values() for of in operations.values()) == len(ENTRIES)


class TestPrices:
    def test_by_name_they_are_entries_of_the_table(self):
        found = prices("energy", "fp32")
        assert found.values == {"shift": 0.05, "reciprocal": 3.7, "division": 26.3}
        assert [entry.name for entry in found.entries] == [
            "fp32 shift energy",
            "fp32 reciprocal energy",
            "fp32 divide_pipelined energy",
        ]
        assert prices("cycles", "fp16").values == {"shift": 1, "reciprocal": 1, "division": 14}
        assert prices("energy", "q2.5").values["division"] == 0.42

    def test_a_count_needs_no_table(self):
        found = prices("count", "fp8_e4m3")
        assert (found.values, found.entries) == (dict.fromkeys(RESCALING_KINDS, 1), ())
        assert PlanOptions().prices == found.values

    @given(st.fixed_dictionaries(dict.fromkeys(RESCALING_KINDS, st.floats(0, 1e9))))
    def test_a_table_of_ones_own_is_taken_as_it_is(self, table):
        found = prices(table, "bf16")
        assert found.values == table
        assert {entry.trust for entry in found.entries} == {"given"}
        assert PlanOptions(prices=found.values).prices == table

    @pytest.mark.parametrize("name", [name for name in COSTS if name != "count"])
    @pytest.mark.parametrize("fmt", ["bf16", "int8", "q7.8"])
    def test_a_format_without_entries_is_named_with_what_to_do(self, name, fmt):
        with pytest.raises(HwsimError, match=f"no shift in {fmt}, only in fp32, fp16, q2.5: give the prices"):
            prices(name, fmt)

    @pytest.mark.parametrize(
        ("table", "part"),
        [
            ({"shift": 1, "reciprocal": 1}, "no price for 'division': it needs 'shift', 'reciprocal', 'division'"),
            ({}, "no price for 'shift'"),
            ({"shift": -1, "reciprocal": 1, "division": 1}, "price of 'shift' is -1: .* zero or more"),
            ({"shift": 1, "reciprocal": math.nan, "division": 1}, "price of 'reciprocal' is nan"),
            ({"shift": 1, "reciprocal": 1, "division": math.inf}, "price of 'division' is inf"),
            ({"shift": 1, "reciprocal": 1, "division": "dear"}, "price of 'division' is 'dear'"),
            ({"shift": 1, "reciprocal": 1, "divison": 1}, "did you mean 'division'"),
        ],
    )
    def test_what_is_wrong_with_a_table_is_one_sentence(self, table, part):
        for use in (check_prices, prices, lambda table: PlanOptions(prices=table)):
            with pytest.raises(HwsimError, match=part):
                use(table)

    def test_an_unknown_name_gets_the_nearest(self):
        with pytest.raises(HwsimError, match="did you mean 'energy'"):
            prices("enrgy")


def test_costs_and_counters_are_looked_up_without_torch():
    code = "import sys; from hwsim.datapath import costs, counts; costs.prices('energy'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_every_name_of_the_datapath_is_found_and_no_other_is():
    import hwsim.datapath

    assert dir(hwsim.datapath) == sorted(hwsim.datapath.__all__)
    for name in hwsim.datapath.__all__:
        assert getattr(hwsim.datapath, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Accelerate'"):
        hwsim.datapath.Accelerate  # noqa: B018
