"""Each operator and its gradients against HIPS autograd, on random shapes."""

from __future__ import annotations

import os

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nanograd as ng
from nanograd import Parameter, Variable

CASES = int(os.environ.get("NANOGRAD_CASES", "8"))  # for each operator and dtype
LIMITS = {"float64": 1e-12, "float32": 2e-5}

shapes = st.lists(st.integers(1, 4), max_size=4).map(tuple)
seeds = st.integers(0, 2**32 - 1)
quick = settings(
    max_examples=CASES, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


def drawn(rng, shape, low=-2.0, high=2.0, apart=0.0):
    """Uniform numbers, none nearer than `apart` to 0, where an operator may have a corner."""
    x = rng.uniform(low, high, shape)
    return np.where(np.abs(x) < apart, apart, x)


def compared(errors, name, ours, reference, arrays, rng, dtype):
    """The value y; the gradients of Σ seed·y with respect to every array, in two ways; for float64, second derivatives
    of Σ seed·y²."""
    arrays = [np.asarray(a, dtype) for a in arrays]
    wide = [np.asarray(a, "float64") for a in arrays]
    tensors = [Parameter(a) for a in arrays]
    y = ours(*tensors)
    expected = np.asarray(reference(*wide))
    limit = LIMITS[dtype]
    assert y.dtype == dtype
    assert y.shape == expected.shape
    errors.compare(f"values, {dtype}", name, y.val, expected, limit)
    seed = np.asarray(rng.uniform(0.5, 1.5, y.shape), dtype)

    def loss(*parts):
        return anp.sum(reference(*parts) * np.asarray(seed, "float64"))

    found = ng.gradients(y, tensors, seed)
    numbers = tuple(range(len(wide)))
    slopes = [autograd.grad(loss, i)(*wide) for i in numbers]
    for i in numbers:
        errors.compare(f"gradients, {dtype}", name, found[i].val, slopes[i], limit * 10)
    # The same by accumulation, through trace or backward.
    (y * seed).sum().backward()
    for i in numbers:
        errors.compare(f"gradients, {dtype}", name, tensors[i].grad, slopes[i], limit * 10)
    if dtype == "float64":
        # Of the square, so that something is left of linear operators.
        weights = [rng.uniform(0.5, 1.5, a.shape) for a in wide]

        def square(*parts):
            return anp.sum(reference(*parts) ** 2 * seed)

        def slope(*parts):
            return sum(anp.sum(autograd.grad(square, i)(*parts) * weights[i]) for i in numbers)

        firsts = ng.gradients(y * y, tensors, seed)
        total = sum(((g * w).sum() for g, w in zip(firsts, weights)), Variable(0.0))
        for i, second in enumerate(ng.gradients(total, tensors)):
            errors.compare(
                "second derivatives", name, second.val, autograd.grad(slope, i)(*wide), 1e-9
            )


def reference_logsumexp(a, axis=None, keepdims=False):
    return anp.log(anp.sum(anp.exp(a), axis, keepdims=keepdims))


UNARY = {
    "exp": (ng.exp, anp.exp, {}),
    "log": (lambda a: ng.log(a, 0), anp.log, {"low": 0.2}),
    "log with epsilon": (ng.log, lambda a: anp.log(a + 1e-12), {"low": 0.2}),
    "log1p": (ng.log1p, anp.log1p, {"low": -0.7}),
    "expm1": (ng.expm1, anp.expm1, {}),
    "sqrt": (ng.sqrt, anp.sqrt, {"low": 0.3}),
    "reciprocal": (ng.reciprocal, lambda a: 1 / a, {"low": 0.4}),
    "sin": (ng.sin, anp.sin, {}),
    "cos": (ng.cos, anp.cos, {}),
    "tanh": (ng.tanh, anp.tanh, {}),
    "sigmoid": (ng.sigmoid, lambda a: 1 / (1 + anp.exp(-a)), {}),
    "relu": (ng.relu, lambda a: anp.where(a > 0, a, 0 * a), {"apart": 0.1}),
    "absolute": (abs, anp.abs, {"apart": 0.1}),
    "negate": (lambda a: -a, lambda a: -a, {}),
    "clamp": (
        lambda a: ng.clamp(a, -1.0, 0.5),
        lambda a: anp.where(a < -1.0, -1.0, anp.where(a > 0.5, 0.5, a)),
        {},
    ),
    "power of a number": (lambda a: a**3, lambda a: a**3, {}),
    "power of a fraction": (lambda a: a**0.7, lambda a: a**0.7, {"low": 0.3}),
    "number to a power": (lambda a: 1.7**a, lambda a: 1.7**a, {}),
    "a + number": (lambda a: 2.5 + (a + 0.3), lambda a: a + 2.8, {}),
    "number - a": (lambda a: 2.5 - (a - 0.3), lambda a: 2.8 - a, {}),
    "number · a": (lambda a: 2.5 * (a * 0.3), lambda a: 0.75 * a, {}),
    "number / a": (lambda a: 2.5 / (a / 0.3), lambda a: 0.75 / a, {"low": 0.5}),
    "sum": (lambda a: a.sum(), anp.sum, {}),
    "mean": (lambda a: a.mean(), anp.mean, {}),
    "logsumexp": (ng.logsumexp, reference_logsumexp, {}),
    "max": (lambda a: a.max(), anp.max, {}),
    "min": (lambda a: a.min(), anp.min, {}),
    "ridge": (ng.ridge, lambda a: anp.sum(a**2), {}),
    "lasso": (ng.lasso, lambda a: anp.sum(anp.abs(a)), {"apart": 0.1}),
    "T": (lambda a: a.T * 1.0, lambda a: a.T * 1.0, {}),
    "reshape": (lambda a: a.reshape(-1), lambda a: anp.reshape(a, -1), {}),
    "ufunc": (lambda a: np.exp(np.sin(a)), lambda a: anp.exp(anp.sin(a)), {}),
}


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("name", UNARY)
@quick
@given(shape=shapes, seed=seeds)
def test_of_one_operand(errors, name, dtype, shape, seed):
    ours, reference, domain = UNARY[name]
    rng = np.random.default_rng(seed)
    compared(errors, name, ours, reference, [drawn(rng, shape, **domain)], rng, dtype)


BINARY = {
    "add": (lambda a, b: a + b, lambda a, b: a + b, {}),
    "subtract": (lambda a, b: a - b, lambda a, b: a - b, {}),
    "multiply": (lambda a, b: a * b, lambda a, b: a * b, {}),
    "divide": (lambda a, b: a / b, lambda a, b: a / b, {"low": 0.5}),
    "power": (lambda a, b: a**b, lambda a, b: a**b, {"low": 0.3}),
    "maximum": (ng.maximum, anp.maximum, {}),
    "minimum": (ng.minimum, anp.minimum, {}),
    "where": (
        lambda a, b: ng.where(a > 0.3, a * 2.0, b),
        lambda a, b: anp.where(a > 0.3, a * 2.0, b + 0 * a),
        {},
    ),
}


@st.composite
def broadcasting(draw):
    """Two shapes that broadcast."""
    whole = draw(st.lists(st.integers(1, 4), max_size=4))

    def part():
        kept = [1 if draw(st.integers(0, 3)) == 0 else n for n in whole]
        return tuple(kept[draw(st.integers(0, len(kept))) if draw(st.booleans()) else 0 :])

    return part(), part()


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("name", BINARY)
@quick
@given(pair=broadcasting(), seed=seeds)
def test_of_two_operands(errors, name, dtype, pair, seed):
    ours, reference, domain = BINARY[name]
    rng = np.random.default_rng(seed)
    arrays = [drawn(rng, shape, **domain) for shape in pair]
    compared(errors, name, ours, reference, arrays, rng, dtype)


@st.composite
def products(draw):
    m, k, n = (draw(st.integers(1, 5)) for _ in range(3))
    kind = draw(st.sampled_from(["matrices", "left", "right", "batch", "broadcast batch"]))
    return {
        "matrices": ((m, k), (k, n)),
        "left": ((k,), (k, n)),
        "right": ((m, k), (k,)),
        "batch": ((2, m, k), (2, k, n)),
        "broadcast batch": ((3, 1, m, k), (2, k, n)),
    }[kind]


@pytest.mark.parametrize("dtype", LIMITS)
@quick
@given(pair=products(), seed=seeds)
def test_matmul(errors, dtype, pair, seed):
    rng = np.random.default_rng(seed)
    arrays = [drawn(rng, shape) for shape in pair]
    compared(errors, "matmul", lambda a, b: a @ b, anp.matmul, arrays, rng, dtype)


def reference_softmax(a, axis):
    e = anp.exp(a - anp.max(a, axis, keepdims=True))
    return e / anp.sum(e, axis, keepdims=True)


REDUCTIONS = {
    "sum": (ng.sum, anp.sum),
    "mean": (ng.mean, anp.mean),
    "max": (ng.max, anp.max),
    "min": (ng.min, anp.min),
    "logsumexp": (ng.logsumexp, reference_logsumexp),
}


@st.composite
def reduced(draw):
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    axes = draw(st.lists(st.integers(0, len(shape) - 1), unique=True, min_size=1))
    axis = axes[0] - (len(shape) if draw(st.booleans()) else 0)
    several = tuple(axes) if draw(st.booleans()) else axis
    return shape, several, axis, draw(st.booleans())


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("name", [*REDUCTIONS, "softmax", "log_softmax", "summation"])
@quick
@given(case=reduced(), seed=seeds)
def test_along_axes(errors, name, dtype, case, seed):
    shape, several, axis, keep = case
    rng = np.random.default_rng(seed)
    if name in REDUCTIONS:
        ours = REDUCTIONS[name][0]
        reference = REDUCTIONS[name][1]
        pair = (
            lambda a: ours(a, several, keepdims=keep),
            lambda a: reference(a, several, keepdims=keep),
        )
    elif name == "summation":
        pair = (lambda a: ng.summation(a, axis), lambda a: anp.sum(a, axis, keepdims=True))
    elif name == "softmax":
        pair = (lambda a: ng.softmax(a, axis), lambda a: reference_softmax(a, axis))
    else:
        pair = (
            lambda a: ng.log_softmax(a, axis),
            lambda a: anp.log(reference_softmax(a, axis)),
        )
    compared(errors, name, *pair, [drawn(rng, shape)], rng, dtype)


KEYS = st.sampled_from([
    0, -1, slice(None), slice(1, None), slice(None, None, -1), slice(-2, None, -2), slice(5, 1),
    ..., None, (..., 0), (None, 1), (slice(None), 1), (0, ..., None, slice(None, None, 2)),
    (slice(-9, 9, 3), slice(None, -1)), [1, 0, 1], ([0, 1], [1, 0]), (slice(None), [0, 0, 1]),
    np.array([[0, 1], [1, 1]]), (np.array([True, False]),), (0, 1), (np.int64(1),), (),
])  # fmt: skip


@pytest.mark.parametrize("dtype", LIMITS)
@quick
@given(key=KEYS, rank=st.integers(2, 4), seed=seeds)
def test_indexing(errors, dtype, key, rank, seed):
    rng = np.random.default_rng(seed)
    x = drawn(rng, (2,) * rank)
    compared(errors, f"[{key}]", lambda a: a[key] * 1.0, lambda a: a[key] * 1.0, [x], rng, dtype)
    whole = Variable(x, tag="x")
    part = whole[key]
    assert isinstance(part, Variable) and str(part) == f"x[{key}]"
    np.testing.assert_array_equal(part.val, x[key])
    whole.val = x * 2
    np.testing.assert_array_equal(part.val, x[key] * 2)


MOVES = {
    "transpose": (ng.transpose, lambda a: anp.swapaxes(a, 1, 2)),
    "permute": (lambda a: ng.permute(a, (2, 0, 1)), lambda a: anp.transpose(a, (2, 0, 1))),
    "broadcast_to": (
        lambda a: ng.broadcast_to(a, (2, *a.shape)),
        lambda a: a + np.zeros((2, *a.shape)),
    ),
    "expand_dims": (lambda a: ng.expand_dims(a, 1), lambda a: anp.expand_dims(a, 1)),
    "squeeze": (
        lambda a: ng.squeeze(ng.expand_dims(a, -1), -1) * 1.0,
        lambda a: a * 1.0,
    ),
    "concatenate": (
        lambda a: ng.concatenate([a, a * 2.0, np.ones_like(a.val)], 1),
        lambda a: anp.concatenate([a, a * 2.0, np.ones(a.shape)], 1),
    ),
    "stack": (lambda a: ng.stack([a, -a], -1), lambda a: anp.stack([a, -a], -1)),
    "pad": (
        lambda a: ng.pad(a, (0, 1, 2), (1, 0, 0), 3.0),
        lambda a: anp.pad(a, ((0, 1), (1, 0), (2, 0)), "constant", constant_values=3.0),
    ),
    "slice_axis": (lambda a: ng.slice_axis(a, 2, -1, 0, -1), lambda a: a[:, :, -1:0:-1]),
    "select": (lambda a: ng.select(a, 1, -1), lambda a: a[:, -1]),
    "index_select": (
        lambda a: ng.index_select(a, np.array([[1, 0], [1, 1]]), 0),
        lambda a: a[np.array([[1, 0], [1, 1]])],
    ),
    "index by a tensor": (lambda a: a[Variable([1, 0, 1])], lambda a: a[np.array([1, 0, 1])]),
    "gather": (
        lambda a: ng.gather(a, np.array([[[1]], [[0]]]) * np.ones(a.shape, int), 0),
        lambda a: anp.stack([a[1], a[0]]),
    ),
    "iteration": (lambda a: sum(iter(a)), lambda a: a[0] + a[1]),
    "item": (lambda a: ng.item(a[0, 0, :1]), lambda a: a[0, 0, 0] * 1.0),
}


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("name", MOVES)
@settings(quick, max_examples=max(1, CASES // 3))
@given(sizes=st.tuples(st.integers(1, 4), st.integers(2, 4)), seed=seeds)
def test_moves(errors, name, dtype, sizes, seed):
    rng = np.random.default_rng(seed)
    x = drawn(rng, (2, *sizes))
    compared(errors, name, *MOVES[name], [x], rng, dtype)


LOSSES = {
    "squared_error": (ng.squared_error, lambda y, t: anp.mean((y - t) ** 2)),
    "cross_entropy": (
        ng.cross_entropy,
        lambda y, t: -anp.mean(t * anp.log(y + 1e-12) + (1 - t) * anp.log(1 - y + 1e-12)),
    ),
    "cross_entropy, classes": (
        lambda y, t: ng.cross_entropy(y, t, multiclass=True),
        lambda y, t: -anp.sum(t * anp.log(y + 1e-12)) * y.shape[-1] / y.size,
    ),
    "cross_entropy_logits": (
        ng.cross_entropy_logits,
        lambda z, t: anp.mean(anp.log(1 + anp.exp(-z)) + (1 - t) * z),
    ),
    "cross_entropy_logits, classes": (
        lambda z, t: ng.cross_entropy_logits(z, t, multiclass=True),
        lambda z, t: -anp.sum(t * anp.log(reference_softmax(z, -1))) * z.shape[-1] / z.size,
    ),
}


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("name", LOSSES)
@quick
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple), seed=seeds)
def test_losses(errors, name, dtype, shape, seed):
    rng = np.random.default_rng(seed)
    arrays = [drawn(rng, shape, 0.1, 0.9), drawn(rng, shape, 0.1, 0.9)]
    compared(errors, name, *LOSSES[name], arrays, rng, dtype)


@pytest.mark.parametrize("dtype", LIMITS)
def test_class_indices(errors, dtype):
    rng = np.random.default_rng(0)
    k = rng.integers(0, 3, (4, 2))
    one_hot = np.eye(3)[k]
    y = rng.dirichlet(np.ones(3), (4, 2))
    pairs = [
        (lambda a: ng.cross_entropy(a, k, multiclass=True), lambda a: anp.log(a + 1e-12)),
        (
            lambda a: ng.cross_entropy_logits(a, k, multiclass=True),
            lambda a: anp.log(reference_softmax(a, -1)),
        ),
    ]
    for ours, logarithm in pairs:
        compared(
            errors, "class indices", ours, lambda a, f=logarithm: -anp.sum(one_hot * f(a)) / 8, [y], rng,
            dtype,
        )  # fmt: skip


def test_without_gradient():
    a, b = Parameter([[1.0, 3.0, 2.0]]), np.array([[1.0, 2.0, 2.5]])
    for got, expected in [
        (a < b, [[0, 0, 1]]), (a <= b, [[1, 0, 1]]), (a > b, [[0, 1, 0]]), (a >= b, [[1, 1, 0]]),
        (ng.equal(a, b), [[1, 0, 0]]), (ng.not_equal(a, b), [[0, 1, 1]]),
        (a > 2.0, [[0, 1, 0]]), (ng.sign(a - 2.0), [[-1, 1, 0]]),
        (ng.argmax(a), [1]), (ng.argmax(a, 0, keepdims=True), [[0, 0, 0]]),
        (ng.one_hot([1, 0], 2), [[0, 1], [1, 0]]), (ng.stop_gradient(a), a.val),
        (ng.less_equal(a, b), [[1, 0, 1]]), (ng.greater_equal(b, a), [[1, 0, 1]]),
    ]:  # fmt: skip
        np.testing.assert_array_equal(got.val, expected)
    assert not ng.stop_gradient(a).gradable
    np.testing.assert_array_equal(ng.gradients(ng.stop_gradient(a) * a, [a])[0].val, a.val)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_of_no_elements(shape):
    a = Parameter(np.zeros(shape))
    assert ng.exp(a).val.shape == shape and a.sum().val == 0 and len(a) == shape[0]
    assert a.reshape(-1).shape == (0,) and a[()].shape == shape and a[[]].shape == (0, *shape[1:])
    with pytest.raises(ValueError):
        a.max()
