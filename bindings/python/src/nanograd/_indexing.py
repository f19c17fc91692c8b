"""Indexing as NumPy's: `a[1:3, ::2]`, `a[..., None]`, `a[[2, 0]]`, `a[mask]`."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _data
from . import _operators as ops
from ._abi import lib
from ._data import FLOAT64, made
from ._leaves import Variable
from ._operators import Operation
from ._tensor import Operator, Tensor

_END, _BEGIN = 2**63 - 1, -(2**63)


class _Part(Variable):
    """A part of a Variable: it follows that Variable, and cannot be written to."""

    __slots__ = ()

    def __init__(self, whole: Tensor, key: Any, handle: int) -> None:
        self._handle = handle
        self._code, self._tag, self._gradable = whole._code, f"{whole}[{key}]", False
        self._operands, self._operation, self._arguments = (), _INDEX, (key,)
        self._shape = self._grad = self._below = self._owner = None

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Variable, (np.array(self.val), self._tag, self.dtype.name)


def index(a: Tensor, key: Any) -> Tensor:
    """`a[key]`: a Variable of a Variable, else an operator, whose gradient goes to the elements chosen."""
    if isinstance(key, Tensor):
        if key._code <= FLOAT64:
            raise IndexError(f"an index of {key.dtype}, expected integers")
        return ops.index_select(a, key, 0)
    handle = _indexed(a._handle, a.shape, key)
    if isinstance(a, Variable):
        return _Part(a, key, handle)
    return Operator(handle, a._code, _INDEX, (a,), a._gradable, (key,))


def _indexed(whole: int, shape: tuple[int, ...], key: Any) -> int:
    """A new handle to the part of a tensor that a key stands for."""
    items = list(key) if isinstance(key, tuple) else [key]
    if not all(
        item is None
        or item is Ellipsis
        or (isinstance(item, (slice, int, np.integer)) and not isinstance(item, bool))
        for item in items
    ):
        return _chosen(whole, shape, key)
    taken = sum(item is not None and item is not Ellipsis for item in items)
    if items.count(Ellipsis) > 1:
        raise IndexError("an index has more than one ellipsis ('...')")
    if taken > len(shape):
        raise IndexError(f"{taken} indices for shape {shape}, expected at most {len(shape)}")
    if Ellipsis in items:
        at = items.index(Ellipsis)
        items[at : at + 1] = [slice(None)] * (len(shape) - taken)

    axis, before = 0, 0  # of the result so far, of `shape`
    steps: list[tuple[Any, ...]] = []
    for item in items:
        if item is None:
            steps.append((lib.expand_dims, axis))
            axis += 1
            continue
        size = shape[before]
        before += 1
        if isinstance(item, slice):
            if item != slice(None):
                steps.append((lib.slice, axis, *_bounds(item)))
            axis += 1
        else:
            number = int(item)
            if not -size <= number < size:
                raise IndexError(f"index {number} is out of bounds for an axis of size {size}")
            steps.append((lib.select, axis, number))
    return _followed(whole, steps or [(lib.reshape, *_data.dimensions(shape))])


def _bounds(item: slice) -> tuple[int, int, int]:
    step = 1 if item.step is None else _data.int64(item.step, "the step")
    if step == 0:
        raise ValueError("a slice's step is 0, expected another number")
    first, last = (0, _END) if step > 0 else (_END, _BEGIN)
    start = first if item.start is None else _clipped(item.start)
    stop = last if item.stop is None else _clipped(item.stop)
    return start, stop, step


def _clipped(bound: Any) -> int:
    return max(_BEGIN + 1, min(int(bound.__index__()), _END))


def _followed(handle: int, steps: list[tuple[Any, ...]]) -> int:
    """Applies one function after another and releases what is between."""
    result = handle
    for function, *arguments in steps:
        before = result
        try:
            result = made(function(before, *arguments))
        finally:
            if before != handle:
                lib.release(before)
    return result


def _chosen(whole: int, shape: tuple[int, ...], key: Any) -> int:
    """A part chosen by arrays of indices or truth values: NumPy says which elements these are."""
    size = int(np.prod(shape, dtype=np.int64))
    numbers = np.ascontiguousarray(np.arange(size, dtype=np.int64).reshape(shape)[key])
    rank, dims = _data.dimensions(numbers.shape)
    indices = made(lib.variable(_data.INT64, rank, dims, _data.address(numbers), b"indices"))
    try:
        return _followed(
            whole,
            [(lib.reshape, *_data.dimensions(-1 if size else 0)), (lib.index_select, indices, 0)],
        )
    finally:
        lib.release(indices)


def _apply(handle: int, key: Any) -> int:
    return _indexed(handle, _data.shape_of(handle), key)


_INDEX = Operation(
    "index",
    lambda arguments: "{0}[" + str(arguments[0]).replace("{", "").replace("}", "") + "]",
    _apply,
    takes=lambda key: (key,),
)
