"""One small run of each study, shared by the tests of the report."""

from __future__ import annotations

import pytest

from hwsim.experiment.results.results import Results
from hwsim.experiment.studies.run import run_scenario


@pytest.fixture(scope="session")
def accuracy(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Two formats, two sets of immune bits, two ways of dividing that agree, a guard in one format only."""
    return run_scenario(
        {
            "name": "small",
            "network": {"name": "lenet5"},
            "data": {"name": "fashion_mnist", "images": 40},
            "memory": {"formats": ["fp16", "q2.5"], "ber": [1e-4, 2e-2], "immune": [[], ["sign"]]},
            "trials": {"fault_maps": 2},
            "variants": [
                {"name": "per layer", "scaling": {}, "divide": "per_layer"},
                {"name": "per weight", "scaling": {}, "divide": "per_weight"},
                {"name": "read <= 2 & masked", "guards": ["mask_exponent_msb"], "formats": ["fp16"]},
            ],
        },
        out=tmp_path_factory.mktemp("report") / "accuracy",
    )


@pytest.fixture(scope="session")
def bits(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run_scenario(
        {
            "name": "bits",
            "study": "bit_errors",
            "network": {"name": "lenet5"},
            "memory": {"formats": ["fp32", "q2.5"]},
            "variants": [{"name": "scaled", "scaling": {}}],
        },
        out=tmp_path_factory.mktemp("report") / "bits",
    )


@pytest.fixture(scope="session")
def lifetime(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Devices without a technology at two temperatures, with a code and without; read when new and years later."""
    return run_scenario(
        {
            "name": "lifetime",
            "assumptions": ["Bits <flip> & stick [for good].", "All is well."],
            "network": {"name": "lenet5"},
            "data": {"name": "fashion_mnist", "images": 40},
            "memory": {
                "formats": ["q2.5"],
                "flips": {"one_to_zero": 1e-10, "per": "second"},
                "stuck_at": {"one": 1e-4},
                "ecc": "secded",
            },
            "mission": {
                "profile": [{"for": "12 h", "at": "25 degC"}, {"for": "12 h"}],
                "repeat_for": "10 years",
                "at": ["60 degC", "85 degC"],
                "read_at": ["0 s", "1 month", "10 years"],
            },
            "trials": {"fault_maps": 2},
            "variants": [{"name": "scaled", "scaling": {}}, {"name": "no code", "ecc": "none"}],
        },
        out=tmp_path_factory.mktemp("report") / "lifetime",
    )


@pytest.fixture(scope="session")
def voltages(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Devices of a technology whose voltage is swept: neither rates nor ages run along the axis."""
    return run_scenario(
        {
            "name": "voltages",
            "network": {"name": "lenet5"},
            "data": {"name": "fashion_mnist", "images": 20},
            "memory": {"formats": ["fp16"], "technology": "sram"},
            "mission": {"profile": {"for": "1 day"}, "voltage": ["0.58 V", "0.5 V", "0.46 V"]},
            "trials": {"fault_maps": 2},
            "variants": [{"name": "coded", "ecc": "secded"}],
        },
        out=tmp_path_factory.mktemp("report") / "voltages",
    )


@pytest.fixture(params=["accuracy", "bits", "lifetime"])
def results(request: pytest.FixtureRequest) -> Results:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Results)
    return found
