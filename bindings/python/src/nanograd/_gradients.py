"""Gradients of graphs, and of Python functions of arrays. A gradient is a tensor: it can be differentiated again."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _data
from ._abi import lib
from ._data import NUMBERS, made
from ._drawing import notation
from ._errors import check
from ._leaves import Variable, tensor_of
from ._operators import Operation
from ._tensor import Operator, Tensor
from ._tracing import order, rebuilt


def gradients(
    y: Tensor, with_respect_to: Sequence[Tensor], seed: Tensor | np.ndarray | None = None
) -> list[Tensor]:
    """The gradients of Σ seed·y (seed: ones) with respect to any tensors of y's graph, which need not be Parameters.

    Nothing is computed yet. What y does not depend on gets zeros.
    """
    sources = list(with_respect_to)
    given = None if seed is None else tensor_of(seed)
    room = (ctypes.c_void_p * len(sources))()
    start = None if given is None else given._handle
    again = rebuilt(y)
    handles = (ctypes.c_void_p * len(sources))(*[again.get(x) or x._handle for x in sources])
    try:
        check(lib.gradients(again.get(y) or y._handle, start, handles, len(sources), room))
    finally:
        for handle in again.values():
            lib.release(handle)
    leaves = tuple([x for x in order(y, folded=True) if not x._operands])
    if given is not None:
        leaves += tuple([x for x in order(given, folded=True) if not x._operands])
    gradable = any(x._gradable for x in leaves)
    return [
        Operator(made(handle), x._code, _gradient(y, x), leaves, gradable)
        for handle, x in zip(room, sources)
    ]


def _gradient(y: Tensor, x: Tensor) -> Operation:
    # Its operands are all leaves below y, but it is written with y and x alone.
    operation = Operation("gradient", "", lambda *_: None, of_leaves=True)
    operation.pieces = lambda _: (f"∂{notation(y, 60)}/∂{notation(x, 60)}",)
    return operation


def evaluate(*tensors: Tensor) -> Any:
    """The values of several tensors (or one), computed in one pass: cheaper than one `.val` after the other where they
    share work. No gradient is computed."""
    check(lib.eval(_data.handles(tensors), len(tensors)))
    values = [tensor.val for tensor in tensors]
    return values[0] if len(values) == 1 else values


def check_gradients(loss: Tensor, step: float = 1e-5) -> float:
    """The largest relative difference between a scalar loss's gradients and central differences, over every element of
    every Parameter. For float64."""
    error = ctypes.c_double()
    check(lib.check_gradients(loss._handle, step, ctypes.byref(error)))
    return error.value


def value_and_grad(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0
) -> Callable[..., tuple[Tensor, Any]]:
    """A function that gives the value of `function`, a scalar, and its gradient with respect to the argument at
    `argnums`, or a tuple of gradients if that is several numbers.

    These arguments are numbers, arrays, tensors, or lists, tuples and dictionaries of them; a gradient has the
    argument's structure. Gradients are tensors, so `grad(grad(f))` works.
    """

    @functools.wraps(function)
    def differentiated(*arguments: Any, **options: Any) -> tuple[Tensor, Any]:
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        given = list(arguments)
        leaves: list[Tensor] = []
        for number in numbers:
            if not -len(given) <= number < len(given):
                raise ValueError(f"argument {number} of {len(given)}, expected one that was passed")
            given[number] = _mapped(given[number], lambda x: _source(x, leaves))
        value = tensor_of(function(*given, **options))
        if value.size != 1:
            raise ValueError(f"a function value of shape {value.shape}, expected one number")
        found = iter(gradients(value, leaves))
        result = [_mapped(given[number], lambda _: next(found)) for number in numbers]
        return value, result[0] if isinstance(argnums, int) else tuple(result)

    return differentiated


def grad(function: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """A function that gives the gradient of `function` alone; otherwise like `value_and_grad`."""
    both = value_and_grad(function, argnums)

    @functools.wraps(function)
    def differentiated(*arguments: Any, **options: Any) -> Any:
        return both(*arguments, **options)[1]

    return differentiated


def _source(value: Any, leaves: list[Tensor]) -> Tensor:
    """What to differentiate with respect to, for an argument."""
    if isinstance(value, Tensor):
        tensor = value
    else:
        array = np.asarray(value)
        tensor = Variable(array, dtype=np.float64 if array.dtype.kind in "biu" else None)
    leaves.append(tensor)
    return tensor


def _mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    """The same structure of lists, tuples and dictionaries, with other leaves."""
    if isinstance(value, dict):
        return {key: _mapped(part, function) for key, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[_mapped(part, function) for part in value])
    if isinstance(value, (list, tuple)) and not all(isinstance(x, NUMBERS) for x in value):
        return type(value)([_mapped(part, function) for part in value])
    return function(value)
