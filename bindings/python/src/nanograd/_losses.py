"""Losses: each gives a scalar. Targets may be arrays or numbers."""

from __future__ import annotations

from collections.abc import Callable

from ._abi import lib
from ._arrays import item, mean, sum, summation
from ._data import FLOAT64, made
from ._errors import ShapeError
from ._functions import absolute, log
from ._leaves import tensor_of
from ._operators import Operand, Operation, cast
from ._tensor import Operator, Tensor


def _pair(prediction: Operand, target: Operand) -> tuple[Tensor, Tensor]:
    """A prediction and a target that is, or broadcasts to, its shape; numbers in the dtype of the prediction."""
    y = prediction if isinstance(prediction, Tensor) else tensor_of(prediction)
    t = target if isinstance(target, Tensor) else tensor_of(target, y._code)
    if t.shape != y.shape and t.size != 1:
        raise ShapeError(
            f"a target of shape {t.shape} for a prediction of {y.shape}, expected the same"
        )
    return y, t


def _is_column(a: Tensor) -> bool:
    shape = a.shape
    return len(shape) == 1 or (len(shape) > 1 and a.size == shape[0])


def _average(a: Tensor) -> Tensor:
    """The mean of all elements; for a column it is one over the first axis."""
    return item(mean(a, 0 if _is_column(a) else None))


def _total(a: Tensor) -> Tensor:
    """The sum of all elements; for a column it is one over the first axis."""
    return item(summation(a, 0) if _is_column(a) else sum(a))


def _composite(
    notation: str, function: Callable[..., int | None], body: Callable[..., Tensor]
) -> Operation:
    return Operation("loss", notation, function, body=body)


def _loss(operation: Operation, prediction: Operand, target: Operand) -> Tensor:
    """A composite of the library's, which has it for operands of one dtype and shape; else of single operators."""
    y, t = _pair(prediction, target)
    if y._code == t._code <= FLOAT64 and y.shape == t.shape:
        handle = made(operation.function(y._handle, t._handle))
        gradable = y._gradable or t._gradable
        return Operator(handle, y._code, operation, (y, t), gradable, None, ())
    return _of_operators(operation, y, t)


def _norm(operation: Operation, w: Tensor) -> Tensor:
    if w._code > FLOAT64:
        return _of_operators(operation, w)
    handle = made(operation.function(w._handle))
    return Operator(handle, w._code, operation, (w,), w._gradable, None, ())


def _of_operators(operation: Operation, *operands: Tensor) -> Tensor:
    assert operation.body is not None
    body = operation.body(*operands)
    handle = made(lib.as_scalar(body._handle))
    name = Operation("loss", "", lib.as_scalar, named=True)
    name.pieces = operation.pieces
    return Operator(handle, body._code, name, (body,), body._gradable, operands, ())


def _squares(y: Tensor, t: Tensor) -> Tensor:
    return _average((t - y) ** 2)


def _of_two(y: Tensor, t: Tensor) -> Tensor:
    return -_average(t * log(y) + (1.0 - t) * log(1.0 - y))


def _of_many(y: Tensor, t: Tensor) -> Tensor:
    rows = summation(t * log(y), -1)
    return -item(mean(rows, 0 if rows.ndim == 2 else None))


_SQUARED_ERROR = _composite("({0} - {1})^2", lib.squared_error, _squares)
_OF_TWO = _composite("CrossEntropy({0}, {1})", lib.binary_cross_entropy, _of_two)
_OF_MANY = _composite("CrossEntropy({0}, {1})", lib.cross_entropy, _of_many)


def squared_error(prediction: Operand, target: Operand) -> Tensor:
    """mean((target - prediction)²)."""
    return _loss(_SQUARED_ERROR, prediction, target)


def cross_entropy(prediction: Operand, target: Operand, multiclass: bool = False) -> Tensor:
    """The cross entropy of probabilities, which are kept from 0 by 1e-12.

    For two classes, `prediction` is the probability of class 1 and `target` 0 or 1, or something between:
    mean(-(t·ln y + (1 - t)·ln(1 - y))). With `multiclass`, the last axis has a probability for each class, and
    `target` is of the same shape (one-hot, or any distribution): the mean over rows of -Σ t·ln y. Or it has integers,
    the classes, in the shape without the last axis.
    """
    if multiclass:
        y, t = tensor_of(prediction), tensor_of(target)
        if _are_classes(y, t):
            return _direct(_CLASSES, y, t)
        return _loss(_OF_MANY, y, t)
    return _loss(_OF_TWO, prediction, target)


def _ridge(w: Tensor) -> Tensor:
    return _total(w**2)


def _lasso(w: Tensor) -> Tensor:
    return _total(absolute(w))


# Of a column, the total is an item: one more pair of parentheses.
_RIDGE = _composite("(Σ({0}^2))", lib.ridge, _ridge)
_RIDGE_OF_COLUMN = _composite("((Σ({0}^2)))", lib.ridge, _ridge)
_LASSO = _composite("(Σ|{0}|)", lib.lasso, _lasso)
_LASSO_OF_COLUMN = _composite("((Σ|{0}|))", lib.lasso, _lasso)


def ridge(w: Operand) -> Tensor:
    """Σ w²."""
    a = tensor_of(w)
    return _norm(_RIDGE_OF_COLUMN if _is_column(a) else _RIDGE, a)


def lasso(w: Operand) -> Tensor:
    """Σ |w|."""
    a = tensor_of(w)
    return _norm(_LASSO_OF_COLUMN if _is_column(a) else _LASSO, a)


# ---- Losses that the library computes as one operator


def _opaque(function: Callable[[int, int], int | None]) -> Operation:
    return Operation("loss", "CrossEntropy({0}, {1})", function)


_CLASSES = _opaque(lib.cross_entropy_indices)
_LOGITS = _opaque(lib.cross_entropy_logits)
_LOGITS_CLASSES = _opaque(lib.cross_entropy_logits_indices)
_BINARY_LOGITS = _opaque(lib.binary_cross_entropy_logits)


def cross_entropy_logits(logits: Operand, target: Operand, multiclass: bool = False) -> Tensor:
    """`cross_entropy(sigmoid(logits), target)`, or of the softmax with `multiclass`, without overflow: better than the
    two one after the other."""
    z, t = tensor_of(logits), tensor_of(target)
    if not multiclass:
        return _direct(_BINARY_LOGITS, z, t)
    return _direct(_LOGITS_CLASSES if _are_classes(z, t) else _LOGITS, z, t)


def _are_classes(y: Tensor, t: Tensor) -> bool:
    return t._code > FLOAT64 and t.ndim == y.ndim - 1


def _direct(operation: Operation, y: Tensor, t: Tensor) -> Tensor:
    if y._code > FLOAT64:
        y = cast(y, "float64")
    if t._code != y._code and not _are_classes(y, t):
        t = cast(t, y.dtype)
    handle = operation((y._handle, t._handle), None)
    return Operator(handle, y._code, operation, (y, t), y._gradable or t._gradable, None, ())
