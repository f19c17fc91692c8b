"""Tensors shared with other libraries by DLPack, without a copy of their elements."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from ._abi import lib
from ._data import made
from ._leaves import Variable, encoded, next_tag, variable_of
from ._tensor import Tensor

#: The device of all tensors, as DLPack numbers them.
CPU = (1, 0)
_IF_NEEDED, _ALWAYS, _NEVER = 0, 1, 2
_VERSION = (1, 0)
#: Whether NumPy knows the versions of DLPack, and with them what is read-only.
_KNOWS_VERSIONS = np.lib.NumpyVersion(np.__version__) >= "2.1.0"

# A capsule goes on pointing at its name, so these stay.
_NAME = ctypes.c_char_p(b"dltensor_versioned")
_USED = ctypes.c_char_p(b"used_dltensor_versioned")


def _of_python(name: str, result: Any, *arguments: Any) -> Any:
    """A function of the interpreter; apart from the one that `ctypes.pythonapi` shares with everybody."""
    return ctypes.PYFUNCTYPE(result, *arguments)((name, ctypes.pythonapi))


_is_capsule = _of_python("PyCapsule_IsValid", ctypes.c_int, ctypes.py_object, ctypes.c_char_p)
_pointer = _of_python("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
_set_name = _of_python("PyCapsule_SetName", ctypes.c_int, ctypes.py_object, ctypes.c_char_p)


# ---- From others


def from_dlpack(x: Any, /, *, tag: str | None = None, copy: bool | None = None) -> Variable:
    """A Variable of another library's array on the CPU, such as NumPy's, PyTorch's or JAX's.

    It shares the array's memory if that is dense and row-major, else it has a copy; with `copy=True` always, and with
    `copy=False` what cannot be shared is an error. Shared memory is never written to: a Variable that is assigned to
    has its own. The array must not be written to either, because values computed from it would not follow.
    """
    if not hasattr(x, "__dlpack__"):
        raise TypeError(
            f"a {type(x).__name__} has no __dlpack__; Variable(…) copies what NumPy knows"
        )
    name = str(tag) if tag else next_tag()
    capsule = _capsule(x)
    if capsule is None:
        if copy is False:
            raise ValueError(f"NumPy {np.__version__} cannot share, expected 2.1 or later")
        return Variable(np.from_dlpack(x), name)
    mode = _IF_NEEDED if copy is None else _ALWAYS if copy else _NEVER
    handle = made(lib.from_dlpack(_pointer(capsule, _NAME), mode, encoded(name)))
    _set_name(capsule, _USED)
    return variable_of(handle, lib.dtype_of(handle), name)


def _capsule(x: Any) -> Any:
    """A capsule of DLPack 1; where its producer is older, by way of NumPy; None where NumPy is older too."""
    try:
        capsule = x.__dlpack__(max_version=_VERSION)
    except TypeError:
        capsule = None
    if _is_capsule(capsule, _NAME):
        return capsule
    del capsule  # an older one, which deletes what it holds
    array: Any = np.from_dlpack(x)
    return array.__dlpack__(max_version=_VERSION) if _KNOWS_VERSIONS else None


# ---- To others


class _Managed(ctypes.Structure):
    """DLPack's DLManagedTensorVersioned, as far as it is needed here."""

    _fields_ = (
        ("version", ctypes.c_uint32 * 2),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.PYFUNCTYPE(None, ctypes.c_void_p)),
        ("flags", ctypes.c_uint64),
        ("data", ctypes.c_void_p),
    )


class _Lent:
    """Keeps memory for the array that is made of it."""

    def __init__(self, tensor: Tensor, copy: bool) -> None:
        address = made(lib.to_dlpack(tensor._handle, _ALWAYS if copy else _IF_NEEDED))
        managed = _Managed.from_address(address)
        self._address, self._delete = address, managed.deleter
        self.__array_interface__ = {
            "version": 3,
            "shape": tensor.shape,
            "typestr": tensor.dtype.str,
            "data": (managed.data or 0, not copy),
        }

    def __del__(self) -> None:
        if "_delete" in self.__dict__:
            self._delete(self._address)


def shared(tensor: Tensor, copy: bool) -> np.ndarray:
    """A tensor's value, computed if need be, as an array in the tensor's memory, read-only; or in that of a copy."""
    if tensor.size == 0:
        return np.empty(tensor.shape, tensor.dtype)
    return np.asarray(_Lent(tensor, copy))


def lend(
    tensor: Tensor,
    stream: Any,
    max_version: tuple[int, int] | None,
    device: tuple[int, int] | None,
    copy: bool | None,
) -> Any:
    """What `__dlpack__` returns: NumPy makes the capsule."""
    if stream is not None:
        raise ValueError(f"stream {stream}, expected None for memory of the CPU")
    if device is not None and tuple(device) != CPU:
        raise BufferError(f"device {device}, expected the CPU's, {CPU}")
    if _KNOWS_VERSIONS and max_version is not None and max_version[0] >= 1:
        return shared(tensor, bool(copy)).__dlpack__(max_version=_VERSION)
    # Before version 1 there is no way to say that memory is read-only.
    if copy is False:
        raise BufferError(
            "shared elements are read-only, expected a consumer of DLPack 1 or a copy"
        )
    return shared(tensor, True).__dlpack__()
