"""Recurrent networks against NumPy loops, their gradients against differences; memory, profiles, pictures."""

from __future__ import annotations

import numpy as np
import pytest

import nanograd as ng
from nanograd import Back, Parameter, Variable, Zero, trace

TIME, BATCH, INPUTS, UNITS = 4, 3, 2, 5
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
rng = np.random.default_rng(5)


def weights(kind, *first):
    gates = GATES[kind] * UNITS
    shapes = {"w": (INPUTS, gates), "r": (UNITS, gates), "wb": (gates,), "rb": (gates,)}
    return {name: 0.5 * rng.normal(size=(*first, *shape)) for name, shape in shapes.items()}


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def step(kind, x, h, c, w, r, wb, rb, relu=False, reset_after=False, update_takes=False):
    a, b = x @ w + wb, h @ r + rb
    if kind == "rnn":
        return np.maximum(a + b, 0) if relu else np.tanh(a + b), None
    n = UNITS
    if kind == "lstm":
        i, o, f = (sigmoid((a + b)[:, k * n : (k + 1) * n]) for k in range(3))
        c = f * c + i * np.tanh((a + b)[:, 3 * n :])
        return o * np.tanh(c), c
    z, s = (sigmoid((a + b)[:, k * n : (k + 1) * n]) for k in range(2))
    if reset_after:
        candidate = np.tanh(a[:, 2 * n :] + s * b[:, 2 * n :])
    else:
        candidate = np.tanh(a[:, 2 * n :] + (s * h) @ r[:, 2 * n :] + rb[2 * n :])
    return (z * candidate + (1 - z) * h if update_takes else (1 - z) * candidate + z * h), None


VARIANTS = [
    ("rnn", {}),
    ("rnn", {"relu": True}),
    ("gru", {}),
    ("gru", {"reset_after": True}),
    ("gru", {"update_takes": True}),
    ("lstm", {}),
]


