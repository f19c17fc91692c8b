"""The original's interface and behaviour, as its README shows them."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

import nanograd as ng
from nanograd import (
    Back,
    ConstantSchedule,
    CosineSchedule,
    ExponentialSchedule,
    LinearSchedule,
    Optimizer,
    Parameter,
    Tensor,
    Variable,
    Walk,
    Zero,
    cross_entropy,
    exp,
    item,
    lasso,
    log,
    mean,
    relu,
    ridge,
    sigmoid,
    softmax,
    squared_error,
    summation,
    tanh,
    trace,
)

TREE = """\
+-- (((x @ w) - t)^2 + (λ * ((Σ|w|))))
    |-> (λ * ((Σ|w|)))
    |   |-> ((Σ|w|))
    |   |   !
    |   |   (Σ|w|)
    |   |   !
    |   |   Σ|w|
    |   |   !
    |   |   |w|
    |   |   !
    |   |   w <- (x @ w)
    |   L-> λ
    L-> ((x @ w) - t)^2
        !
        (mean(((t - (x @ w))^2)))
        !
        mean(((t - (x @ w))^2))
        !
        ((t - (x @ w))^2)
        !
        (t - (x @ w))
        |-> (x @ w)
        |   |-> x
        |   L->  ...
        L-> t
"""


def regression():
    rng = np.random.default_rng(0)
    x = Variable(rng.normal(size=(30, 3)), tag="x")
    t = Variable(rng.normal(size=(30, 1)), tag="t")
    w = Parameter(rng.normal(size=(3, 1)), tag="w")
    return x, t, w


def test_types():
    x, _, w = regression()
    assert isinstance(x, Variable) and isinstance(w, Parameter) and isinstance(x @ w, Tensor)
    assert not isinstance(x, Parameter) and not isinstance(x @ w, (Variable, Parameter))
    assert isinstance(x[:, 1], Variable)
    assert (x @ w).val.dtype == np.float64
    assert isinstance(squared_error(x @ w, 0.0).val, float)


def test_shape_and_length():
    x, t, w = regression()
    assert (x @ w).shape == (30, 1) and len(x @ w) == 30 and x.T.shape == (3, 30)
    assert squared_error(x @ w, t).shape == ()
    with pytest.raises(TypeError):
        len(squared_error(x @ w, t))
    assert Variable(np.zeros((2, 3, 4))).T.shape == (4, 3, 2)


def test_values_follow_the_leaves():
    x, _, w = regression()
    y = sigmoid(x @ w)
    before = y.val
    w.val = w.val + 1
    after = y.val
    assert np.abs(before - after).max() > 1e-3
    np.testing.assert_allclose(after, 1 / (1 + np.exp(-(x.val @ w.val))), rtol=1e-14)
    with pytest.raises(ValueError, match="read-only"):
        w.val[0] = 1.0


def test_numbers_and_arrays_on_either_side():
    a = Parameter(np.array([[1.0, 2.0], [3.0, 4.0]]))
    b = np.array([[5.0, 6.0], [7.0, 8.0]])
    v = a.val
    for got, expected in [
        (a + 2, v + 2), (2 + a, 2 + v), (a - 2.5, v - 2.5), (2.5 - a, 2.5 - v),
        (a * 3, v * 3), (3 * a, 3 * v), (a / 4, v / 4), (4 / a, 4 / v), (a**3, v**3),
        (a + b, v + b), (b + a, b + v), (a - b, v - b), (b - a, b - v), (a * b, v * b),
        (b * a, b * v), (a / b, v / b), (b / a, b / v), (a @ b, v @ b), (b @ a, b @ v),
        (np.float64(2) * a, 2 * v), (a * np.float32(2), 2 * v), (-a, -v), (abs(-a), v),
        (a.T, v.T), (2.0**a, 2.0**v),
    ]:  # fmt: skip
        assert isinstance(got, Tensor)
        np.testing.assert_allclose(got.val, expected, rtol=1e-15)
    for wrong in ("text", None, [1.0]):
        with pytest.raises(TypeError):
            a + wrong


def test_notation():
    a, b = Variable([[1.0]], tag="a"), Parameter([[2.0]], tag="b")
    for tensor, text in [
        (a + b, "(a + b)"), (a - b, "(a - b)"), (a * b, "(a * b)"), (a / b, "(a / b)"),
        (a @ b, "(a @ b)"), (a**2, "(a^2)"), (a**0.5, "(a^0.5)"), (a.T, "a.T"), (abs(a), "|a|"),
        (summation(a), "Σa"), (mean(a), "mean(a)"), (item(a), "(a)"), (log(a), "log(a)"),
        (exp(a), "exp(a)"), (relu(a), "relu(a)"), (tanh(a), "tanh(a)"),
        (sigmoid(a), "sigmoid(a)"), (softmax(a), "softmax(a)"), (a[0], "a[0]"),
        (squared_error(b, a), "(b - a)^2"), (cross_entropy(b, a), "CrossEntropy(b, a)"),
        (cross_entropy(b, a, multiclass=True), "CrossEntropy(b, a)"),
        (ridge(b), "((Σ(b^2)))"), (lasso(b), "((Σ|b|))"),
    ]:  # fmt: skip
        assert str(tensor) == repr(tensor) == text
    first = int(str(Variable(1.0)).split()[1])
    assert str(a * 2.0) == f"(a * variable {first + 1})"
    assert str(-a) == f"(a * variable {first + 2})"
    assert str(Variable(1.0)) == f"variable {first + 3}"
    assert str(Parameter(1.0)).startswith("parameter ")


def test_trace_visits_each_once_consumers_first():
    x, t, w = regression()
    y = x @ w
    loss = squared_error(y, t) + 0.1 * lasso(w) + ridge(y)
    seen: list[Tensor] = []
    trace(loss, seen.append)
    assert seen[0] is loss and len(seen) == len(set(seen))
    place = {tensor: i for i, tensor in enumerate(seen)}
    for tensor in seen:
        for operand in tensor.operands:
            assert place[tensor] < place[operand]
    assert {x, t, w, y} <= set(seen)


def test_walk_draws_the_original_picture():
    x, t, w = regression()
    loss = squared_error(x @ w, t) + Variable(0.1, tag="λ") * lasso(w)
    nodes: list[str] = []
    edges: list[tuple[str, str]] = []
    trace(loss, Walk(nodes, edges))
    edges.sort(key=lambda edge: nodes.index(edge[1]))
    graph = nx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(edges)
    lines = nx.generate_network_text(graph, ascii_only=True, vertical_chains=True)
    assert "\n".join(lines) + "\n" == TREE
    assert loss.tree() == TREE


def gradients(loss, hooks):
    for hook in hooks:
        trace(loss, hook)


def test_zero_and_back():
    x, t, w = regression()
    y = x @ w
    loss = squared_error(y, t) + 0.1 * lasso(w)
    found: list[Parameter] = []
    trace(loss, Zero())
    assert loss.grad == 1 and y.grad == 0 and not np.any(w.grad)
    trace(loss, Back(found))
    assert found == [w]
    d = 2 * (x.val @ w.val - t.val) / 30
    np.testing.assert_allclose(y.grad, d, rtol=1e-12)
    np.testing.assert_allclose(w.grad, x.val.T @ d + 0.1 * np.sign(w.val), rtol=1e-12)
    with pytest.raises(AttributeError):
        _ = x.grad
    with pytest.raises(AttributeError, match="no gradient yet"):
        _ = (x @ w).grad


@pytest.mark.parametrize("multiclass", [False, True])
def test_visiting_one_by_one_gives_what_one_pass_gives(multiclass):
    rng = np.random.default_rng(3)
    x, w = Variable(rng.normal(size=(6, 4))), Parameter(rng.normal(size=(4, 3)) * 0.3)
    b = Parameter(rng.normal(size=(1, 3)) * 0.3)
    t = np.eye(3)[rng.integers(0, 3, 6)]
    h = tanh(x @ w + b)
    h = h * h + h[:, ::-1] / (2.0 + abs(h)) - relu(h - 0.1) ** 2 + ng.maximum(h, 0.3)
    h = ng.concatenate([h, -h], 1)[:, :3] + ng.where(h > 0.2, h, 0.5)
    y = softmax(h) if multiclass else sigmoid(h)
    loss = cross_entropy(y, t, multiclass=multiclass) + 0.1 * ridge(w) + lasso(b)
    fast: list[Parameter] = []
    gradients(loss, [Zero(), Back(fast)])
    expected = [p.grad for p in fast] + [h.grad, y.grad]
    slow: list[Parameter] = []
    zero, back = Zero(), Back(slow)
    gradients(loss, [lambda tensor: zero(tensor), lambda tensor: back(tensor)])
    assert fast == slow and len(fast) == 2
    for a, b in zip([p.grad for p in slow] + [h.grad, y.grad], expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14)


def test_a_hook_may_change_gradients_on_the_way():
    w = Parameter([3.0], tag="w")
    y = w * w
    loss = item(y * 2.0)
    back = Back([])

    def halved(tensor):
        if tensor is y:
            tensor.grad = tensor.grad * 0.5
        back(tensor)

    gradients(loss, [Zero(), halved])
    assert w.grad == [6.0]
    trace(loss, Zero())
    loss.grad = 10.0
    trace(loss, Back([]))
    assert w.grad == [120.0]


def test_an_operators_gradient_is_not_given_late():
    w = Parameter([3.0])
    y = w * w
    loss = item(y * y)
    found: list[Parameter] = []
    gradients(loss, [Zero(), Back(found)])
    Optimizer(0.01).step(found)
    with pytest.raises(RuntimeError, match="before a leaf changed"):
        _ = y.grad


def test_gradients_accumulate_and_can_be_set():
    w = Parameter([1.0, 2.0])
    loss = ridge(w)
    gradients(loss, [Zero(), Back([]), Back([])])
    np.testing.assert_allclose(w.grad, [4, 8])
    w.grad = [5.0, 6.0]
    Optimizer(alpha=1.0).step([w])
    np.testing.assert_allclose(w.val, [-4, -4])


def test_the_original_faults_are_not_here():
    # A broadcast operand in backward.
    x, b = Variable(np.ones((4, 3))), Parameter(np.zeros(3))
    loss = squared_error(x + b, np.zeros((4, 3)))
    gradients(loss, [Zero(), Back([])])
    np.testing.assert_allclose(b.grad, np.full(3, 2 / 3))
    # A long chain; the release of it, too.
    w = Parameter(1.0)
    y = w
    for _ in range(100_000):
        y = y + w
    found: list[Parameter] = []
    gradients(y, [Zero(), Back(found)])
    assert w.grad == 100_001 and found == [w] and y.val == 100_001
    assert str(y).startswith("(((") and str(y).endswith("…") is (len(str(y)) > 1_000_000)
    seen: list[Tensor] = []
    trace(y, seen.append)
    assert len(seen) == 100_001
    del y, seen


def test_clipping():
    w = Parameter([30.0, 40.0])
    for optimizer, expected in [
        (Optimizer(0.1), [24, 32]),  # as the original does
        (Optimizer(0.1, max_grad_norm=1.0, clip="none"), [24, 32]),
        (Optimizer(0.1, max_grad_norm=1.0), [29.94, 39.92]),
    ]:
        w.val = [30.0, 40.0]
        loss, found = ridge(w), []
        gradients(loss, [Zero(), Back(found)])
        optimizer.step(found)
        np.testing.assert_allclose(w.val, expected, rtol=1e-12)
    with pytest.raises(ValueError, match="clip"):
        Optimizer(0.1, clip="off")


def test_one_optimizer_for_changing_lists():
    v, w = Parameter(1.0), Parameter(1.0)
    optimizer = Optimizer(LinearSchedule(10, 1.0, 0.0))
    v.grad = w.grad = 1.0
    optimizer.step([v])  # 1.0
    optimizer.step([w, v])  # 0.9
    optimizer.step([w, w])  # 0.8, twice
    assert v.val == pytest.approx(-0.9) and w.val == pytest.approx(1 - 0.9 - 1.6)
    optimizer.step([])
    with pytest.raises(RuntimeError, match="no Parameter"):
        optimizer.step([Variable(1.0)])
    with pytest.raises(TypeError):
        optimizer.step([1.0])


def test_schedules():
    linear = LinearSchedule(4, 1.0, 0.2)
    np.testing.assert_allclose([linear() for _ in range(6)], [1, 0.8, 0.6, 0.4, 0.2, 0.2])
    cosine = CosineSchedule(4, 1.0, 0.0)
    angles = np.pi * np.arange(5) / 4
    np.testing.assert_allclose([cosine() for _ in range(5)], (1 + np.cos(angles)) / 2, atol=1e-15)
    decay = ExponentialSchedule(3, 1.1, 0.1, 0.5)
    np.testing.assert_allclose([decay() for _ in range(5)], [1.1, 0.6, 0.35, 0.225, 0.225])
    geometric = ng.GeometricSchedule(2, 1.0, 0.01)
    np.testing.assert_allclose([geometric() for _ in range(4)], [1, 0.1, 0.01, 0.01])
    steps = ng.StepSchedule(2, 1.0, 0.5)
    np.testing.assert_allclose([steps() for _ in range(5)], [1, 1, 0.5, 0.5, 0.25])
    assert [ConstantSchedule(0.3)() for _ in range(3)] == [0.3] * 3
    chain = LinearSchedule(2, 0.0, 1.0) + ConstantSchedule(1.0, 2) + CosineSchedule(2, 1.0, 0.0)
    np.testing.assert_allclose(
        [chain() for _ in range(8)], [0, 0.5, 1, 1, 1, 0.5, 0, 0], atol=1e-15
    )
    assert chain.rate(1) == 0.5 and chain.t == 7 and chain.a == pytest.approx(0)
    with pytest.raises(ValueError, match="no end"):
        ConstantSchedule(1.0) + linear
    for bad in (lambda: LinearSchedule(0, 1, 0), lambda: CosineSchedule(2**70, 1, 0),
                lambda: linear.rate(-1), lambda: ExponentialSchedule(0, 1, 0, 0.5)):  # fmt: skip
        with pytest.raises(ValueError):
            bad()


def test_losses_by_hand():
    rng = np.random.default_rng(5)
    y, t = rng.uniform(0.1, 0.9, (7, 1)), rng.integers(0, 2, (7, 1))
    expected = -np.mean(t * np.log(y) + (1 - t) * np.log(1 - y))
    assert cross_entropy(Parameter(y), Variable(t)).val == pytest.approx(expected, rel=1e-11)
    assert cross_entropy(Parameter(y), t).val == pytest.approx(expected, rel=1e-11)
    assert squared_error(Parameter(y), 0.5).val == pytest.approx(np.mean((y - 0.5) ** 2))
    p = rng.dirichlet(np.ones(4), 7)
    k = rng.integers(0, 4, 7)
    expected = -np.mean(np.log(p[np.arange(7), k]))
    for target in (np.eye(4)[k], np.eye(4, dtype=np.uint8)[k], k):
        assert cross_entropy(p, target, multiclass=True).val == pytest.approx(expected, rel=1e-9)
        z = np.log(p) + 3.0
        logits = ng.cross_entropy_logits(z, target, multiclass=True)
        assert logits.val == pytest.approx(expected, rel=1e-11)
    z = rng.normal(size=(7, 1))
    a, b = ng.cross_entropy_logits(z, t), cross_entropy(sigmoid(z), t)
    assert a.val == pytest.approx(b.val, rel=1e-10)
    assert log(Variable(0.0)).val == pytest.approx(np.log(1e-12))
    with pytest.raises(ValueError, match="target of shape"):
        squared_error(Parameter(y), t.ravel())
