"""What the peers' programs share: the command line, timing, and results as JSON lines.

The keys and the way of timing are those of bench/common.c, so that compare.py can set them side by
side.
"""

import argparse
import json
import statistics
import time

ROWS, WEIGHTS = 2000, 5
TRUTH = [1.2, -0.8, 0.5, -1.6, 2.1]
PIXELS, TIMES, CLASSES, HIDDEN, LAYERS = 784, 7, 10, 256, 2
INPUTS = PIXELS // TIMES


def arguments(description, tasks):
    """Reads the command line: a task, and the options that bench/*.c take too."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("task", choices=tasks)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--operators", type=int, default=300)
    parser.add_argument("--most", type=int, default=2048)
    parser.add_argument("--data", help="folder of MNIST, for the task recipe")
    return parser.parse_args()


def measure(work, steps, warm_up=1.0):
    """Milliseconds of `work`, as (median, least), after a warm-up of some seconds.

    A sample is as many calls as take some 50 µs together.
    """
    once = float("inf")
    start = time.perf_counter()
    calls = 0
    while calls < 2 or time.perf_counter() - start < warm_up:
        before = time.perf_counter()
        work()
        once = min(once, time.perf_counter() - before)
        calls += 1
    calls = 1 if once > 50e-6 else int(50e-6 / once) + 1
    samples = []
    for _ in range(steps):
        before = time.perf_counter()
        for _ in range(calls):
            work()
        samples.append(1e3 * (time.perf_counter() - before) / calls)
    return statistics.median(samples), min(samples)


def report(bench, library, timing, **more):
    """Prints a result as an object on a line."""
    row = {"bench": bench, "library": library, **more}
    row["median_ms"], row["min_ms"] = timing
    print(json.dumps(row), flush=True)


def step_flops(batch):
    """Operations of the matrix products of a training step, as bench/gru_step.c counts them."""
    first, other = 3 * INPUTS * HIDDEN, 3 * HIDDEN * HIDDEN
    cells = TIMES * (2 * first + 3 * (2 * LAYERS - 1) * other)
    return 2 * batch * (cells + 3 * HIDDEN * CLASSES)


def gru_parameters(random):
    """Weights of the network of examples/common/gru.c, as float32 arrays by name."""
    weights = {}
    for layer in range(LAYERS):
        inputs = INPUTS if layer == 0 else HIDDEN
        for gate in "zrh":
            weights[f"W{gate}{layer}"] = random.normal(0, inputs**-0.5, (inputs, HIDDEN))
            weights[f"U{gate}{layer}"] = random.normal(0, HIDDEN**-0.5, (HIDDEN, HIDDEN))
            weights[f"b{gate}{layer}"] = random.normal(0, 0, (1, HIDDEN))
        weights[f"h{layer}"] = random.normal(0, 0, (1, HIDDEN))
    weights["W"] = random.normal(0, 0.1 * HIDDEN**-0.5, (HIDDEN, CLASSES))
    weights["b"] = random.normal(0, 0, (1, CLASSES))
    return {name: value.astype("float32") for name, value in weights.items()}


def gru_logits(library, p, images, broadcast):
    """The network, written for any library with sigmoid, tanh and operators for arrays."""
    h = [broadcast(p[f"h{layer}"], (images.shape[0], HIDDEN)) for layer in range(LAYERS)]
    for t in range(TIMES):
        x = images[:, t * INPUTS : (t + 1) * INPUTS]
        for i in range(LAYERS):
            z = library.sigmoid(x @ p[f"Wz{i}"] + h[i] @ p[f"Uz{i}"] + p[f"bz{i}"])
            r = library.sigmoid(x @ p[f"Wr{i}"] + h[i] @ p[f"Ur{i}"] + p[f"br{i}"])
            c = library.tanh(x @ p[f"Wh{i}"] + (r * h[i]) @ p[f"Uh{i}"] + p[f"bh{i}"])
            h[i] = x = (1 - z) * h[i] + z * c
    return h[-1] @ p["W"] + p["b"]


SHAPES = [
    (32, 256, 256), (32, 768, 256), (256, 256, 32), (32, 256, 112), (32, 10, 256), (2000, 1, 5),
    (32, 32, 32), (64, 64, 64), (128, 128, 128), (256, 256, 256), (512, 512, 512),
    (1024, 1024, 1024), (2048, 2048, 2048),
]  # fmt: skip
