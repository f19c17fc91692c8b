"""Operators: how each is written, and how it is applied."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from . import _data
from ._abi import lib
from ._data import FLOAT64, INT64, NUMBERS, made, promoted
from ._errors import DTypeError, failure
from ._leaves import _Number, tensor_of
from ._tensor import Operator, Tensor

#: What an operator can be applied to.
Operand: TypeAlias = "Tensor | _data.Number | np.ndarray"

#: Text, and numbers that stand for operands.
Pieces: TypeAlias = "Sequence[str | int]"


class Operation:
    """One kind of operator.

    `function` takes the handles of the operands, and the arguments if there are any, and returns a handle: it is the
    library's, or made of the library's. `floats` says that integers are to be converted to float64 first.

    A composite is made by the library in one call. `body` makes the same of single operators, for those who want to
    see its inside: see `_tracing.unfold`.
    """

    __slots__ = (
        "body",
        "floats",
        "function",
        "left",
        "name",
        "named",
        "of_leaves",
        "pieces",
        "right",
        "takes",
        "unfolded",
    )

    def __init__(
        self,
        name: str,
        notation: str | Callable[[Any], str],
        function: Callable[..., int | None],
        *,
        floats: bool = False,
        right: Callable[[int, float], int | None] | None = None,
        left: Callable[[int, float], int | None] | None = None,
        takes: Callable[..., tuple[Any, ...]] | None = None,
        named: bool = False,
        of_leaves: bool = False,
        body: Callable[..., Tensor] | None = None,
    ) -> None:
        self.name = name
        self.function = function
        self.floats = floats
        # The same with a number on the right, on the left, without making a tensor of it.
        self.right, self.left = right, left
        # From Python's arguments to the library's.
        self.takes = takes
        # Whether the notation refers to the arguments: it names what the operand computes.
        self.named = named
        # Whether the operands are all leaves that it depends on, in whatever way: a gradient.
        self.of_leaves = of_leaves
        self.body = body
        # Whether its operand is such a body, which the library does not know to be below it.
        self.unfolded = False
        self.pieces = _pieces(notation)

    def copied(self, function: Callable[..., int | None]) -> Operation:
        """The same operator, applied by a function that takes handles alone."""
        copy = Operation(self.name, "", function)
        copy.pieces = self.pieces
        return copy

    def __call__(self, handles: Sequence[int], arguments: Any) -> int:
        """Applies it to handles; the caller releases the result."""
        if self.takes is not None:
            return made(self.function(*handles, *self.takes(*arguments)))
        return made(self.function(*handles))


def _split(template: str) -> Pieces:
    """A template such as `({0} + {1})` in pieces."""
    parts: list[str | int] = []
    for i, part in enumerate(re.split(r"\{(\d+)\}", template)):
        parts.append(int(part) if i % 2 else part)
    return parts


def _pieces(notation: str | Callable[[Any], str]) -> Callable[[Any], Pieces]:
    if callable(notation):
        return lambda arguments: _split(notation(arguments))
    pieces = _split(notation)
    return lambda arguments: pieces


# ---- Applying


def apply(operation: Operation, *operands: Operand, arguments: Any = None) -> Tensor:
    """An operator of one operand, or of several that have the same dtype once they are promoted."""
    if len(operands) == 1:
        a = operands[0]
        if isinstance(a, Tensor) and not (operation.floats and a._code > FLOAT64):
            if operation.takes is None:
                handle = operation.function(a._handle)
            else:
                handle = operation.function(a._handle, *operation.takes(*arguments))
            if handle is None:
                raise failure()
            return Operator(handle, a._code, operation, (a,), a._gradable, arguments)
    tensors = tuple([x if isinstance(x, Tensor) else tensor_of(x) for x in operands])
    first = tensors[0]
    code = first._code
    gradable = first._gradable
    mixed = False
    for other in tensors[1:]:
        if other._code != code:
            code = promoted(code, other._code)
            mixed = True
        gradable = gradable or other._gradable
    if operation.floats and code > FLOAT64:
        code, mixed = FLOAT64, True
    if mixed:
        return _converted(operation, tensors, code, gradable, arguments)
    result = operation([tensor._handle for tensor in tensors], arguments)
    return Operator(result, code, operation, tensors, gradable, arguments)


def _converted(
    operation: Operation, tensors: tuple[Tensor, ...], code: int, gradable: bool, arguments: Any
) -> Tensor:
    """Applies an operator to operands of which some are of another dtype. The conversion is no node of its own:
    it belongs to the operator."""

    def function(*handles: Any) -> int | None:
        cast = [made(lib.cast(handle, code)) for handle in handles]
        try:
            return operation(cast, arguments)
        finally:
            for handle in cast:
                lib.release(handle)

    converting = operation.copied(function)
    handle = made(function(*[tensor._handle for tensor in tensors]))
    return Operator(handle, code, converting, tensors, gradable, arguments)


def combine(operation: Operation, a: Any, b: Any) -> Tensor:
    """An operator of two operands, of which at least one is a tensor."""
    if isinstance(a, Tensor):
        if isinstance(b, Tensor):
            if a._code == b._code and not (operation.floats and a._code > FLOAT64):
                handle = operation.function(a._handle, b._handle)
                if handle is None:
                    raise failure()
                shape = () if a._shape == () == b._shape else None
                gradable = a._gradable or b._gradable
                return Operator(handle, a._code, operation, (a, b), gradable, None, shape)
            return apply(operation, a, b)
        if isinstance(b, NUMBERS):
            return _with_number(operation, operation.right, a, b, False)
    elif isinstance(a, NUMBERS):
        return _with_number(operation, operation.left, b, a, True)
    if isinstance(a, (Tensor, np.ndarray)) and isinstance(b, (Tensor, np.ndarray)):
        return apply(operation, a, b)
    return NotImplemented  # type: ignore[no-any-return]


def _with_number(
    operation: Operation,
    function: Callable[[int, float], int | None] | None,
    tensor: Tensor,
    number: Any,
    left: bool,
) -> Tensor:
    code = tensor._code
    if code > FLOAT64 and (operation.floats or isinstance(number, (float, np.floating))):
        operand = _Number(number, FLOAT64)
        operands = (operand, tensor) if left else (tensor, operand)
        return _converted(operation, operands, FLOAT64, tensor._gradable, None)
    if code > FLOAT64 and abs(int(number)) > 2**53:
        function = None  # a double cannot carry every integer
    operand = _Number(number, code)
    operands = (operand, tensor) if left else (tensor, operand)
    if function is None:
        handle = operation.function(*[x._handle for x in operands])
    else:
        handle = function(tensor._handle, float(number))
    if handle is None:
        raise failure()
    return Operator(handle, code, operation, operands, tensor._gradable, None, tensor._shape)


def chained(*functions: Callable[..., int | None]) -> Callable[..., int | None]:
    """One function after another, each applied to the last one's result, which is then released."""

    def function(handle: int, *arguments: Any) -> int | None:
        result = functions[0](handle, *arguments)
        for following in functions[1:]:
            before = made(result)
            result = following(before)
            lib.release(before)
        return result

    return function


