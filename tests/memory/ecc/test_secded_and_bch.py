"""Codes that correct: every small error, distances, and what becomes of errors beyond the guarantee."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.memory.ecc import Code, Outcome, get_code, outcome
from hwsim.memory.ecc.bch import bch_checks, bch_generator
from hwsim.memory.ecc.hsiao import hsiao_checks, hsiao_columns
from tests.memory.ecc.oracles import Field, any_data, errors, flips, nearest, patterns

CORRECTING = [(name, bits) for name in ("secded", "bch_dec", "bch_dec_ted") for bits in (32, 64)]
CELLS = {
    ("secded", 32): (39, 32),
    ("secded", 64): (72, 64),
    ("bch_dec", 32): (44, 32),
    ("bch_dec", 64): (78, 64),
    ("bch_dec_ted", 32): (45, 32),
    ("bch_dec_ted", 64): (79, 64),
}
CORRECTS = {"secded": 1, "bch_dec": 2, "bch_dec_ted": 2}
DISTANCE = {"secded": 4, "bch_dec": 5, "bch_dec_ted": 6}
FIELD = {32: 6, 64: 7}


def code_of(name: str, bits: int, uncorrectable: str = "zero") -> Code:
    """The code for words of any number of bits, full of the widest numbers that fit."""
    width = next(width for width in range(32, 1, -1) if bits % width == 0)
    return get_code(name, bits, f"q{width - 1}.0", uncorrectable)


def outcomes(code: Code, weight: int) -> Outcome:
    """What becomes of all errors of a weight, each on data of its own."""
    data_flips, check_flips = errors(code, weight)
    data = any_data(code, len(data_flips), seed=weight)
    stored = code.encode(data)
    return outcome(data, code.decode(stored.data ^ data_flips, stored.check ^ check_flips))


@pytest.mark.parametrize(("name", "bits"), CORRECTING)
def test_a_codeword_has_the_cells_of_the_code(name: str, bits: int) -> None:
    code = code_of(name, bits)
    assert (code.cells, code.data_bits) == CELLS[name, bits]
    assert code.codewords == 1


@pytest.mark.parametrize(("name", "bits"), CORRECTING)
def test_every_error_within_the_guarantee_is_corrected(name: str, bits: int) -> None:
    code = code_of(name, bits)
    for weight in range(1, CORRECTS[name] + 1):
        assert outcomes(code, weight) == Outcome(corrected=len(patterns(code.cells, weight)))


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_secded_detects_every_double_error(bits: int) -> None:
    code = code_of("secded", bits)
    assert outcomes(code, 2) == Outcome(detected=len(patterns(code.cells, 2)))


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_bch_with_the_extra_parity_detects_every_triple_error(bits: int) -> None:
    code = code_of("bch_dec_ted", bits)
    assert outcomes(code, 3) == Outcome(detected=len(patterns(code.cells, 3)))


@pytest.mark.parametrize(("name", "bits"), CORRECTING)
def test_no_error_below_the_distance_makes_another_codeword(name: str, bits: int) -> None:
    """A pattern of flips is invisible when it is a codeword itself. Patterns of five cells are looked at as a pair
    and a triple with the same syndrome.
    """
    code = code_of(name, bits)
    for weight in range(1, min(DISTANCE[name], 5)):
        data_flips, check_flips = errors(code, weight)
        assert (code.encode(data_flips).check != check_flips).all()
    syndromes = {}
    for weight in (1, 2, 3):
        data_flips, check_flips = errors(code, weight)
        syndromes[weight] = set((code.encode(data_flips).check ^ check_flips).tolist())
    # Codewords of the distance itself exist: two patterns of half its weight share a syndrome.
    if name == "secded":
        assert len(syndromes[2]) < len(patterns(code.cells, 2))
    elif name == "bch_dec":
        assert syndromes[2] & syndromes[3]
    else:
        assert not syndromes[2] & syndromes[3]
        assert len(syndromes[3]) < len(patterns(code.cells, 3))


@pytest.mark.parametrize("name", ["secded", "bch_dec", "bch_dec_ted"])
@pytest.mark.parametrize("uncorrectable", ["zero", "as_read"])
def test_every_possible_read_of_a_small_code_decodes_as_the_nearest_codeword_says(
    name: str, uncorrectable: str
) -> None:
    code = code_of(name, 8, uncorrectable)
    for block in np.array_split(np.arange(1 << code.cells, dtype=np.uint64), 1 << max(code.cells - 14, 0)):
        data, check = block & np.uint64(0xFF), block >> np.uint64(8)
        decoded = code.decode(data, check)
        distance, best, single = nearest(code, data, check)
        near = distance <= CORRECTS[name]
        assert single[near].all()
        assert (decoded.detected == ~near).all()
        assert (decoded.corrected == (near & (distance > 0))).all()
        assert (decoded.data == np.where(near, best, data if uncorrectable == "as_read" else 0)).all()


@pytest.mark.parametrize("bits", [32, 64])
def test_secded_miscorrects_as_many_triple_errors_as_words_of_weight_four_allow(bits: int) -> None:
    """A triple is miscorrected when a fourth cell completes it to a codeword, and each codeword of weight 4 has four
    triples. Codewords of weight 4 are pairs of pairs with the same syndrome; each has three ways to be paired.
    """
    code = code_of("secded", bits)
    data_flips, check_flips = errors(code, 2)
    _, pairs = np.unique(code.encode(data_flips).check ^ check_flips, return_counts=True)
    weight_four = int((pairs * (pairs - 1) // 2).sum()) // 3
    triples = len(patterns(code.cells, 3))
    assert outcomes(code, 3) == Outcome(detected=triples - 4 * weight_four, miscorrected=4 * weight_four)


@pytest.mark.parametrize("bits", [32, 64])
def test_bch_miscorrects_the_triple_errors_that_look_like_two(bits: int) -> None:
    """Syndromes here are the power sums of the error's locators, which the implementation never computes."""
    code, field = code_of("bch_dec", bits), Field(FIELD[bits])
    locator = np.array(field.power)[: code.cells]
    cube = np.array([field.power[3 * exponent % field.order] for exponent in range(code.cells)])
    sums = {}
    for weight in (2, 3):
        where = patterns(code.cells, weight)
        first, third = np.zeros(len(where), np.int64), np.zeros(len(where), np.int64)
        for cell in where.T:
            first ^= locator[cell]
            third ^= cube[cell]
        sums[weight] = first << 8 | third
    miscorrected = int(np.isin(sums[3], sums[2]).sum())
    assert 0 < miscorrected < len(sums[3])
    assert outcomes(code, 3) == Outcome(detected=len(sums[3]) - miscorrected, miscorrected=miscorrected)


