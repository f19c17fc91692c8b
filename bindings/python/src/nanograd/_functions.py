"""Functions element by element, and products of matrices. Numbers and arrays are accepted wherever tensors are."""

from __future__ import annotations

from typing import Any

from . import _operators as ops
from ._abi import lib
from ._data import made, promoted
from ._leaves import tensor_of
from ._operators import Operand, Operation, apply, chained
from ._tensor import Operator, Tensor

# ---- Elementwise, of one operand


def _log(handle: int, epsilon: float) -> int | None:
    if not epsilon:
        return lib.log(handle)  # type: ignore[no-any-return]
    return chained(lib.add_scalar, lib.log)(handle, epsilon)


_EXP = Operation("exp", "exp({0})", lib.exp, floats=True)
_LOG = Operation("log", "log({0})", _log, floats=True, takes=lambda epsilon: (float(epsilon),))
_LOG1P = Operation("log1p", "log1p({0})", lib.log1p, floats=True)
_EXPM1 = Operation("expm1", "expm1({0})", lib.expm1, floats=True)
_SQRT = Operation("sqrt", "sqrt({0})", lib.sqrt, floats=True)
_SIN = Operation("sin", "sin({0})", lib.sin, floats=True)
_COS = Operation("cos", "cos({0})", lib.cos, floats=True)
_TANH = Operation("tanh", "tanh({0})", lib.tanh, floats=True)
_SIGMOID = Operation("sigmoid", "sigmoid({0})", lib.sigmoid, floats=True)
_RELU = Operation("relu", "relu({0})", lib.relu)
_SIGN = Operation("sign", "sign({0})", lib.sign)
_RECIPROCAL = Operation("reciprocal", "(1 / {0})", lib.reciprocal, floats=True)
_STOP = Operation("stop_gradient", "stop({0})", lib.stop_gradient)
_CLAMP = Operation(
    "clamp",
    lambda bounds: f"clamp({{0}}, {bounds[0]}, {bounds[1]})",
    lib.clamp,
    takes=lambda low, high: (float(low), float(high)),
)


def exp(a: Operand) -> Tensor:
    """eᵃ."""
    return apply(_EXP, a)


def log(a: Operand, epsilon: float = 1e-12) -> Tensor:
    """ln(a + epsilon): finite at 0 unless epsilon is 0."""
    return apply(_LOG, a, arguments=(epsilon,))


def log1p(a: Operand) -> Tensor:
    """ln(1 + a), accurate for small a."""
    return apply(_LOG1P, a)


def expm1(a: Operand) -> Tensor:
    """eᵃ - 1, accurate for small a."""
    return apply(_EXPM1, a)


def sqrt(a: Operand) -> Tensor:
    """√a."""
    return apply(_SQRT, a)


def sin(a: Operand) -> Tensor:
    """sin a, in radians."""
    return apply(_SIN, a)


def cos(a: Operand) -> Tensor:
    """cos a, in radians."""
    return apply(_COS, a)


def tanh(a: Operand) -> Tensor:
    """tanh a."""
    return apply(_TANH, a)


def sigmoid(a: Operand) -> Tensor:
    """1 / (1 + e⁻ᵃ)."""
    return apply(_SIGMOID, a)


def relu(a: Operand) -> Tensor:
    """max(a, 0)."""
    return apply(_RELU, a)


def sign(a: Operand) -> Tensor:
    """-1, 0 or 1. Its gradient is 0."""
    return apply(_SIGN, a)


def reciprocal(a: Operand) -> Tensor:
    """1 / a."""
    return apply(_RECIPROCAL, a)


def absolute(a: Operand) -> Tensor:
    """|a|."""
    return apply(ops.ABSOLUTE, a)


def negate(a: Operand) -> Tensor:
    """-a."""
    return ops.negate(a)


def clamp(a: Operand, low: float, high: float) -> Tensor:
    """a limited to [low, high]."""
    return apply(_CLAMP, a, arguments=(low, high))


