"""What has no gradient, against NumPy: comparisons, signs, casts, indices; and arithmetic of integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from test_operators import broadcasting, quick, reduced, seeds, shapes

import nanograd as ng
from nanograd import Variable

DTYPES = ["float32", "float64", "int32", "int64"]

COMPARISONS = {
    "equal": (ng.equal, np.equal),
    "not_equal": (ng.not_equal, np.not_equal),
    "less": (ng.less, np.less),
    "less_equal": (ng.less_equal, np.less_equal),
    "greater": (ng.greater, np.greater),
    "greater_equal": (ng.greater_equal, np.greater_equal),
}
ARITHMETIC = {
    "add": (ng.add, np.add),
    "subtract": (ng.subtract, np.subtract),
    "multiply": (ng.multiply, np.multiply),
    "maximum": (ng.maximum, np.maximum),
    "minimum": (ng.minimum, np.minimum),
}


def whole(rng, shape, dtype):
    """Whole numbers, so that every dtype has them and equals occur."""
    return rng.integers(-3, 4, shape).astype(dtype)


def same(errors, name, got, expected, dtype):
    expected = np.asarray(expected)
    assert got.dtype == dtype
    errors.compare("without gradient", name, got.val, expected.astype(dtype), 0.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", COMPARISONS | ARITHMETIC)
@quick
@given(pair=broadcasting(), seed=seeds)
def test_of_two_operands(errors, name, dtype, pair, seed):
    rng = np.random.default_rng(seed)
    ours, reference = (COMPARISONS | ARITHMETIC)[name]
    a, b = (whole(rng, shape, dtype) for shape in pair)
    same(errors, name, ours(Variable(a), Variable(b)), reference(a, b), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@quick
@given(pair=broadcasting(), seed=seeds)
def test_where(errors, dtype, pair, seed):
    rng = np.random.default_rng(seed)
    a, b = (whole(rng, shape, dtype) for shape in pair)
    condition = whole(rng, pair[0], "int64")
    same(errors, "where", ng.where(condition, a, b), np.where(condition, a, b), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@quick
@given(shape=shapes, seed=seeds)
def test_of_one_operand(errors, dtype, shape, seed):
    rng = np.random.default_rng(seed)
    a = whole(rng, shape, dtype)
    for name, got, expected in [
        ("sign", ng.sign(a), np.sign(a)),
        ("abs", ng.absolute(a), np.abs(a)),
        ("negate", ng.negate(a), -a),
        ("relu", ng.relu(a), np.maximum(a, 0)),
        ("clamp", ng.clamp(a, -1, 2), np.clip(a, -1, 2)),
        ("stop_gradient", ng.stop_gradient(a), a),
        ("sum", ng.sum(a), a.sum()),
    ]:
        same(errors, name, got, expected, dtype)
    x = (rng.uniform(-3, 3, shape) if dtype.startswith("float") else a).astype(dtype)
    for other in DTYPES:
        same(errors, f"{dtype} to {other}", ng.cast(x, other), x.astype(other), other)


@pytest.mark.parametrize("dtype", DTYPES)
@quick
@given(case=reduced(), seed=seeds)
def test_along_an_axis(errors, dtype, case, seed):
    shape, _, axis, keep = case
    rng = np.random.default_rng(seed)
    a = whole(rng, shape, dtype)
    same(errors, "argmax", ng.argmax(a, axis, keep), a.argmax(axis, keepdims=keep), "int64")
    same(errors, "max", ng.max(a, axis, keep), a.max(axis, keepdims=keep), dtype)
    same(errors, "min", ng.min(a, axis, keep), a.min(axis, keepdims=keep), dtype)
    index = rng.integers(0, shape[axis], a.shape)
    expected = np.take_along_axis(a, index, axis)
    same(errors, "gather", ng.gather(a, index, axis), expected, dtype)
    rows = rng.integers(-shape[axis], shape[axis], (2, 3)) % shape[axis]
    same(errors, "index_select", ng.index_select(a, rows, axis), a.take(rows, axis), dtype)
    # An index that is no class gives a row of zeros.
    classes = rng.integers(-1, 4, shape)
    expected = (classes[..., None] == np.arange(3)).astype(dtype)
    same(errors, "one_hot", ng.one_hot(classes, 3, dtype), expected, dtype)
