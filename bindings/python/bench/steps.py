"""Training steps per second, beside NumPy with gradients written by hand, and what single operators cost.

Usage: python steps.py [--seconds S]

NumPy's programs are those of tests/reference.py. They have no graph to build and differentiate nothing themselves; the
package builds its graph anew at every step, through the interface of the Python original. Both take turns, and the best
turn of each counts.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(HERE / "tests"), str(HERE / "examples")]

import glm
import gru
import ols
import reference

import nanograd as ng
from nanograd import Optimizer, Parameter, Variable
from nanograd._abi import lib

FOREVER = 1 << 40


def rates(programs: list[Iterator[Any]], seconds: float) -> list[float]:
    """The steps per second of each, the best of five turns."""
    best = [0.0] * len(programs)
    for _ in range(5):
        for i, program in enumerate(programs):
            next(program)
            start, steps = time.perf_counter(), 0
            while (elapsed := time.perf_counter() - start) < seconds or steps < 3:
                next(program)
                steps += 1
            best[i] = max(best[i], steps / elapsed)
    return best


def cases() -> Iterator[tuple[str, list[Iterator[Any]]]]:
    x, t, _, w = ols.problem()
    numpy = reference.ols(x, t, w, ols.RATE, ols.PENALTY)
    yield "lasso, 300 × 5", [numpy, ols.train(x, t, Parameter(w), FOREVER)]
    x, t, _, w = glm.problem()
    yield (
        "logistic, 2000 × 5",
        [reference.glm(x, t, w, glm.RATE), glm.train(x, t, Parameter(w), FOREVER)],
    )
    rng = np.random.default_rng(0)
    images, targets = rng.uniform(size=(64, 7, 112)), np.eye(10)[rng.integers(0, 10, 64)]
    weights = gru.initial(0, True)
    for dtype in ("float64", "float32"):
        part = {k: {n: v.astype(dtype) for n, v in p.items()} for k, p in weights.items()}
        data = images.astype(dtype), targets.astype(dtype)
        yield (
            f"GRU, 2 × 256, {dtype}",
            [
                reference.gru(*data, part, lambda _: 1e-2, 32),
                gru.train(*data, gru.parameters(part, dtype), Optimizer(1e-2), FOREVER, 32),
            ],
        )


def operators() -> Iterator[tuple[str, Callable[[], Any]]]:
    a, b, m = Variable(1.0), Parameter(2.0), Variable(np.ones((4, 4)))
    add, release, left, right = lib.add, lib.release, a._handle, b._handle
    yield "ng_add and ng_release, by ctypes alone", lambda: release(add(left, right))
    yield "a + b", lambda: a + b
    yield "a + 1.0", lambda: a + 1.0
    yield "tanh(a)", lambda: ng.tanh(a)
    yield "m.sum(0)", lambda: m.sum(0)
    yield "m[:, 1]", lambda: m[:, 1]
    yield "tanh(a * b).backward()", lambda: ng.tanh(a * b).backward()


def best_time(function: Callable[[], Any], seconds: float) -> float:
    """Seconds per call, the best of many short turns."""
    best, turn = float("inf"), 200
    end = time.perf_counter() + seconds
    for i in count():
        start = time.perf_counter()
        for _ in range(turn):
            function()
        best = min(best, (time.perf_counter() - start) / turn)
        if i >= 5 and time.perf_counter() > end:
            return best
    raise AssertionError


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures training steps and operators.")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each turn")
    seconds = parser.parse_args().seconds
    print(f"{'steps per second':42} {'NumPy':>10} {'nanograd':>10} {'ratio':>7}")
    for name, programs in cases():
        numpy, ours = rates(programs, seconds)
        print(f"{name:42} {numpy:10.1f} {ours:10.1f} {ours / numpy:7.2f}")
    print(f"\n{'one call':42} {'µs':>10}")
    for name, function in operators():
        print(f"{name:42} {best_time(function, seconds) * 1e6:10.2f}")


if __name__ == "__main__":
    main()
