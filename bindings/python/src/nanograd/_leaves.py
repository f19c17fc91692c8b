"""Leaves: Variables and Parameters, which hold their elements, and numbers in expressions."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from . import _data
from ._abi import lib
from ._data import FLOAT64, NUMBERS, array_of, made
from ._errors import StateError, check
from ._tensor import Tensor, _Changes

_variables, _parameters = itertools.count(1), itertools.count(1)


class _Leaf(Tensor):
    """A tensor that holds its elements."""

    __slots__ = ("_tag",)
    _tag: str

    def _hold(self, function: Any, val: Any, tag: str, dtype: Any) -> None:
        if isinstance(val, Tensor):
            val = val.val
        array, code = array_of(val, dtype)
        self._tag, self._code, self._shape = tag, code, array.shape
        self._operands, self._operation, self._arguments = (), None, None  # type: ignore[assignment]
        self._grad = self._below = self._owner = None
        rank, dims = _data.dimensions(array.shape)
        self._handle = made(function(code, rank, dims, _data.address(array), encoded(tag)))

    @property
    def tag(self) -> str:
        return self._tag

    @property
    def val(self) -> Any:
        value = _data.read(self._handle, self._code, self.shape)
        if self.shape:
            value.flags.writeable = False
        return value

    @val.setter
    def val(self, value: Any) -> None:
        """Replaces the elements. What was built from the leaf follows."""
        _Changes.count += 1
        if isinstance(value, Tensor) and value._code == self._code and value.shape == self.shape:
            check(lib.assign(self._handle, value._handle))
            return
        array = np.asarray(value)
        if array.dtype.kind in "f" and self._code > FLOAT64:
            raise TypeError(f"values of {array.dtype} for a leaf of {self.dtype}")
        array, _ = array_of(np.broadcast_to(array, self.shape), self.dtype)
        check(lib.write(self._handle, _data.address(array), array.nbytes))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (np.array(self.val), self._tag, self.dtype.name)


class Variable(_Leaf):
    """A tensor without gradient: `Variable(val, tag=None, dtype=None)`.

    `val` is a number, an array or what NumPy makes an array of, or a tensor, whose value is copied. Numbers and lists
    of floats become float64, arrays of float32 stay so; integers become int32 or int64, and are converted where they
    meet floats.
    """

    __slots__ = ()

    def __init__(self, val: Any, tag: str | None = None, dtype: Any = None) -> None:
        self._gradable = False
        self._hold(lib.variable, val, str(tag) if tag else next_tag(), dtype)


class Parameter(_Leaf):
    """A tensor whose gradient is accumulated: `Parameter(val, tag=None, dtype=None)`.

    `val` as for a `Variable`; integers become float64.
    """

    __slots__ = ()

    def __init__(self, val: Any, tag: str | None = None, dtype: Any = None) -> None:
        self._gradable = True
        if dtype is None and np.asarray(val).dtype.kind in "biu":
            dtype = np.float64
        self._hold(lib.parameter, val, str(tag) if tag else f"parameter {next(_parameters)}", dtype)

    @property
    def grad(self) -> Any:
        """What has been accumulated since the last `Zero` or `zero_grad`."""
        handle = made(lib.grad(self._handle))
        try:
            return _data.read(handle, self._code, self.shape)
        finally:
            lib.release(handle)

    @grad.setter
    def grad(self, value: Any) -> None:
        self.zero_grad()
        self._accumulate(value)

    def zero_grad(self) -> None:
        """Sets the accumulated gradient to zero."""
        check(lib.zero_grad(_data.handles((self,)), 1))

    def _accumulate(self, value: Any) -> None:
        """Adds a value to the gradient: that of Σ value·parameter."""
        value = np.broadcast_to(np.asarray(value, self.dtype), self.shape)
        (self * Variable(value, " ")).sum().backward()


class _Number(Variable):
    """A number in an expression: a Variable that the library gets to know only if somebody asks for it."""

    __slots__ = ("_made", "_number")
    _operands = ()
    _operation = _arguments = _grad = _below = _owner = None  # type: ignore[assignment]
    _shape = ()
    _gradable = False

    def __init__(self, number: Any, code: int) -> None:
        self._number = number
        self._code = code
        self._made = 0
        self._tag = next(_variables)  # type: ignore[assignment]

    @property
    def tag(self) -> str:
        return f"variable {self._tag}"

    @property
    def _handle(self) -> int:  # type: ignore[override]
        if not self._made:
            if self._code <= FLOAT64 or abs(self._number) <= 2**53:
                self._made = made(lib.constant(self._code, float(self._number)))
            else:  # more than a double can carry
                array, _ = array_of(self._number, self.dtype)
                address = _data.address(array)
                self._made = made(lib.variable(self._code, 0, None, address, encoded(self.tag)))
        return self._made

    def __del__(self, release: Any = lib.release) -> None:
        if self._made:
            release(self._made)

    @property
    def val(self) -> Any:
        return self._number

    @val.setter
    def val(self, value: Any) -> None:
        raise StateError("a number in an expression cannot be changed; make it a Variable")

    def __reduce_ex__(self, protocol: Any) -> Any:
        return Variable, (self._number, self.tag)


def tensor_of(value: Any, code: int | None = None) -> Tensor:
    """A tensor, a number or an array as a tensor. `code` is the dtype for a number."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, NUMBERS):
        return Variable(value, dtype=None if code is None else _data.DTYPES[code])
    return Variable(value)


def encoded(tag: str | None) -> bytes | None:
    return None if tag is None else tag.encode("utf-8", "replace")


def variable_of(handle: int, code: int, tag: str) -> Variable:
    """A Variable that the library made; it owns the handle from now on."""
    variable = Variable.__new__(Variable)
    variable._handle, variable._code, variable._tag = handle, code, tag
    variable._gradable, variable._operands = False, ()
    variable._operation = variable._arguments = None  # type: ignore[assignment]
    variable._shape = variable._grad = variable._below = variable._owner = None
    return variable


def next_tag() -> str:
    """The tag of a Variable that was given none."""
    return f"variable {next(_variables)}"