# ---- Arithmetic


def _subtract_from(handle: int, number: float) -> int | None:
    negative = made(lib.negate(handle))
    result = lib.add_scalar(negative, number)
    lib.release(negative)
    found: int | None = result
    return found


ADD = Operation("add", "({0} + {1})", lib.add, right=lib.add_scalar, left=lib.add_scalar)
SUBTRACT = Operation(
    "subtract",
    "({0} - {1})",
    lib.subtract,
    right=lambda handle, number: lib.add_scalar(handle, -number),
    left=_subtract_from,
)
MULTIPLY = Operation(
    "multiply", "({0} * {1})", lib.multiply, right=lib.multiply_scalar, left=lib.multiply_scalar
)
DIVIDE = Operation("divide", "({0} / {1})", lib.divide, floats=True)
POWER = Operation("power", "({0}^{1})", lib.power, floats=True)
MATMUL = Operation("matmul", "({0} @ {1})", lib.matmul, floats=True)
MAXIMUM = Operation("maximum", "max({0}, {1})", lib.maximum)
MINIMUM = Operation("minimum", "min({0}, {1})", lib.minimum)
EQUAL = Operation("equal", "({0} == {1})", lib.equal)
NOT_EQUAL = Operation("not_equal", "({0} != {1})", lib.not_equal)
LESS = Operation("less", "({0} < {1})", lib.less)
LESS_EQUAL = Operation("less_equal", "({0} <= {1})", lib.less_equal)
GREATER = Operation("greater", "({0} > {1})", lib.greater)
GREATER_EQUAL = Operation("greater_equal", "({0} >= {1})", lib.greater_equal)
_POWER_OF_NUMBER = Operation(
    "power",
    lambda arguments: f"({{0}}^{arguments[0]})",
    lib.power_scalar,
    floats=True,
    takes=lambda exponent: (float(exponent),),
)
_NEGATE = Operation("multiply", "({0} * {1})", lib.multiply)


