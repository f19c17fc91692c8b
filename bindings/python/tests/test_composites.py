"""Losses are one operator until somebody looks inside; what is seen there is as if it had been built one by one."""

from __future__ import annotations

import re

import numpy as np
import pytest

import nanograd as ng
from nanograd import (
    Back,
    Optimizer,
    Parameter,
    Tensor,
    Variable,
    Zero,
    cross_entropy,
    lasso,
    ridge,
    sigmoid,
    softmax,
    squared_error,
    trace,
)

RNG = np.random.default_rng(0)
X, W = RNG.normal(size=(30, 3)), RNG.normal(size=(3, 2))
T = np.eye(2)[RNG.integers(0, 2, 30)]

LOSSES = {
    "squared_error": lambda x, w: squared_error(x @ w, Variable(T, tag="t")),
    "cross_entropy": lambda x, w: cross_entropy(sigmoid(x @ w), T),
    "multiclass": lambda x, w: cross_entropy(softmax(x @ w), T, multiclass=True),
    "ridge": lambda x, w: ridge(w),
    "lasso": lambda x, w: lasso(w),
    "sum": lambda x, w: squared_error(x @ w, T) + 0.1 * lasso(w) - ridge(x @ w) * 2.0,
}


def leaves() -> tuple[Variable, Parameter]:
    return Variable(X, tag="x"), Parameter(W, tag="w")


def inside(loss: Tensor) -> list[Tensor]:
    seen: list[Tensor] = []
    trace(loss, seen.append)
    return seen


def gradients_inside(loss: Tensor) -> dict[str, np.ndarray]:
    # Numbers are counted, so that their names differ from one loss to the next.
    found = [t for t in inside(loss) if t.gradable]
    return {re.sub(r"variable \d+", "number", str(t)): np.array(t.grad) for t in found}


def traced(loss: Tensor) -> list[Parameter]:
    found: list[Parameter] = []
    trace(loss, Zero())
    trace(loss, Back(found))
    return found


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_inside_do_not_depend_on_when_one_looks(name):
    x, w = leaves()
    loss = LOSSES[name](x, w)
    assert traced(loss) == [w]
    after = gradients_inside(loss)
    assert len(after) > 3

    before = LOSSES[name](x, w)
    inside(before)  # from here on gradients are passed on one by one
    assert traced(before) == [w]
    found = gradients_inside(before)
    assert list(found) == list(after)
    for text, gradient in found.items():
        np.testing.assert_allclose(gradient, after[text], rtol=1e-11, atol=1e-15, err_msg=text)
    assert before.val == loss.val

    # And once more from the start, with what has been looked into.
    assert traced(loss) == [w]
    for text, gradient in gradients_inside(loss).items():
        np.testing.assert_allclose(gradient, after[text], rtol=1e-11, atol=1e-15, err_msg=text)


@pytest.mark.parametrize("name", LOSSES)
def test_the_body_computes_what_the_composite_does(name):
    x, w = leaves()
    loss = LOSSES[name](x, w)
    for tensor in inside(loss):
        body = tensor.operands
        if len(body) == 1 and body[0].shape == tensor.shape == ():
            np.testing.assert_allclose(body[0].val, tensor.val, rtol=1e-15)


def test_gradients_with_respect_to_what_is_inside():
    x, w = leaves()
    y = x @ w
    loss = squared_error(y, T) + 3.0 * lasso(w)
    total = loss.operands[1].operands[1]
    assert str(total) == "(Σ|w|)"
    mean = difference = loss.operands[0].operands[0]
    while len(difference.operands) == 1:
        difference = difference.operands[0]
    got = ng.gradients(loss, [total, mean, difference, loss.operands[1], w, y])
    expected = [3.0, 1.0, 2 * (T - X @ W) / 60, 1.0]
    for tensor, value in zip(got, expected, strict=False):
        np.testing.assert_allclose(tensor.val, value, rtol=1e-13)
    loss.backward()
    np.testing.assert_allclose(got[4].val, w.grad, rtol=1e-13)
    np.testing.assert_allclose(got[5].val, 2 * (X @ W - T) / 60, rtol=1e-13)
    # A second derivative goes through, too.
    curvature = ng.gradients(ng.sum(got[4] * X[:1].T), [w])[0]
    np.testing.assert_allclose(curvature.val, 2 / 60 * X.T @ X @ np.tile(X[:1].T, 2), rtol=1e-12)


def test_gradients_inside_of_what_has_no_parameter():
    x = Variable(X)
    loss = 2.0 * squared_error(x, np.zeros_like(X))
    mean = loss.operands[1].operands[0]
    np.testing.assert_allclose([g.val for g in ng.gradients(loss, [mean])], [2.0])
    np.testing.assert_allclose(ng.gradients(loss, [x])[0].val, 4 * X / X.size, rtol=1e-13)


def test_looking_too_late():
    x, w = leaves()
    loss = squared_error(x @ w, T)
    Optimizer(0.1).step(traced(loss))
    assert loss.grad == 1
    with pytest.raises(RuntimeError, match="before a leaf changed"):
        _ = loss.operands[0].grad
    trace(loss, Zero())
    assert np.all(loss.operands[0].grad == 0)


def test_nothing_is_left_behind():
    x, w = leaves()
    before = ng.live_handles()
    for look in (False, True):
        loss = squared_error(x @ w, T) + lasso(w)
        traced(loss)
        traced(loss)
        kept = loss.operands[0] if look else None
        if look:
            ng.gradients(loss, [loss.operands[0].operands[0], w])
        del loss
        assert kept is None or np.isfinite(kept.val)
        del kept
        assert ng.live_handles() == before
