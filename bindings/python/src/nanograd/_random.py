"""Random Variables, the same on every machine. Each thread has a generator of its own."""

from __future__ import annotations

import itertools
from typing import Any

from . import _data
from ._abi import lib
from ._data import INT64, Shape, made
from ._leaves import Variable, _Leaf

_samples = itertools.count(1)


class _Sample(Variable):
    """A Variable whose elements the library made."""

    __slots__ = ()

    def __init__(self, handle: int | None, code: int) -> None:
        self._handle = made(handle)
        self._code, self._tag, self._gradable = code, f"sample {next(_samples)}", False
        self._operands, self._operation, self._arguments = (), None, None  # type: ignore[assignment]
        self._shape = self._grad = self._below = self._owner = None

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Variable, _Leaf.__reduce_ex__(self, protocol)[1]


def seed(number: int) -> None:
    """Starts this thread's generator anew."""
    if not 0 <= number < 2**64:
        raise ValueError(f"seed {number}, expected 0 to 2**64 - 1")
    lib.seed(number)


def normal(
    shape: Shape = (), mean: float = 0.0, deviation: float = 1.0, dtype: Any = "float64"
) -> Variable:
    """Samples of the normal distribution."""
    code = _data.code_of(dtype)
    handle = lib.normal(code, *_data.dimensions(shape), float(mean), float(deviation))
    return _Sample(handle, code)


def uniform(
    shape: Shape = (), low: float = 0.0, high: float = 1.0, dtype: Any = "float64"
) -> Variable:
    """Samples uniform in [low, high)."""
    code = _data.code_of(dtype)
    return _Sample(lib.uniform(code, *_data.dimensions(shape), float(low), float(high)), code)


def bernoulli(shape: Shape = (), probability: float = 0.5, dtype: Any = "float64") -> Variable:
    """1 with a probability, else 0."""
    code = _data.code_of(dtype)
    return _Sample(lib.bernoulli(code, *_data.dimensions(shape), float(probability)), code)


def permutation(count: int) -> Variable:
    """0 … count - 1 in random order, as int64."""
    return _Sample(lib.permutation(_data.int64(count, "count")), INT64)
