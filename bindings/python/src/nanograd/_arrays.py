"""Functions that move elements, pick them, and reduce axes."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from . import _data
from . import _operators as ops
from ._abi import lib
from ._data import Axes, Shape, made, promoted
from ._leaves import tensor_of
from ._operators import Operand, Operation, apply
from ._tensor import Operator, Tensor

# ---- Shapes

_TRANSPOSE = Operation("transpose", "{0}.T", lib.transpose)
_PERMUTE = Operation("permute", "permute({0})", lib.permute, takes=lambda axes: _data.axes(axes))
_BROADCAST = Operation("broadcast_to", "broadcast({0})", lib.broadcast_to, takes=_data.dimensions)
_EXPAND = Operation(
    "expand_dims", "reshape({0})", lib.expand_dims, takes=lambda n: (_data.int32(n, "axis"),)
)
_SQUEEZE = Operation(
    "squeeze", "reshape({0})", lib.squeeze, takes=lambda n: (_data.int32(n, "axis"),)
)
_ITEM = Operation("item", "({0})", lib.as_scalar)


def transpose(a: Operand) -> Tensor:
    """The last two axes exchanged; a scalar or vector stays as it is."""
    return apply(_TRANSPOSE, a)


def permute(a: Operand, axes: Sequence[int]) -> Tensor:
    """Axis i of the result is axis `axes[i]` of a."""
    return apply(_PERMUTE, a, arguments=(tuple(axes),))


def reshape(a: Operand, shape: Shape) -> Tensor:
    """The same elements in another shape; one dimension may be -1."""
    return apply(ops.RESHAPE, a, arguments=(shape,))


def broadcast_to(a: Operand, shape: Shape) -> Tensor:
    """a, repeated to a shape."""
    return apply(_BROADCAST, a, arguments=(shape,))


def expand_dims(a: Operand, axis: int) -> Tensor:
    """a with a new axis of 1."""
    return apply(_EXPAND, a, arguments=(axis,))


def squeeze(a: Operand, axis: int) -> Tensor:
    """a without an axis of 1."""
    return apply(_SQUEEZE, a, arguments=(axis,))


def item(a: Operand) -> Tensor:
    """A tensor of one element as a scalar."""
    return apply(_ITEM, a)


_SLICE = Operation(
    "slice",
    lambda bounds: f"slice({{0}}, {bounds[0]}, {bounds[1]}, {bounds[2]}, {bounds[3]})",
    lib.slice,
    takes=lambda axis, start, stop, step: (
        _data.int32(axis, "axis"),
        *(_data.int64(bound, "a bound") for bound in (start, stop, step)),
    ),
)
_SELECT = Operation(
    "select",
    lambda arguments: f"select({{0}}, {arguments[0]}, {arguments[1]})",
    lib.select,
    takes=lambda axis, index: (_data.int32(axis, "axis"), _data.int64(index, "index")),
)


def slice_axis(a: Operand, axis: int, start: int, stop: int, step: int = 1) -> Tensor:
    """Elements start, start + step, … before stop along an axis. `a[…]` says it more shortly."""
    return apply(_SLICE, a, arguments=(axis, start, stop, step))


def select(a: Operand, axis: int, index: int) -> Tensor:
    """The part at one index of an axis, without that axis."""
    return apply(_SELECT, a, arguments=(axis, index))


def pad(a: Operand, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Tensor:
    """a, surrounded by a value: `before[i]` and `after[i]` elements on axis i."""
    if len(before) != len(after):
        raise ValueError(f"{len(before)} and {len(after)} widths, expected one of each per axis")
    widths = (_data.dimensions(before), _data.dimensions(after)[1], float(value))
    return apply(_PAD, a, arguments=widths)


_PAD = Operation(
    "pad", "pad({0})", lib.pad, takes=lambda before, after, value: (*before, after, value)
)


def _joined(function: Any, name: str, tensors: Sequence[Operand], axis: int) -> Tensor:
    operands = tuple([tensor_of(x) for x in tensors])
    if not operands:
        raise ValueError(f"{name} of no tensors, expected at least one")
    code = operands[0]._code
    for x in operands:
        code = promoted(code, x._code)
    places = ", ".join(f"{{{i}}}" for i in range(len(operands)))
    number = _data.int32(axis, "axis")

    def join(*handles: int) -> int | None:
        cast = [made(lib.cast(handle, code)) for handle in handles]
        try:
            array = (ctypes.c_void_p * len(cast))(*cast)
            return function(array, len(cast), number)  # type: ignore[no-any-return]
        finally:
            for handle in cast:
                lib.release(handle)

    operation = Operation(name, f"{name}({places})", join)
    handle = operation([x._handle for x in operands], None)
    return Operator(handle, code, operation, operands, any(x._gradable for x in operands))


def concatenate(tensors: Sequence[Operand], axis: int = 0) -> Tensor:
    """Tensors joined along an axis."""
    return _joined(lib.concatenate, "concatenate", tensors, axis)


def stack(tensors: Sequence[Operand], axis: int = 0) -> Tensor:
    """Tensors of one shape joined along a new axis."""
    return _joined(lib.stack, "stack", tensors, axis)


def gather(a: Operand, indices: Operand, axis: int) -> Tensor:
    """Elements along an axis: `y[…, j, …] = a[…, indices[…, j, …], …]`."""
    return ops.gather(a, indices, axis)


def index_select(a: Operand, indices: Operand, axis: int = 0) -> Tensor:
    """Whole slices along an axis, which is replaced by the axes of the indices."""
    return ops.index_select(a, indices, axis)


def one_hot(indices: Operand, depth: int, dtype: Any = "float64") -> Tensor:
    """A new last axis of `depth`: 1 at the index, 0 elsewhere."""
    tensor, code = tensor_of(indices), _data.code_of(dtype)
    arguments = (_data.int64(depth, "depth"), code)
    handle = _ONE_HOT((tensor._handle,), arguments)
    return Operator(handle, code, _ONE_HOT, (tensor,), False, arguments)


_ONE_HOT = Operation("one_hot", "one_hot({0})", lib.one_hot, takes=lambda *arguments: arguments)


# ---- Reductions


def summation(a: Operand, axis: Axes = 0) -> Tensor:
    """The sum over an axis (axes, all for None), which is kept as 1."""
    return apply(ops.SUM, a, arguments=(axis, True))


def mean(a: Operand, axis: Axes = 0, keepdims: bool = True) -> Tensor:
    """The mean over an axis (axes, all for None), which is kept as 1."""
    return apply(ops.MEAN, a, arguments=(axis, keepdims))


def sum(a: Operand, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The sum over axes, or all."""
    return apply(ops.SUM, a, arguments=(axis, keepdims))


