"""The unit of a column is the one that its name says."""

from __future__ import annotations

import re

import pytest

from hwsim.experiment.results import columns
from hwsim.experiment.results.columns import Column

UNITS = {  # of a column whose whole name is this
    r"words_read|(faulty|guarded|rounded)_words|words|clipped|nonfinite": "words",
    r"(corrected|detected|miscorrected|silent)_words": "codewords",
    r"\w+_bits|exponent_bits_set|flips(_\w+)?|(wrong|changed)_cells": "bits",
    r"(accuracy|agreement)(_(maps|images)_(low|high))?|invalid": "share",
    r"divisions|reciprocal_multiplications|shifts": "operations",
    r"overflows|underflows": "values",
    r"images": "images",
    r"fault_maps": "maps",
    r"\w+_s": "s",
    r"\w+_c": "degC",
    r"\w+_v": "V",
    r"\w+_ns": "ns",
    r"\w+_pj": "pJ",
    r"\w+_um2": "um2",
}


@pytest.mark.parametrize(
    "column",
    sorted({*columns.ACCURACY, *columns.LIFETIME, *columns.MECHANISMS, *columns.BIT_ERRORS}),
    ids=lambda column: column.name,
)
def test_a_column_has_the_unit_that_its_name_says(column: Column) -> None:
    assert column.unit == next((unit for name, unit in UNITS.items() if re.fullmatch(name, column.name)), "")
