"""NumPy's functions on tensors: `np.exp(tensor)`, `array * tensor`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _functions as fn
from ._tensor import Tensor

_FUNCTIONS: dict[Any, Callable[..., Tensor]] = {
    np.add: fn.add,
    np.subtract: fn.subtract,
    np.multiply: fn.multiply,
    np.true_divide: fn.divide,
    np.power: fn.power,
    np.matmul: fn.matmul,
    np.negative: fn.negate,
    np.absolute: fn.absolute,
    np.fabs: fn.absolute,
    np.sign: fn.sign,
    np.exp: fn.exp,
    np.expm1: fn.expm1,
    np.log: lambda a: fn.log(a, 0),
    np.log1p: fn.log1p,
    np.sqrt: fn.sqrt,
    np.reciprocal: fn.reciprocal,
    np.sin: fn.sin,
    np.cos: fn.cos,
    np.tanh: fn.tanh,
    np.maximum: fn.maximum,
    np.minimum: fn.minimum,
    np.less: fn.less,
    np.less_equal: fn.less_equal,
    np.greater: fn.greater,
    np.greater_equal: fn.greater_equal,
}


def ufunc(function: np.ufunc, method: str, inputs: tuple[Any, ...], options: Any) -> Any:
    """What NumPy calls for a universal function of which an argument is a tensor."""
    found = _FUNCTIONS.get(function)
    if found is None or method != "__call__" or options:
        return NotImplemented
    return found(*inputs)
