"""The original's scripts: the same losses as NumPy, to at least nine digits."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import glm
import gru
import numpy as np
import ols
import pytest
import reference

from nanograd import CosineSchedule, LinearSchedule, Optimizer, Parameter

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
DIGITS = 1e-9


def test_lasso(errors):
    x, t, _, start = ols.problem()
    got = list(ols.train(x, t, Parameter(start), 400))
    expected = list(islice(reference.ols(x, t, start, ols.RATE, ols.PENALTY), 400))
    errors.compare("losses, lasso", "400 steps", got, expected, DIGITS)
    np.testing.assert_allclose(got, expected, rtol=DIGITS, atol=0)
    assert got[-1] < 0.1 * got[0]


def test_logistic(errors):
    x, t, _, start = glm.problem()
    got = list(glm.train(x, t, Parameter(start), 800))
    expected = list(islice(reference.glm(x, t, start, glm.RATE), 800))
    errors.compare("losses, logistic", "800 steps", got, expected, DIGITS)
    np.testing.assert_allclose(got, expected, rtol=DIGITS, atol=0)
    assert got[-1] < 0.7 * got[0]


# With large weights and many units the network is chaotic: after five steps NumPy differs from itself
# by 7e-5 when the last bit of one weight is changed. So that one takes two steps.
@pytest.mark.parametrize(
    ("small", "hidden", "pixels", "batch", "warm", "steps"),
    [
        (True, 8, 6, 4, 20, 60),
        (False, 8, 6, 4, 20, 60),
        (True, 256, 112, 32, 20, 3),
        (False, 256, 112, 32, 1000, 2),
    ],
)
def test_gru(errors, small, hidden, pixels, batch, warm, steps):
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(64, 7, pixels))
    targets = np.eye(10)[rng.integers(0, 10, 64)]
    weights = gru.initial(2, small, pixels, hidden)
    rates = LinearSchedule(warm, 1e-8, 1e-2) + CosineSchedule(40, 1e-2, 1e-5)

    def rate(step: int) -> float:
        if step < warm:
            return 1e-8 + (1e-2 - 1e-8) * step / warm
        return 1e-5 + (1e-2 - 1e-5) * (1 + np.cos(np.pi * (step - warm) / 40)) / 2

    got = list(gru.train(images, targets, gru.parameters(weights), Optimizer(rates), steps, batch))
    expected = list(islice(reference.gru(images, targets, weights, rate, batch), steps))
    errors.compare("losses, GRU", f"{hidden}, small={small}", got, expected, DIGITS)
    np.testing.assert_allclose(got, expected, rtol=DIGITS, atol=0)


def test_reference_gradient():
    """The hand-written gradients against differences: they are what everything else is held against."""
    rng = np.random.default_rng(1)
    weights = gru.initial(0, True, 3, 4, 5)
    images, t = rng.uniform(size=(2, 3, 3)), np.eye(5)[[1, 4]]
    _, tape = reference.gru_forward(images, t, weights)
    g = reference.gru_backward(t, weights, tape)
    for layer, part in weights.items():
        for name, w in part.items():
            i = tuple(rng.integers(0, n) for n in w.shape)
            was, losses = w[i], []
            for h in (1e-6, -1e-6):
                w[i] = was + h
                losses.append(reference.gru_forward(images, t, weights)[0])
            w[i] = was
            assert abs((losses[0] - losses[1]) / 2e-6 - g[layer][name][i]) < 1e-7, (layer, name)


@pytest.mark.parametrize("name", ["ols", "glm", "graph"])
def test_runs_as_a_script(name):
    run = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout and not run.stderr


def test_gru_learns_mnist():
    folder = os.environ.get("NANOGRAD_MNIST")
    if not folder:
        pytest.skip("NANOGRAD_MNIST names no folder")
    run = subprocess.run(
        [sys.executable, EXAMPLES / "gru.py", "--steps", "150"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    accuracy = float(run.stdout.split()[-1].rstrip("%"))
    assert accuracy > 60, run.stdout
