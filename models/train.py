"""Trains a network of this folder on Fashion-MNIST and writes its weights.

    python models/train.py fashion_resnet --data /usr/share/datasets/fashion-mnist

The data folder holds the four IDX files of Fashion-MNIST (Debian: `apt install dataset-fashion-mnist`).
The same seed, number of threads and PyTorch release give the same weights. The test images are looked
at once, after the last epoch; the printed figures go on the network's card.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import runpy
import tomllib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional

HERE = Path(__file__).resolve().parent


def read_idx(path: Path) -> np.ndarray:
    """An array of unsigned bytes in LeCun's IDX form, gzipped: magic 0 0 8 ndim, big-endian sizes, bytes."""
    raw = gzip.decompress(path.read_bytes())
    sizes = np.frombuffer(raw, ">u4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(sizes)


def load_split(folder: Path, split: str, mean: float, std: float) -> tuple[Tensor, Tensor]:
    """Normalised images (N, 1, 28, 28) and labels (N,) of "train" or "t10k"."""
    images = torch.from_numpy(read_idx(folder / f"{split}-images-idx3-ubyte.gz").copy())[:, None]
    labels = torch.from_numpy(read_idx(folder / f"{split}-labels-idx1-ubyte.gz").copy()).long()
    return (images / 255 - mean) / std, labels


def augment(images: Tensor, shift: int, generator: torch.Generator) -> Tensor:
    """Each image moved by up to `shift` pixels, its edges padded with black, and mirrored half the time."""
    count, _, height, width = images.shape
    padded = functional.pad(images, [shift] * 4, value=float(images.min()))
    down, right = torch.randint(0, 2 * shift + 1, (2, count, 1), generator=generator)
    rows, columns = down + torch.arange(height), right + torch.arange(width)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    return padded[torch.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]].movedim(3, 1)


def train(network: nn.Module, images: Tensor, labels: Tensor, args: argparse.Namespace) -> None:
    """SGD with Nesterov momentum, one learning-rate cycle, label smoothing."""
    generator = torch.Generator().manual_seed(args.seed)
    steps = len(images) // args.batch
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.SGD(
        [{"params": decayed, "weight_decay": args.weight_decay}, {"params": others}],
        lr=args.rate, momentum=0.9, nesterov=True,
    )  # fmt: skip
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.rate, total_steps=steps * args.epochs, pct_start=0.2)
    network.train()
    for epoch in range(args.epochs):
        order = torch.randperm(len(images), generator=generator)[: steps * args.batch]
        losses = []
        for picked in order.view(steps, args.batch):
            logits = network(augment(images[picked], args.shift, generator))
            loss = functional.cross_entropy(logits, labels[picked], label_smoothing=args.smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1} of {args.epochs}: mean loss {np.mean(losses):.4f}", flush=True)


@torch.inference_mode()
def count_correct(network: nn.Module, images: Tensor, labels: Tensor) -> int:
    network.eval()
    predicted = torch.cat([network(batch).argmax(1) for batch in images.split(500)])
    return int((predicted == labels).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("network", help="a folder beside this script, with card.toml and network.py")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--out", type=Path, help="default: weights.safetensors in the network's folder")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=0.1, help="the cycle's highest learning rate")
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--smoothing", type=float, default=0.1, help="of the labels")
    parser.add_argument("--shift", type=int, default=2, help="largest random shift, in pixels")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    folder = HERE / args.network
    normalise = tomllib.loads((folder / "card.toml").read_text())["preprocess"]
    mean, std = normalise["mean"][0], normalise["std"][0]
    network = runpy.run_path(str(folder / "network.py"))["build"]().to(memory_format=torch.channels_last)

    train(network, *load_split(args.data, "train", mean, std), args)
    correct = count_correct(network, *load_split(args.data, "t10k", mean, std))

    out = args.out or folder / "weights.safetensors"
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    out.write_bytes(save(state))
    print(f"parameters {sum(p.numel() for p in network.parameters())}, correct {correct} of the test images")
    print(f'sha256 = "{hashlib.sha256(out.read_bytes()).hexdigest()}"')


if __name__ == "__main__":
    main()
