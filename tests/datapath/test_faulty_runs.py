"""A run with sparse faults equals the module run densely with every word read, guarded, decoded and divided."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hwsim import Accelerator, BitFlips, HwsimError, Memory, Scaling, capture, harden
from hwsim.datapath import DatapathConfig, make_plan
from hwsim.datapath.counts import Tally
from hwsim.datapath.port import ReadPort
from hwsim.hardening import Guards
from hwsim.memory import Device, FaultMap
from hwsim.memory.ecc import code_names, get_code
from hwsim.memory.mechanisms.generic import StuckAt
from tests.datapath.networks import Fire, Residual, captured, closed_form

IMAGES = torch.randn(5, 3, 12, 12, generator=torch.Generator().manual_seed(4))
CASES = [
    (Residual, "fp32", Scaling(), "per_weight"),
    (Residual, "fp32", None, "none"),
    (Residual, "q2.5", Scaling(), "per_weight"),
    (Residual, "q2.5", Scaling(target=6.0, granularity="channel"), "per_weight"),
    (Residual, "fp16", Scaling(), "per_layer"),
    (Residual, "int8_sm", Scaling(), "absorbed"),
    (Residual, "fp16", Scaling(), "planned"),
    (Residual, "bf16", Scaling(), "logits"),
    (Fire, "q2.5", Scaling(), "logits"),
    (Fire, "fp8_e4m3", Scaling(), "per_layer"),
    (Fire, "q2.5", None, "none"),
]


def dense(module, stored, words):
    """The module with the given words for weights, decoded and divided one by one in double precision."""
    module = copy.deepcopy(module)
    state = module.state_dict()
    for name, tensor in words.items():
        values = stored.format.decode(tensor, np.float64) / stored.constants[name].spread(tensor.shape)
        state[name] = torch.from_numpy(values).float()
    module.load_state_dict(state)
    with torch.inference_mode():
        return module.eval()(IMAGES)


WEIGHTS = [(*case, ("weights",)) for case in CASES]
BOTH = [(*case, ("weights", "biases")) for case in CASES if case[-1] != "logits"]


@pytest.mark.parametrize(("kind", "fmt", "scaling", "way", "store"), WEIGHTS + BOTH)
def test_faulty_logits_are_those_of_the_dense_computation(kind, fmt, scaling, way, store):
    module, network = captured(kind)
    stored = harden(network, fmt, scaling, store)
    memory = Memory(stored.words, stored.format)
    # The exponent's MSB is immune, so that no weight explodes and the logits can be compared.
    immune = stored.format.bit_mask("exponent_msb") if stored.format.is_floating else 0
    faults = BitFlips(2e-3, immune=immune).draw(memory, seed=3)
    assert len(faults) > 5
    accelerator = Accelerator(stored, way)
    sound = accelerator.run(IMAGES).logits
    run = accelerator.run(IMAGES, faults)
    faults.apply(memory)
    expected = dense(module, stored, {name: memory.tensor(name) for name in stored.words})
    assert (run.logits - expected).abs().max() <= 2e-5 * expected.abs().max()
    assert not torch.allclose(run.logits, sound, rtol=1e-4)
    assert torch.equal(accelerator.run(IMAGES).logits, sound)  # the sound words are back, to the bit


@pytest.mark.parametrize("divider", ["exact", "reciprocal"])
def test_faulty_words_are_divided_as_all_words_are(divider):
    _, network = captured(Residual)
    stored = harden(network, "q2.5", Scaling(target=3.0))
    memory = Memory(stored.words, stored.format)
    faults = BitFlips(0.05).draw(memory, seed=3)
    run = Accelerator(stored, "per_weight", DatapathConfig(divider=divider)).run(IMAGES, faults)
    faults.apply(memory)
    damaged = replace(stored, words={name: memory.tensor(name).copy() for name in stored.words})
    assert torch.equal(
        run.logits, Accelerator(damaged, "per_weight", DatapathConfig(divider=divider)).run(IMAGES).logits
    )


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3), (6, 5, 3, 4), (6, 5, 1, 1), (6, 1, 3, 3), (6, 5, 2, 3, 2)])
def test_a_flip_lands_on_the_element_that_the_log_names(shape):
    """PyTorchALFI's defect: a fault asked for at one place landed at another on convolution weights."""
    kind = {2: nn.Linear, 3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}[len(shape)]
    kernel = () if len(shape) == 2 else (shape[2:],)
    torch.manual_seed(1)
    module = nn.Sequential(kind(shape[1], shape[0], *kernel)).eval()
    spatial = [7] * (len(shape) - 2)
    network = capture(module, torch.zeros(1, shape[1], *spatial))
    stored = harden(network, "fp32", store=("weights", "biases"))
    memory = Memory(stored.words, stored.format)
    accelerator = Accelerator(stored)
    faults = BitFlips(5e-3, immune=stored.format.bit_mask("exponent")).draw(memory, seed=9)
    log = faults.log()
    assert len(log)
    damaged = copy.deepcopy(module)
    parameters = dict(damaged.named_parameters())
    for row in log:
        flat = parameters[row["tensor"]].data.numpy().reshape(-1).view(np.uint32)
        assert flat[row["index"]] & 1 << int(row["bit"]) == row["before"] & 1 << int(row["bit"])
        flat[row["index"]] ^= np.uint32(1 << int(row["bit"]))
    x = torch.randn(2, shape[1], *spatial, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = damaged(x)
    assert torch.allclose(accelerator.run(x, faults).logits, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("guard", ["nonfinite_to_zero", "out_of_range_to_zero", "clamp"])
def test_guards_on_faulty_words_equal_guards_on_all_words(guard):
    _, network = captured(Residual)
    stored = harden(network, "fp32", Scaling())  # weights in [1, 2) become infinite or NaN by one flip
    memory = Memory(stored.words, stored.format)
    faults = BitFlips(0.02).draw(memory, seed=8)
    port = ReadPort(stored, make_plan(stored, "per_weight"), Guards([guard]), DatapathConfig())
    tally = Tally()
    faults.apply(memory)
    changed = 0
    with port.reading(faults, tally):
        for name, words in stored.words.items():
            limit = np.abs(words.view(np.float32)).max()
            read = memory.tensor(name).view(np.float32)
            bad = ~np.isfinite(read) if guard == "nonfinite_to_zero" else ~(np.abs(read) <= limit)
            changed += int(bad.sum())
            guarded = np.where(bad, np.copysign(limit, read) if guard == "clamp" else np.float32(0), read)
            expected = guarded / stored.constants[name].values.astype(np.float32)
            np.testing.assert_array_equal(port.tensors[name].numpy(), expected)
    assert tally.counts({}).total.guarded_words == changed > 10


def test_masking_the_exponents_msb_undoes_every_flip_of_it():
    _, network = captured(Residual)
    stored = harden(network, "fp32", Scaling())
    memory = Memory(stored.words, stored.format)
    only_msb = ~stored.format.bit_mask("exponent_msb") & 0xFFFFFFFF
    faults = BitFlips(0.2, immune=only_msb).draw(memory, seed=1)
    assert set(faults.log()["bit"]) == {30}
    masked = Accelerator(stored, "per_layer", DatapathConfig(guards=["mask_exponent_msb"]))
    assert torch.equal(masked.run(IMAGES, faults).logits, masked.run(IMAGES).logits)
    assert masked.run(IMAGES, faults).counts.total.guarded_words == len(faults)
    bare = Accelerator(stored, "per_layer").run(IMAGES, faults)
    assert bool(bare.invalid.any())  # Inf and NaN weights: the catastrophic bit


def test_guarded_words_of_weights_and_biases_add_up_in_their_layer():
    _, network = captured(Fire)
    stored = harden(network, "fp32", store=("weights", "biases"))
    faults = BitFlips(0.1).draw(Memory(stored.words, stored.format), seed=1)
    accelerator = Accelerator(stored, "none", DatapathConfig(guards=["out_of_range_to_zero"]))
    counts = accelerator.run(IMAGES, faults).counts
    expected, both = dict.fromkeys(counts, 0), dict.fromkeys(counts, 0)
    for region, _, _, after in faults.by_region():
        layer, read = region.name.rpartition(".")[0], after.view(np.float32)
        limit = np.abs(stored.words[region.name].view(np.float32)).max()
        changed = int((~(np.abs(read) <= limit)).sum())
        expected[layer] += changed
        both[layer] += changed > 0
    assert {name: layer.guarded_words for name, layer in counts.items()} == expected
    assert max(both.values()) == 2


def test_every_stored_tensor_can_be_hit():
    """TensorFI2's defect: the last variable was never injected into."""
    _, network = captured(Residual)
    stored = harden(network, "fp32", store=("weights", "biases"))
    faults = BitFlips(0.3).draw(Memory(stored.words, stored.format), seed=1)
    assert {region.name for region, *_ in faults.by_region()} == set(stored.words)


class TestFaultsOfOtherWords:
    """They are refused in one sentence, and what the accelerator holds is as it was."""

    def refused(self, faults, message):
        _, network = captured(Residual)
        accelerator = Accelerator(harden(network, "q2.5", Scaling()), "per_layer")
        sound = accelerator.run(IMAGES).logits
        with pytest.raises(HwsimError, match=message) as raised:
            accelerator.run(IMAGES, faults)
        assert "\n" not in str(raised.value)
        assert torch.equal(accelerator.run(IMAGES).logits, sound)

    def memory(self, kind=Residual, fmt="q2.5", scaling=None):
        stored = harden(captured(kind)[1], fmt, scaling)
        return Memory(stored.words, stored.format)

    @pytest.mark.parametrize("ber", [0.0, 1e-3, 0.5])
    def test_of_unscaled_words_on_a_scaled_accelerator(self, ber):
        self.refused(BitFlips(ber).draw(self.memory(), seed=1), "other words, of the same layout")

    def test_of_another_format(self):
        self.refused(BitFlips(1e-3).draw(self.memory(fmt="int8"), seed=1), "int8 words, not q2.5 words")

    def test_of_another_network(self):
        faults = BitFlips(1e-3).draw(self.memory(Fire), seed=1)
        self.refused(faults, r"squeeze.weight \[4, 3, 1, 1\], not stem.0.weight \[8, 3, 3, 3\]")

    def test_that_a_device_gave_of_them(self):
        device = Device(mechanisms=[StuckAt(one=1e-2)], seed=1)
        device.write(self.memory(scaling=Scaling()))
        faults = device.read().faults
        assert len(faults)
        accelerator = Accelerator(harden(captured(Residual)[1], "q2.5", Scaling()), "per_layer")
        assert accelerator.run(IMAGES, faults).counts.total.words_read  # of its own words they are read
        device.write(self.memory())
        self.refused(device.read().faults, "other words, of the same layout")

    def test_of_a_measured_map_on_them(self):
        memory = self.memory()
        faults = FaultMap.of_faults(BitFlips(1e-3).draw(memory, seed=1)).faults(memory)
        self.refused(faults, "other words, of the same layout")

    def test_of_the_same_words_with_faults_that_were_there_before(self):
        memory = self.memory(scaling=Scaling())
        first = BitFlips(1e-2).draw(memory, seed=1)
        first.apply(memory)
        second = BitFlips(1e-2).draw(memory, seed=1)
        name, index, before, after = next((region.name, i[0], b[0], a[0]) for region, i, b, a in first.by_region())
        self.refused(second, f"word {index} of {name} was {after:#x} before them, where {before:#x} is stored")


@pytest.mark.parametrize(
    ("guards", "each"),
    [
        ((), 0),
        (("mask_exponent_msb",), 0),
        (("nonfinite_to_zero",), 1),
        (("clamp",), 1),
        (("nonfinite_to_zero", "out_of_range_to_zero", "mask_exponent_msb"), 2),
    ],
)
@pytest.mark.parametrize("batch", [1, 4])
def test_a_guard_that_compares_does_so_with_every_word_read(guards, each, batch):
    module, network = captured(Residual)
    stored = harden(network, "fp32", Scaling(1.0))
    counts = Accelerator(stored, "per_layer", DatapathConfig(guards=guards, batch=batch)).run(IMAGES).counts
    reads = math.ceil(len(IMAGES) / batch)
    assert counts.total.comparisons == each * reads * closed_form(module, IMAGES).weights
    assert all(layer.comparisons == each * layer.words_read for layer in counts.values())


@pytest.mark.parametrize(
    ("fmt", "name"),
    [
        (fmt, name)
        for fmt in ("q2.5", "fp16", "fp32")
        for name in (None, *code_names())
        if name != "in_place_secded" or fmt == "q2.5"
    ],
)
@pytest.mark.parametrize("batch", [1, 3])
def test_the_cells_of_every_codeword_that_holds_a_word_are_read_with_it(fmt, name, batch):
    code = name and get_code(name, 64, fmt)
    _, network = captured(Residual)
    stored = harden(network, fmt, Scaling(1.0))
    counts = Accelerator(stored, "per_layer", DatapathConfig(batch=batch, code=code)).run(IMAGES).counts
    width = stored.format.width
    words, cells = (code.data_bits // width, code.data_bits + code.check_bits) if code else (1, width)
    address, expected = 0, 0
    for tensor in stored.words.values():  # one after the other, neighbours in one codeword
        expected += len({word // words for word in range(address, address + tensor.size)}) * cells
        address += tensor.size
    reads = math.ceil(len(IMAGES) / batch)
    assert counts.total.bits_read == reads * expected
    assert counts.total.bits_read >= counts.total.words_read * width
    assert counts.total.words_read == reads * address
    if words == 1:
        assert all(layer.bits_read == layer.words_read * cells for layer in counts.values())
