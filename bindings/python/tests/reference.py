"""The examples again in NumPy, gradients written by hand: what the package's numbers are held against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

EPSILON = 1e-12  # what the logarithm adds


def ols(
    x: np.ndarray, t: np.ndarray, w: np.ndarray, rate: float, penalty: float
) -> Iterator[float]:
    """Lasso regression; gives the loss before each step."""
    w = w.copy()
    while True:
        d = x @ w - t
        yield float(np.mean(d**2) + penalty * np.abs(w).sum())
        w -= rate * (2 / len(x) * x.T @ d + penalty * np.sign(w))


def glm(x: np.ndarray, t: np.ndarray, w: np.ndarray, rate: float) -> Iterator[float]:
    """Logistic regression; gives the loss before each step."""
    w = w.copy()
    while True:
        y = 1 / (1 + np.exp(-(x @ w)))
        yield float(-np.mean(t * np.log(y + EPSILON) + (1 - t) * np.log(1 - y + EPSILON)))
        slope = -(t / (y + EPSILON) - (1 - t) / (1 - y + EPSILON)) / len(x)
        w -= rate * x.T @ (slope * y * (1 - y))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def gru_forward(images: np.ndarray, t: np.ndarray, p: dict[str, Any]) -> tuple[float, list[Any]]:
    """The loss, and what the way back needs."""
    n = len(images)
    h = [np.repeat(p["state"]["h1"], n, 0), np.repeat(p["state"]["h2"], n, 0)]
    tape: list[Any] = []
    for step in range(images.shape[1]):
        x = images[:, step]
        for i, layer in enumerate((p["layer1"], p["layer2"])):
            z = sigmoid(x @ layer["Wz"] + h[i] @ layer["Uz"] + layer["bz"])
            r = sigmoid(x @ layer["Wr"] + h[i] @ layer["Ur"] + layer["br"])
            c = np.tanh(x @ layer["Wh"] + (r * h[i]) @ layer["Uh"] + layer["bh"])
            tape.append((x, h[i], z, r, c))
            x = h[i] = (1 - z) * h[i] + z * c
    logits = h[1] @ p["head"]["W"] + p["head"]["b"]
    e = np.exp(logits - logits.max(-1, keepdims=True))
    y = e / e.sum(-1, keepdims=True)
    tape.append((h[1], y))
    return float(-np.mean(np.sum(t * np.log(y + EPSILON), -1))), tape


def gru_backward(t: np.ndarray, p: dict[str, Any], tape: list[Any]) -> dict[str, Any]:
    """The gradients of all weights."""
    g = {layer: {k: np.zeros_like(v) for k, v in part.items()} for layer, part in p.items()}
    last, y = tape.pop()
    dy = -t / (y + EPSILON) / len(t)
    dlogits = y * (dy - np.sum(dy * y, -1, keepdims=True))
    g["head"]["W"] += last.T @ dlogits
    g["head"]["b"] += dlogits.sum(0, keepdims=True)
    dh = [np.zeros_like(last), dlogits @ p["head"]["W"].T]
    while tape:
        for i, name in ((1, "layer2"), (0, "layer1")):
            w, d = p[name], g[name]
            x, h, z, r, c = tape.pop()
            dz = dh[i] * (c - h) * z * (1 - z)
            dc = dh[i] * z * (1 - c * c)
            drh = dc @ w["Uh"].T
            dr = drh * h * r * (1 - r)
            for gate, delta, state in (("z", dz, h), ("r", dr, h), ("h", dc, r * h)):
                d["W" + gate] += x.T @ delta
                d["U" + gate] += state.T @ delta
                d["b" + gate] += delta.sum(0, keepdims=True)
            dx = dz @ w["Wz"].T + dr @ w["Wr"].T + dc @ w["Wh"].T
            dh[i] = dh[i] * (1 - z) + dz @ w["Uz"].T + dr @ w["Ur"].T + drh * r
            if i == 1:
                dh[0] = dh[0] + dx
    g["state"]["h1"] += dh[0].sum(0, keepdims=True)
    g["state"]["h2"] += dh[1].sum(0, keepdims=True)
    return g


def gru(
    images: np.ndarray, targets: np.ndarray, p: dict[str, Any], rate: Any, batch: int, seed: int = 4
) -> Iterator[float]:
    """The recurrent network; `rate` gives the rate of a step, counted from 0."""
    p = {layer: {k: v.copy() for k, v in part.items()} for layer, part in p.items()}
    rng = np.random.default_rng(seed)
    step = 0
    while True:
        chosen = rng.choice(len(images), batch, replace=False)
        loss, tape = gru_forward(images[chosen], targets[chosen], p)
        yield loss
        g = gru_backward(targets[chosen], p, tape)
        for layer, part in p.items():
            for name in part:
                part[name] -= rate(step) * g[layer][name]
        step += 1
