"""The whole way in ten lines: a network, words in a memory, faults, a way of dividing, logits and counts."""

import hwsim

model = hwsim.load_network("fashion_resnet")
data = hwsim.load_data("fashion_mnist", images=500, network=model)
network = hwsim.capture(model, data.images[:2])
stored = hwsim.harden(network, "q2.5", hwsim.Scaling())
memory = hwsim.Memory(stored.words, stored.format)
faults = hwsim.BitFlips(ber=1e-4).draw(memory, seed=1)
run = hwsim.Accelerator(stored, "per_layer").run(data.images, faults)
print(f"{len(faults)} faulty words of {memory.words:,}; accuracy {run.accuracy(data.labels):.1%}")
print(run.counts.total)