@pytest.mark.parametrize("bits", [16, 32, 64])
@pytest.mark.parametrize("weight", [0, 1, 2, 3, 4, 5, 9])
def test_bch_decodes_as_the_algebraic_decoder(bits: int, weight: int) -> None:
    code, field = code_of("bch_dec", bits), Field({16: 5, 32: 6, 64: 7}[bits])
    generator = np.random.default_rng(weight)
    where = np.array([generator.choice(code.cells, weight, replace=False) for _ in range(200)], np.int64)
    data_flips, check_flips = flips(code, where)
    stored = code.encode(any_data(code, 200))
    read = stored.data ^ data_flips, stored.check ^ check_flips
    decoded = code.decode(*read)
    for row, (data, check) in enumerate(zip(*(cells.tolist() for cells in read), strict=True)):
        error = field.decode_two_errors(data << code.check_bits | check, code.cells)
        assert decoded.detected[row] == (error is None)
        assert decoded.corrected[row] == bool(error)
        assert decoded.data[row] == (0 if error is None else data ^ error >> code.check_bits)


@pytest.mark.parametrize("bits", [7, 8, 21, 22, 51, 52, 64])
def test_bch_codewords_vanish_at_the_first_four_powers_of_a_primitive_element(bits: int) -> None:
    code = code_of("bch_dec", bits)
    field = Field(code.check_bits // 2)
    data = any_data(code, 50)
    for word, check in zip(data.tolist(), code.encode(data).check.tolist(), strict=True):
        codeword = word << code.check_bits | check
        assert [field.evaluate(codeword, exponent) for exponent in (1, 2, 3, 4)] == [0] * 4
    assert [field.evaluate(bch_generator(bits), exponent) for exponent in (1, 3)] == [0, 0]


@pytest.mark.parametrize(("bits", "ones"), [(32, 103), (64, 216)])
def test_secded_has_the_ones_of_an_optimal_odd_weight_column_code(bits: int, ones: int) -> None:
    """Hsiao's bounds: all columns odd and different, as few ones as possible, rows that differ by at most one."""
    code = code_of("secded", bits)
    units = np.uint64(1) << np.arange(bits, dtype=np.uint64)
    columns = code.encode(units).check
    weights = np.bitwise_count(columns)
    assert (weights % 2 == 1).all()
    assert weights.min() >= 3
    assert len(np.unique(columns)) == bits
    assert int(weights.sum()) + code.check_bits == ones
    rows = [int((columns >> np.uint64(check) & np.uint64(1)).sum()) for check in range(code.check_bits)]
    assert max(rows) - min(rows) <= 1


@pytest.mark.parametrize("uncorrectable", ["zero", "as_read"])
def test_the_policy_says_what_an_uncorrectable_word_reads_as(uncorrectable: str) -> None:
    code = code_of("secded", 64, uncorrectable)
    data = any_data(code, 1)
    stored = code.encode(data)
    read = stored.data ^ np.uint64(0b11)
    decoded = code.decode(read, stored.check)
    assert decoded.detected.all()
    assert (decoded.data == (read if uncorrectable == "as_read" else 0)).all()


@pytest.mark.parametrize("bits", range(1, 65))
def test_secded_has_the_fewest_checks_with_enough_columns_of_odd_weight(bits: int) -> None:
    def columns(checks: int) -> int:
        return sum(column.bit_count() % 2 == 1 and column.bit_count() >= 3 for column in range(2**checks))

    checks = next(checks for checks in range(2, 10) if columns(checks) >= bits)
    assert hsiao_checks(bits) == checks
    found = hsiao_columns(bits)
    assert len(set(found)) == bits
    assert all(column.bit_count() % 2 == 1 and column.bit_count() >= 3 and column < 2**checks for column in found)


@pytest.mark.parametrize("bits", [1, 6, 7, 8, 20, 21, 22, 50, 51, 52, 112, 113])
def test_bch_is_the_shortest_code_of_the_table_that_holds_the_data(bits: int) -> None:
    table = [(15, 7), (31, 21), (63, 51), (127, 113)]  # cells, data bits: the codes of Lin and Costello's table
    cells, data = next(code for code in table if code[1] >= bits)
    assert bch_checks(bits, extended=False) == cells - data
    assert bch_checks(bits, extended=True) == cells - data + 1
    assert bch_generator(bits).bit_length() - 1 == cells - data


@pytest.mark.parametrize(("name", "bits"), CORRECTING)
def test_a_code_promises_what_its_distance_allows(name: str, bits: int) -> None:
    code = code_of(name, bits)
    assert code.corrects == CORRECTS[name]
    assert code.detects == DISTANCE[name] - 1 - code.corrects
