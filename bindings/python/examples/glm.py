"""Logistic regression: weights are found again from yes and no.

Usage: python glm.py
"""

from collections.abc import Iterator

import numpy as np

from nanograd import Back, Optimizer, Parameter, Variable, Zero, cross_entropy, sigmoid, trace

EXAMPLES, FEATURES, STEPS = 2000, 4, 800
RATE = 0.5


def problem(seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Inputs with a column of ones, targets 0 and 1, the true weights, and weights to start from."""
    rng = np.random.default_rng(seed)
    x = np.hstack([np.ones((EXAMPLES, 1)), rng.normal(size=(EXAMPLES, FEATURES))])
    true, start = rng.normal(size=(2, FEATURES + 1, 1))
    t = (x @ true + rng.logistic(size=(EXAMPLES, 1)) > 0).astype(float)
    return x, t, true, start


def train(x: np.ndarray, t: np.ndarray, w: Parameter, steps: int = STEPS) -> Iterator[float]:
    """Takes steps, and gives the loss before each."""
    t, x = Variable(t, tag="t"), Variable(x, tag="x")
    y = sigmoid(x @ w)
    optimizer = Optimizer(alpha=RATE)
    for _ in range(steps):
        loss = cross_entropy(y, t)
        trace(loss, Zero())
        parameters: list[Parameter] = []
        trace(loss, Back(parameters))
        yield loss.val  # known from the way back; asked for before, it would be computed twice
        optimizer.step(parameters)


def main() -> None:
    x, t, true, start = problem()
    w = Parameter(start, tag="w")
    for step, loss in enumerate(train(x, t, w)):
        if step % 100 == 0:
            print(f"step {step:3}  loss {loss:.6f}")
    print("true   ", true.ravel().round(3))
    print("learned", w.val.ravel().round(3))


if __name__ == "__main__":
    main()
