"""A line is fitted to four points.

Usage: python first.py
"""

from nanograd import Back, Optimizer, Parameter, Variable, Zero, squared_error, trace

x, t = Variable([0.0, 1.0, 2.0, 3.0], tag="x"), Variable([1.0, 3.0, 5.0, 7.0], tag="t")
a, b = Parameter(0.0, tag="a"), Parameter(0.0, tag="b")
y = a * x + b  # computes nothing yet
optimizer = Optimizer(alpha=0.1)

for _ in range(200):
    loss = squared_error(y, t)
    trace(loss, Zero())
    parameters: list[Parameter] = []
    trace(loss, Back(parameters))
    optimizer.step(parameters)

print(f"{y} = {a.val:.3f} x + {b.val:.3f}")
