"""The graph of a lasso regression's loss, as text or for Graphviz.

Usage: python graph.py [--dot | --mermaid]
"""

import sys

import numpy as np

from nanograd import Parameter, Variable, lasso, squared_error


def main() -> None:
    x, t = Variable(np.ones((300, 5)), tag="x"), Variable(np.ones((300, 1)), tag="t")
    w = Parameter(np.ones((5, 1)), tag="w")
    loss = squared_error(x @ w, t) + Variable(0.1, tag="λ") * lasso(w)
    drawing = {"--dot": loss.dot, "--mermaid": loss.mermaid}.get("".join(sys.argv[1:]), loss.tree)
    print(drawing(), end="")


if __name__ == "__main__":
    main()