def power(a: Operand, b: Operand) -> Tensor:
    """a to the power of b; a number as b is part of the operator, and no operand."""
    if isinstance(b, NUMBERS):
        return apply(_POWER_OF_NUMBER, a, arguments=(b,))
    return combine(POWER, a, b)


def negate(a: Operand) -> Tensor:
    """-a, which is written `(a * -1.0)`."""
    tensor = tensor_of(a)
    handle = made(lib.negate(tensor._handle))
    operands = (tensor, _Number(-1.0 if tensor._code <= FLOAT64 else -1, tensor._code))
    return Operator(handle, tensor._code, _NEGATE, operands, tensor._gradable, None, tensor._shape)


# ---- Shapes and dtypes


def _permute(handle: int, *order: int) -> int | None:
    found: int | None = lib.permute(handle, *_data.axes(order))
    return found


_TRANSPOSE = Operation("transpose", "{0}.T", lib.transpose)
_REVERSE = Operation("transpose", "{0}.T", _permute, takes=lambda *order: order)
RESHAPE = Operation("reshape", "reshape({0})", lib.reshape, takes=_data.dimensions)
ABSOLUTE = Operation("abs", "|{0}|", lib.abs)
CAST = Operation(
    "cast",
    lambda arguments: f"{_data.DTYPES[arguments[0]]}({{0}})",
    lib.cast,
    takes=lambda code: (code,),
)


def transpose_all(a: Tensor) -> Tensor:
    """All axes in reverse order."""
    rank = len(a.shape)
    if rank <= 2:
        return apply(_TRANSPOSE, a)
    return apply(_REVERSE, a, arguments=tuple(range(rank - 1, -1, -1)))


def cast(a: Operand, dtype: Any) -> Tensor:
    """The same numbers in another dtype: rounded to nearest for floats, toward 0 for integers."""
    tensor, code = tensor_of(a), _data.code_of(dtype)
    handle = made(lib.cast(tensor._handle, code))
    gradable = tensor._gradable and code <= FLOAT64
    return Operator(handle, code, CAST, (tensor,), gradable, (code,))


# ---- Reductions


def _reducing(axis: _data.Axes, keepdims: bool) -> tuple[Any, ...]:
    return (*_data.axes(axis), 1 if keepdims else 0)


SUM = Operation("sum", "Σ{0}", lib.sum, takes=_reducing)
MEAN = Operation("mean", "mean({0})", lib.mean, takes=_reducing, floats=True)
MAX = Operation("max", "max({0})", lib.max, takes=_reducing)
MIN = Operation("min", "min({0})", lib.min, takes=_reducing)
LOGSUMEXP = Operation("logsumexp", "logsumexp({0})", lib.logsumexp, takes=_reducing, floats=True)
_ARGMAX = Operation(
    "argmax",
    "argmax({0})",
    lib.argmax,
    takes=lambda axis, keepdims: (_data.int32(axis, "axis"), 1 if keepdims else 0),
)


def argmax(a: Operand, axis: int, keepdims: bool) -> Tensor:
    """The index of the first of the largest along an axis, as int64."""
    tensor, arguments = tensor_of(a), (axis, keepdims)
    return Operator(
        _ARGMAX((tensor._handle,), arguments), INT64, _ARGMAX, (tensor,), False, arguments
    )


_INDEX_SELECT = Operation("index_select", "{0}[{1}]", lib.index_select)
_GATHER = Operation("gather", "gather({0}, {1})", lib.gather)


def index_select(a: Operand, indices: Operand, axis: int) -> Tensor:
    """Whole slices along an axis, which is replaced by the axes of the indices."""
    return _picked(_INDEX_SELECT, a, indices, axis)


def gather(a: Operand, indices: Operand, axis: int) -> Tensor:
    """Elements along an axis: `y[…, j, …] = a[…, indices[…, j, …], …]`."""
    return _picked(_GATHER, a, indices, axis)


def _picked(operation: Operation, a: Operand, indices: Operand, axis: int) -> Tensor:
    tensor, where = tensor_of(a), tensor_of(indices)
    if where._code <= FLOAT64:
        raise DTypeError(f"indices of {where.dtype}, expected integers")
    function, axis = operation.function, _data.int32(axis, "axis")
    picking = operation.copied(lambda a, indices: function(a, indices, axis))
    handle = picking((tensor._handle, where._handle), None)
    return Operator(handle, tensor._code, picking, (tensor, where), tensor._gradable)
