"""Lasso regression: weights are found again from noisy observations.

Usage: python ols.py
"""

from collections.abc import Iterator

import numpy as np

from nanograd import Back, Optimizer, Parameter, Variable, Zero, lasso, squared_error, trace

EXAMPLES, FEATURES, STEPS = 300, 4, 50
RATE, PENALTY = 0.1, 0.1


def problem(seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Inputs with a column of ones, targets, the true weights, and weights to start from."""
    rng = np.random.default_rng(seed)
    x = np.hstack([np.ones((EXAMPLES, 1)), rng.normal(size=(EXAMPLES, FEATURES))])
    true, start = rng.normal(size=(2, FEATURES + 1, 1))
    t = x @ true + rng.normal(0, 0.2, size=(EXAMPLES, 1))
    return x, t, true, start


def train(x: np.ndarray, t: np.ndarray, w: Parameter, steps: int = STEPS) -> Iterator[float]:
    """Takes steps, and gives the loss before each."""
    t, x = Variable(t, tag="t"), Variable(x, tag="x")
    y = x @ w
    optimizer = Optimizer(alpha=RATE)
    for _ in range(steps):
        loss = squared_error(y, t) + PENALTY * lasso(w)
        trace(loss, Zero())
        parameters: list[Parameter] = []
        trace(loss, Back(parameters))
        yield loss.val  # known from the way back; asked for before, it would be computed twice
        optimizer.step(parameters)


def main() -> None:
    x, t, true, start = problem()
    w = Parameter(start, tag="w")
    for step, loss in enumerate(train(x, t, w)):
        if step % 10 == 0:
            print(f"step {step:2}  loss {loss:.6f}")
    print("true   ", true.ravel().round(3))
    print("learned", w.val.ravel().round(3))


if __name__ == "__main__":
    main()
