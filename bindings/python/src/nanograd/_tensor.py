"""Tensors: Variables, Parameters, and operators applied to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _data
from ._abi import lib
from ._data import Axes
from ._errors import check

if TYPE_CHECKING:
    from ._operators import Operand, Operation


class _Changes:
    """Counts what makes values stale, writes to leaves and steps of optimizers; and composites that were unfolded."""

    count = 0
    unfolded = 0


class Tensor:
    """A node of a graph: a `Variable`, a `Parameter`, or an operator applied to other tensors.

    Nothing is computed before a value is asked for, by `.val` for example. A value follows the leaves: after a step
    of an optimizer the same tensor gives the new value.
    """

    __slots__ = (
        "__weakref__",
        "_arguments",
        "_below",
        "_code",
        "_grad",
        "_gradable",
        "_handle",
        "_operands",
        "_operation",
        "_owner",
        "_shape",
    )
    _handle: int
    _code: int
    #: What gradients are passed on to, in the order in which they are written. See also `operands`.
    _operands: tuple[Tensor, ...]
    _operation: Operation
    #: What an operation was given besides tensors.
    _arguments: Any
    _shape: tuple[int, ...] | None
    _gradable: bool
    _grad: Any
    #: What a trace from here visits.
    _below: tracing.Below | None
    #: What releases the handle, if that is not the tensor itself.
    _owner: Any

    # NumPy leaves `array * tensor` to the tensor.
    __array_priority__ = 1000

    def __init__(self) -> None:
        raise TypeError("a Tensor is made as a Variable, a Parameter, or by an operator")

    def __del__(self, release: Any = lib.release) -> None:
        # Any thread may get here, also while the interpreter shuts down. What failed to be made
        # has no handle.
        try:
            if self._owner is None:
                release(self._handle)
        except AttributeError:
            return

    # ---- What it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions, known without computing anything."""
        shape = self._shape
        if shape is None:
            shape = self._shape = _data.shape_of(self._handle)
        return shape

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for dimension in self.shape:
            size *= dimension
        return size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return _data.DTYPES[self._code]

    @property
    def gradable(self) -> bool:
        """Whether gradients flow through here to some Parameter."""
        return self._gradable

    @property
    def operands(self) -> tuple[Tensor, ...]:
        """What it was built from; nothing for a leaf."""
        return ()

    @property
    def tag(self) -> str:
        """The name of a leaf, else ""."""
        return ""

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("a scalar has no len()")
        return self.shape[0]

    # ---- Values

    @property
    def val(self) -> Any:
        """The value, computed if need be, as a NumPy array, or NumPy's scalar for a scalar. It is a copy; that of a
        leaf cannot be written to: assign to `leaf.val`."""
        return _data.read(self._handle, self._code, self.shape)

    @property
    def grad(self) -> Any:
        """The gradient: accumulated for a Parameter, and by `trace(loss, Back(…))` for an operator."""
        raise AttributeError(f"a {type(self).__name__} has no gradient")

    def numpy(self, copy: bool = True) -> np.ndarray:
        """The value as an array of its own, which may be written to. Without a copy, it is read-only and shares the
        tensor's memory; it stays as it is when the tensor changes."""
        return dlpack.shared(self, copy)

    def item(self) -> float | int:
        """The value of a tensor of one element as a Python number."""
        number: float | int = np.asarray(self.val).item()
        return number

    def backward(self, *others: Tensor) -> None:
        """Computes the gradient of this scalar for every Parameter it depends on, and adds each to the Parameter's. The
        values of other tensors, such as an accuracy, are computed in the same pass."""
        check(lib.backward_eval(self._handle, _data.handles(others), len(others)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            if dtype is not None and np.dtype(dtype) != self.dtype:
                raise ValueError(f"{self.dtype} as {np.dtype(dtype)} cannot be had without a copy")
            return self.numpy(copy=False)
        return np.array(self.val, dtype=dtype)

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        return dlpack.lend(self, stream, max_version, dl_device, copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CPU

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.val)

    def __iter__(self) -> Iterator[Tensor]:
        for i in range(len(self)):
            yield self[i]

    # ---- Operators. Equality stays identity: tensors are keys of dictionaries.

    def __add__(self, other: Operand) -> Tensor:
        return combine(ops.ADD, self, other)

    def __radd__(self, other: Operand) -> Tensor:
        return combine(ops.ADD, other, self)

    def __sub__(self, other: Operand) -> Tensor:
        return combine(ops.SUBTRACT, self, other)

    def __rsub__(self, other: Operand) -> Tensor:
        return combine(ops.SUBTRACT, other, self)

    def __mul__(self, other: Operand) -> Tensor:
        return combine(ops.MULTIPLY, self, other)

    def __rmul__(self, other: Operand) -> Tensor:
        return combine(ops.MULTIPLY, other, self)

    def __truediv__(self, other: Operand) -> Tensor:
        return combine(ops.DIVIDE, self, other)

    def __rtruediv__(self, other: Operand) -> Tensor:
        return combine(ops.DIVIDE, other, self)

    def __matmul__(self, other: Operand) -> Tensor:
        return combine(ops.MATMUL, self, other)

    def __rmatmul__(self, other: Operand) -> Tensor:
        return combine(ops.MATMUL, other, self)

    def __pow__(self, other: Operand) -> Tensor:
        return ops.power(self, other)

    def __rpow__(self, other: Operand) -> Tensor:
        return combine(ops.POWER, other, self)

    def __lt__(self, other: Operand) -> Tensor:  # type: ignore[misc]
        return combine(ops.LESS, self, other)

    def __le__(self, other: Operand) -> Tensor:  # type: ignore[misc]
        return combine(ops.LESS_EQUAL, self, other)

    def __gt__(self, other: Operand) -> Tensor:  # type: ignore[misc]
        return combine(ops.GREATER, self, other)

    def __ge__(self, other: Operand) -> Tensor:  # type: ignore[misc]
        return combine(ops.GREATER_EQUAL, self, other)

    def __neg__(self) -> Tensor:
        return ops.negate(self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return ops.apply(ops.ABSOLUTE, self)

    def __getitem__(self, key: Any) -> Tensor:
        return indexing.index(self, key)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return interop.ufunc(ufunc, method, inputs, options)

    @property
    def T(self) -> Tensor:
        """All axes in reverse: the transpose of a matrix."""
        return ops.transpose_all(self)

    # ---- The commonest functions as methods, with NumPy's signatures

    def sum(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The sum over axes, or all."""
        return ops.apply(ops.SUM, self, arguments=(axis, keepdims))

    def mean(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The mean over axes, or all."""
        return ops.apply(ops.MEAN, self, arguments=(axis, keepdims))

    def max(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The largest over axes, or all."""
        return ops.apply(ops.MAX, self, arguments=(axis, keepdims))

    def min(self, axis: Axes = None, keepdims: bool = False) -> Tensor:
        """The smallest over axes, or all."""
        return ops.apply(ops.MIN, self, arguments=(axis, keepdims))

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in another shape; one dimension may be -1."""
        return ops.apply(ops.RESHAPE, self, arguments=(shape[0] if len(shape) == 1 else shape,))

    def astype(self, dtype: Any) -> Tensor:
        """The same numbers in another dtype."""
        return ops.cast(self, dtype)

    # ---- Pictures

    def __repr__(self) -> str:
        return drawing.notation(self)

    def tree(self) -> str:
        """The graph as a text tree, operands below their consumer."""
        return drawing.tree(self)

    def dot(self) -> str:
        """The graph in Graphviz's DOT language."""
        return drawing.dot(self)

    def mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        return drawing.mermaid(self)

    def _repr_svg_(self) -> str | None:
        return drawing.svg(self)

    def _repr_markdown_(self) -> str | None:
        return drawing.markdown(self)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("an operator is not copied: its value, `.val`, can be, and so can leaves")


class Operator(Tensor):
    """An operator applied to tensors."""

    __slots__ = ()

    def __init__(
        self,
        handle: int,
        code: int,
        operation: Operation,
        operands: tuple[Tensor, ...],
        gradable: bool,
        arguments: Any = None,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        self._handle = handle
        self._code = code
        self._operation = operation
        self._operands = operands
        self._gradable = gradable
        self._arguments = arguments
        self._shape = shape
        self._grad = None
        self._below = None
        self._owner = None

    @property
    def operands(self) -> tuple[Tensor, ...]:
        if self._operation.body is not None:
            tracing.unfold(self)
        return self._operands

    @property
    def grad(self) -> Any:
        return tracing.gradient(self)

    @grad.setter
    def grad(self, value: Any) -> None:
        self._grad = value


# What tensors are made of knows what a tensor is, so this comes last.
from . import _dlpack as dlpack  # noqa: E402
from . import _drawing as drawing  # noqa: E402
from . import _indexing as indexing  # noqa: E402
from . import _interop as interop  # noqa: E402
from . import _operators as ops  # noqa: E402
from . import _tracing as tracing  # noqa: E402
from ._operators import combine  # noqa: E402