def stop_gradient(a: Operand) -> Tensor:
    """a, with no gradient."""
    result = apply(_STOP, a)
    result._gradable = False
    return result


def cast(a: Operand, dtype: Any) -> Tensor:
    """The same numbers in another dtype: rounded to nearest for floats, toward 0 for integers."""
    return ops.cast(a, dtype)


# ---- Elementwise, of two or three operands, which broadcast


def _both(operation: Operation, a: Operand, b: Operand) -> Tensor:
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = tensor_of(a)
    result = ops.combine(operation, a, b)
    if result is NotImplemented:
        raise TypeError(
            f"{operation.name} of {type(a).__name__} and {type(b).__name__}, expected tensors, arrays or numbers"
        )
    return result


def add(a: Operand, b: Operand) -> Tensor:
    """a + b."""
    return _both(ops.ADD, a, b)


def subtract(a: Operand, b: Operand) -> Tensor:
    """a - b."""
    return _both(ops.SUBTRACT, a, b)


def multiply(a: Operand, b: Operand) -> Tensor:
    """a · b, element by element."""
    return _both(ops.MULTIPLY, a, b)


def divide(a: Operand, b: Operand) -> Tensor:
    """a / b."""
    return _both(ops.DIVIDE, a, b)


def power(a: Operand, b: Operand) -> Tensor:
    """a to the power of b."""
    return ops.power(tensor_of(a), b)


def matmul(a: Operand, b: Operand) -> Tensor:
    """a @ b, of vectors, matrices and batches of matrices."""
    return _both(ops.MATMUL, a, b)


def maximum(a: Operand, b: Operand) -> Tensor:
    """The larger of a and b; the gradient of equals is shared evenly."""
    return _both(ops.MAXIMUM, a, b)


def minimum(a: Operand, b: Operand) -> Tensor:
    """The smaller of a and b; the gradient of equals is shared evenly."""
    return _both(ops.MINIMUM, a, b)


def equal(a: Operand, b: Operand) -> Tensor:
    """1 where a = b, else 0."""
    return _both(ops.EQUAL, a, b)


def not_equal(a: Operand, b: Operand) -> Tensor:
    """1 where a ≠ b, else 0."""
    return _both(ops.NOT_EQUAL, a, b)


def less(a: Operand, b: Operand) -> Tensor:
    """1 where a < b, else 0."""
    return _both(ops.LESS, a, b)


def less_equal(a: Operand, b: Operand) -> Tensor:
    """1 where a ≤ b, else 0."""
    return _both(ops.LESS_EQUAL, a, b)


def greater(a: Operand, b: Operand) -> Tensor:
    """1 where a > b, else 0."""
    return _both(ops.GREATER, a, b)


def greater_equal(a: Operand, b: Operand) -> Tensor:
    """1 where a ≥ b, else 0."""
    return _both(ops.GREATER_EQUAL, a, b)


def _where(condition: int, a: int, b: int, code: int) -> int | None:
    first, second = made(lib.cast(a, code)), made(lib.cast(b, code))
    try:
        return lib.where(condition, first, second)  # type: ignore[no-any-return]
    finally:
        lib.release(first)
        lib.release(second)


_WHERE = Operation("where", "where({0}, {1}, {2})", _where, takes=lambda code: (code,))


def where(condition: Operand, a: Operand, b: Operand) -> Tensor:
    """a where the condition is not 0, else b."""
    chosen = tensor_of(condition)
    first = tensor_of(a, b._code if isinstance(b, Tensor) else None)
    second = tensor_of(b, first._code if isinstance(a, Tensor) else None)
    operands = (chosen, first, second)
    code = promoted(first._code, second._code)
    handle = _WHERE([x._handle for x in operands], (code,))
    return Operator(handle, code, _WHERE, operands, first._gradable or second._gradable, (code,))
