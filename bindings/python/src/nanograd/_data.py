"""What goes over the boundary: dtypes, shapes, arrays, texts."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from ._abi import lib
from ._errors import DTypeError, check, failure

FLOAT32, FLOAT64, INT32, INT64 = 1, 2, 3, 4
MAX_RANK = 8

#: NumPy's dtype for each of the library's.
DTYPES: dict[int, np.dtype[Any]] = {
    FLOAT32: np.dtype(np.float32),
    FLOAT64: np.dtype(np.float64),
    INT32: np.dtype(np.int32),
    INT64: np.dtype(np.int64),
}
_CODES = {dtype: code for code, dtype in DTYPES.items()}

#: What a number can be.
NUMBERS = (bool, int, float, np.number, np.bool_)
Number: TypeAlias = "bool | int | float | np.number[Any] | np.bool_"
Shape: TypeAlias = "int | Sequence[int]"
Axes: TypeAlias = "int | Sequence[int] | None"

_INT64 = np.iinfo(np.int64)


def code_of(dtype: Any) -> int:
    """The library's code of a dtype, in whatever form NumPy accepts one."""
    code = _CODES.get(np.dtype(dtype))
    if code is None:
        raise DTypeError(f"dtype {np.dtype(dtype)}, expected float32, float64, int32 or int64")
    return code


def promoted(a: int, b: int) -> int:
    """The dtype in which two meet: the wider float if there is one, else the wider integer."""
    floats = [code for code in (a, b) if code <= FLOAT64]
    return max(floats or (a, b))


def array_of(value: Any, dtype: Any = None) -> tuple[np.ndarray, int]:
    """A value as a dense array of one of the library's dtypes, and that dtype's code."""
    array = np.asarray(value)
    if dtype is not None:
        code = code_of(dtype)
        if array.dtype.kind not in "fiub":
            raise DTypeError(f"a value of {array.dtype}, expected real numbers")
    else:
        code = _natural_code(array)
    if code == INT64 and array.dtype.kind == "u" and array.size and array.max() > _INT64.max:
        raise DTypeError(f"{array.max()} does not fit int64, which {array.dtype} is converted to")
    return np.asarray(array, dtype=DTYPES[code], order="C"), code


def _natural_code(array: np.ndarray) -> int:
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f":
        return FLOAT32 if size <= 4 else FLOAT64
    if kind in "biu":
        return INT32 if size < 4 or (kind == "i" and size == 4) else INT64
    raise DTypeError(f"a value of {array.dtype}, expected real numbers")


def address(array: np.ndarray) -> int:
    """Where an array's elements are."""
    where: int = array.__array_interface__["data"][0]
    return where


def dimensions(shape: Shape) -> tuple[int, ctypes.Array[ctypes.c_int64]]:
    """A shape as C takes it: rank and array. A number stands for one dimension."""
    return _dimensions((shape,) if isinstance(shape, (int, np.integer)) else tuple(shape))


@functools.lru_cache(maxsize=1024)
def _dimensions(shape: tuple[int, ...]) -> tuple[int, ctypes.Array[ctypes.c_int64]]:
    numbers = [int64(dimension, "a dimension") for dimension in shape]
    return len(numbers), (ctypes.c_int64 * len(numbers))(*numbers)


def axes(axis: Axes) -> tuple[int, ctypes.Array[ctypes.c_int32] | None]:
    """Axes as C takes them: count and array; None, for all, as NULL."""
    if axis is None:
        return 0, None
    return _axes((axis,) if isinstance(axis, (int, np.integer)) else tuple(axis))


@functools.lru_cache(maxsize=1024)
def _axes(axes: tuple[int, ...]) -> tuple[int, ctypes.Array[ctypes.c_int32]]:
    return len(axes), (ctypes.c_int32 * len(axes))(*[int32(axis, "axis") for axis in axes])


def int32(number: Any, what: str) -> int:
    """A number that fits int32: ctypes would cut it short in silence."""
    return _fitting(number, what, 31)


def int64(number: Any, what: str) -> int:
    """A number that fits int64."""
    return _fitting(number, what, 63)


def _fitting(number: Any, what: str, bits: int) -> int:
    index = int(number.__index__()) if hasattr(number, "__index__") else None
    if index is None:
        raise TypeError(f"{what} is a {type(number).__name__}, expected an integer")
    if not -(2**bits) <= index < 2**bits:
        raise ValueError(f"{what} {index}, expected a number of {bits + 1} bits")
    return index


def handles(tensors: Sequence[Any]) -> ctypes.Array[ctypes.c_void_p]:
    """A C array of the handles of tensors."""
    return (ctypes.c_void_p * len(tensors))(*[tensor._handle for tensor in tensors])


def made(handle: int | None) -> int:
    """A handle, unless the call that should have given it failed."""
    if handle is None:
        raise failure()
    return handle


def shape_of(handle: int) -> tuple[int, ...]:
    room = (ctypes.c_int64 * MAX_RANK)()
    rank = check(lib.rank(handle))
    check(lib.shape(handle, MAX_RANK, room))
    return tuple(room[:rank])


def read(handle: int, code: int, shape: tuple[int, ...]) -> Any:
    """A tensor's value, computed if need be: an array, or NumPy's scalar for a scalar."""
    if not shape and code <= FLOAT64:
        value = lib.item(handle)
        if value != value and lib.error():
            raise failure()
        return DTYPES[code].type(value)
    array = np.empty(shape, DTYPES[code])
    check(lib.read(handle, address(array), array.nbytes))
    return array if shape else array[()]


def written(function: Any, *arguments: Any) -> str:
    """The text that one of the functions of the chapter "Drawing" writes."""
    size = 4095
    while True:
        buffer = ctypes.create_string_buffer(size + 1)
        needed = check(function(*arguments, buffer, size + 1))
        if needed <= size:
            return buffer.value.decode("utf-8", "replace")
        size = needed


def utf8(text: str, what: str) -> bytes:
    """A text as C takes it, which a NUL would cut short in silence."""
    encoded = text.encode()
    if 0 in encoded:
        raise ValueError(f"{what} {text!r} holds a NUL")
    return encoded
