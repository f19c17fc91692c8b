"""A recurrent network reads MNIST: each image in 7 strips of 112 pixels, two GRU layers of 256.

Usage: python gru.py [--steps N] [--original]

By default: float32, small weights, gradients clipped, which takes 1,000 steps to about 96 %. With `--original`: the
recipe of nanograd's Python original, in float64 with large weights and a small rate, which wants 100,000 steps.
MNIST is looked for in the folder that NANOGRAD_MNIST names, else in data/mnist (scripts/mnist.sh).
"""

import argparse
import gzip
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nanograd import (
    Back,
    CosineSchedule,
    LinearSchedule,
    Optimizer,
    Parameter,
    Tensor,
    Variable,
    Zero,
    cross_entropy,
    sigmoid,
    softmax,
    tanh,
    trace,
)

STRIPS, PIXELS, HIDDEN, CLASSES, BATCH = 7, 112, 256, 10, 32
Weights = dict[str, dict[str, Any]]


def initial(
    seed: int, small: bool, pixels: int = PIXELS, hidden: int = HIDDEN, classes: int = CLASSES
) -> Weights:
    """Arrays by layer and name. Large weights are from N(0, 1); small ones are divided by √(their rows)."""
    rng = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return rng.normal(size=(rows, columns)) * (rows**-0.5 if small else 1.0)

    weights: Weights = {
        "state": {"h1": rng.normal(size=(1, hidden)), "h2": rng.normal(size=(1, hidden))}
    }
    for layer, rows in (("layer1", pixels), ("layer2", hidden)):
        weights[layer] = {}
        for gate in "zrh":
            weights[layer]["W" + gate] = matrix(rows, hidden)
            weights[layer]["U" + gate] = matrix(hidden, hidden)
            weights[layer]["b" + gate] = np.zeros((1, hidden))
    head = matrix(hidden, classes) * (1.0 if small else 0.1)
    weights["head"] = {"W": head, "b": np.zeros((1, classes))}
    return weights


def parameters(weights: Weights, dtype: str = "float64") -> Weights:
    """The same, as Parameters."""
    return {
        layer: {name: Parameter(value, f"{layer}.{name}", dtype) for name, value in part.items()}
        for layer, part in weights.items()
    }


def gru(x: Tensor, e: Tensor, h: Tensor, p: dict[str, Tensor]) -> Tensor:
    """One cell. e is a column of ones, which repeats the biases for each example."""
    z = sigmoid(x @ p["Wz"] + h @ p["Uz"] + e @ p["bz"])
    r = sigmoid(x @ p["Wr"] + h @ p["Ur"] + e @ p["br"])
    c = tanh(x @ p["Wh"] + (r * h) @ p["Uh"] + e @ p["bh"])
    return (1.0 - z) * h + z * c


def network(images: Variable, weights: Weights) -> Tensor:
    """Probabilities of the classes for images of shape (examples, strips, pixels)."""
    e = Variable(np.ones((len(images), 1), images.dtype))
    h1, h2 = e @ weights["state"]["h1"], e @ weights["state"]["h2"]
    for t in range(images.shape[1]):
        h1 = gru(images[:, t], e, h1, weights["layer1"])
        h2 = gru(h1, e, h2, weights["layer2"])
    return softmax(h2 @ weights["head"]["W"] + e @ weights["head"]["b"])


def train(
    images: np.ndarray,
    targets: np.ndarray,
    weights: Weights,
    optimizer: Optimizer,
    steps: int,
    batch: int = BATCH,
    seed: int = 4,
) -> Iterator[float]:
    """Takes steps on random batches, and gives the loss before each."""
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        chosen = rng.choice(len(images), batch, replace=False)
        x, t = Variable(images[chosen], tag="x"), Variable(targets[chosen], tag="t")
        loss = cross_entropy(network(x, weights), t, multiclass=True)
        trace(loss, Zero())
        updated: list[Parameter] = []
        trace(loss, Back(updated))
        yield loss.val  # known from the way back; asked for before, it would be computed twice
        optimizer.step(updated)


def mnist(part: str, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Images as strips of numbers in [0, 1], and their classes."""
    folder = Path(os.environ.get("NANOGRAD_MNIST", "data/mnist"))
    if not folder.is_dir():
        sys.exit(
            f"there is no {folder}: scripts/mnist.sh gets it, NANOGRAD_MNIST names it elsewhere"
        )
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, STRIPS, PIXELS)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        classes = np.frombuffer(file.read(), np.uint8, offset=8)
    return images.astype(dtype) / np.array(255, dtype), classes


def accuracy(images: np.ndarray, classes: np.ndarray, weights: Weights, batch: int = 500) -> float:
    """The share of images that are recognised."""
    right = 0
    for i in range(0, len(images), batch):
        y = network(Variable(images[i : i + batch]), weights).val
        right += int(np.sum(y.argmax(1) == classes[i : i + batch]))
    return right / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains a recurrent network on MNIST.")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--original", action="store_true", help="the recipe of the Python original")
    options = parser.parse_args()
    steps = options.steps
    if options.original:
        warm = max(1, min(1000, steps // 10))
        rates = LinearSchedule(warm, 1e-8, 1e-2) + CosineSchedule(max(1, steps - warm), 1e-2, 1e-5)
        dtype, seed, optimizer = "float64", 2, Optimizer(alpha=rates)
    else:
        dtype, seed = "float32", 0
        optimizer = Optimizer(alpha=CosineSchedule(max(1, steps), 0.5, 0.0), max_grad_norm=1.0)
    weights = parameters(initial(seed, small=not options.original), dtype)
    images, classes = mnist("train", dtype)
    targets = np.eye(CLASSES, dtype=dtype)[classes]
    smooth = None
    for step, loss in enumerate(train(images, targets, weights, optimizer, steps), 1):
        smooth = loss if smooth is None else 0.98 * smooth + 0.02 * loss
        if sys.stderr.isatty():
            bar = "#" * (step * 40 // steps)
            print(f"\r[{bar:40}] {step}/{steps}  loss {smooth:.3f}", end="", file=sys.stderr)
        elif step % 100 == 0:
            print(f"step {step}  loss {smooth:.3f}")
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(f"accuracy on the test images: {accuracy(*mnist('t10k', dtype), weights):.2%}")


if __name__ == "__main__":
    main()