def max(a: Operand, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The largest over axes, or all; its gradient is split evenly among equals."""
    return apply(ops.MAX, a, arguments=(axis, keepdims))


def min(a: Operand, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The smallest over axes, or all; its gradient is split evenly among equals."""
    return apply(ops.MIN, a, arguments=(axis, keepdims))


def logsumexp(a: Operand, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """ln Σ eᵃ over axes, or all, without overflow."""
    return apply(ops.LOGSUMEXP, a, arguments=(axis, keepdims))


def argmax(a: Operand, axis: int = -1, keepdims: bool = False) -> Tensor:
    """The index of the first of the largest along an axis, as int64."""
    return ops.argmax(a, axis, keepdims)


_SOFTMAX = Operation(
    "softmax", "softmax({0})", lib.softmax, floats=True, takes=lambda n: (_data.int32(n, "axis"),)
)
_LOG_SOFTMAX = Operation(
    "log_softmax",
    "log_softmax({0})",
    lib.log_softmax,
    floats=True,
    takes=lambda n: (_data.int32(n, "axis"),),
)


def softmax(a: Operand, axis: int = -1) -> Tensor:
    """eᵃ / Σ eᵃ along an axis, without overflow."""
    return apply(_SOFTMAX, a, arguments=(axis,))


def log_softmax(a: Operand, axis: int = -1) -> Tensor:
    """a - ln Σ eᵃ along an axis, without overflow."""
    return apply(_LOG_SOFTMAX, a, arguments=(axis,))