@pytest.mark.parametrize("kind, options", VARIANTS)
def test_against_numpy(kind, options):
    x, p = rng.normal(size=(TIME, BATCH, INPUTS)), weights(kind)
    h, c = (rng.normal(size=(BATCH, UNITS)) for _ in range(2))
    memory = {"c": c} if kind == "lstm" else {}
    expected, state, cell = [], h, c
    for t in range(TIME):
        state, cell = step(kind, x[t], state, cell, **p, **options)
        expected.append(state)
    y, last, *rest = getattr(ng, kind)(x, **p, h=h, **memory, **options)
    assert y.shape == (TIME, BATCH, UNITS)
    np.testing.assert_allclose(y.val, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(last.val, state, rtol=1e-12, atol=1e-14)
    one = getattr(ng, kind + "_cell")(x[0], h, *([c] if memory else []), **p, **options)
    if memory:
        np.testing.assert_allclose(rest[0].val, cell, rtol=1e-12, atol=1e-14)
        one, after = one
        np.testing.assert_allclose(after.val, step(kind, x[0], h, c, **p)[1], rtol=1e-12)
    np.testing.assert_allclose(one.val, expected[0], rtol=1e-12, atol=1e-14)


def test_directions_lengths_and_defaults():
    x, p = rng.normal(size=(TIME, BATCH, INPUTS)), weights("gru")
    forward, _ = ng.gru(x, **p)
    backward, first = ng.gru(x, **p, reverse=True)
    mirrored, _ = ng.gru(x[::-1].copy(), **p)
    np.testing.assert_allclose(backward.val, mirrored.val[::-1], rtol=1e-12)
    np.testing.assert_array_equal(first.val, backward.val[0])
    both = {name: np.stack([value, value]) for name, value in p.items()}
    y, last = ng.gru(x, **both, bidirectional=True)
    np.testing.assert_array_equal(y.val[..., :UNITS], forward.val)
    np.testing.assert_allclose(y.val[..., UNITS:], backward.val, rtol=1e-12)
    assert last.shape == (2, BATCH, UNITS)
    cut, last = ng.gru(x, **p, lengths=np.array([4, 2, 0]))
    np.testing.assert_array_equal(cut.val[:2, 1], forward.val[:2, 1])
    assert not cut.val[2:, 1].any() and not cut.val[:, 2].any()
    np.testing.assert_array_equal(last.val[1], forward.val[1, 1])
    no_bias, _ = ng.gru(x, p["w"], p["r"])
    zero, _ = ng.gru(x, p["w"], p["r"], 0 * p["wb"], 0 * p["rb"])
    np.testing.assert_allclose(no_bias.val, zero.val, rtol=1e-12)
    with pytest.raises(TypeError, match="lengths"):
        ng.gru(x, **p, lengths=np.ones(3))
    with pytest.raises(ValueError):
        ng.gru(x, **p, reverse=True, bidirectional=True)
    with pytest.raises(ValueError):
        ng.gru(x[0], **p)
    mixed, _ = ng.gru(x.astype("float32"), **p)
    assert mixed.dtype == np.float64
    small, _ = ng.gru(x.astype("float32"), **{k: v.astype("float32") for k, v in p.items()})
    assert small.dtype == np.float32


@pytest.mark.parametrize("kind", GATES)
def test_gradients(kind):
    x = Variable(rng.normal(size=(TIME, BATCH, INPUTS)), tag="x")
    p = {name: Parameter(value) for name, value in weights(kind).items()}
    y, *last = getattr(ng, kind)(x, **p)
    loss = (y**2).sum() + sum((state**3).sum() for state in last)
    assert ng.check_gradients(loss) < 1e-7
    before = ng.live_handles()
    trace(loss, Zero())
    trace(loss, Back([]))
    expected = p["w"].grad
    # Visited one by one, the operator is applied anew.
    trace(loss, Zero())
    trace(loss, lambda tensor: Back([])(tensor))
    np.testing.assert_allclose(p["w"].grad, expected, rtol=1e-9)
    assert ng.live_handles() <= before + len(p) + 20
    assert str(y) == f"{kind}(x)" and str(last[0]) == f"{kind}_h(x)"


def test_memory():
    ng.release_caches()  # what is kept makes room before anything fails
    stats = ng.memory_stats()
    names = ["total", "values", "working", "handles", "plans", "pool", "peak", "limit"]
    assert list(stats) == names and stats["total"] == sum(stats[name] for name in names[1:6])
    ng.set_memory_limit(stats["total"] + (1 << 20))
    try:
        with pytest.raises(MemoryError, match="limit"):
            Variable(np.zeros(1 << 20))
        assert ng.memory_stats()["limit"] == stats["total"] + (1 << 20)
    finally:
        ng.set_memory_limit(None)
    big = Variable(np.zeros(1 << 20))
    assert ng.memory_stats()["peak"] >= ng.memory_stats()["values"] >= 8 << 20
    del big
    ng.release_caches()
    ng.reset_memory_peak()
    stats = ng.memory_stats()
    assert stats["pool"] == stats["limit"] == 0 and stats["peak"] - stats["total"] < 1 << 20
    with pytest.raises(ValueError):
        ng.set_memory_limit(0)


def test_profiles_and_pictures():
    x = Variable(rng.normal(size=(TIME, BATCH, INPUTS)), tag="input")
    y, last = ng.gru(x, **weights("gru"))
    assert ng.plan(y, last) and "µs" in ng.profile(y, last, runs=2)
    with pytest.raises(ValueError):
        ng.profile(y, runs=0)
    closed = ng.picture(y, shapes=True)
    assert closed.startswith("digraph") and "input" in closed
    opened = ng.picture(y, depth=9)
    assert opened.count("->") > closed.count("->")
    assert ng.picture(y, last, language="mermaid").startswith("flowchart")
    tree = ng.picture(y, language="tree", shapes=True)
    assert tree.startswith("+-- GRU(") and len(tree.splitlines()) < 10
    with pytest.raises(ValueError, match="language"):
        ng.picture(y, language="svg")
