"""What the tests share: where things are, and a summary of how many cases there were and how far off."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "examples")]


class Errors:
    """The largest error of each kind of comparison."""

    def __init__(self) -> None:
        self.largest: dict[str, tuple[float, str]] = {}
        self.cases = 0

    def compare(self, kind: str, name: str, got: object, expected: object, limit: float) -> None:
        """Requires |got - expected| ≤ limit·max(1, |expected|) everywhere, and the same shape."""
        a, b = np.asarray(got), np.asarray(expected)
        assert a.shape == b.shape, f"{name}: shape {a.shape}, expected {b.shape}"
        self.cases += 1
        if a.size == 0:
            return
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        with np.errstate(all="ignore"):
            error = np.where(same, 0.0, np.abs(a - b) / np.maximum(1, np.abs(b)))
        worst = float(error.max())
        assert worst <= limit, f"{name}: off by {worst}, expected at most {limit}\n{a}\n{b}"
        if worst >= self.largest.get(kind, (-1.0, ""))[0]:
            self.largest[kind] = (worst, name)


_errors = Errors()


@pytest.fixture(scope="session")
def errors() -> Errors:
    return _errors


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _errors.cases:
        terminalreporter.write_line(f"{_errors.cases} comparisons; the largest relative errors:")
        for kind, (worst, name) in sorted(_errors.largest.items()):
            terminalreporter.write_line(f"  {kind:28} {worst:.1e}  {name}")
