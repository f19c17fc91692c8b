"""Losses: each gives a scalar. Targets may be arrays or numbers."""

from __future__ import annotations

from collections.abc import Callable

from ._abi import lib
from ._arrays import item, mean, sum, summation
from ._data import FLOAT64, NUMBERS, made
from ._errors import ShapeError
from ._functions import absolute, log
from ._leaves import tensor_of
from ._operators import Operand, Operation, cast
from ._tensor import Operator, Tensor


def _loss(notation: str) -> Operation:
    """A name for what its only operand computes."""
    return Operation("loss", notation, lib.as_scalar, named=True)


_SQUARED_ERROR = _loss("({0} - {1})^2")
_CROSS_ENTROPY = _loss("CrossEntropy({0}, {1})")
_NORM = _loss("({0})")


def _named(operation: Operation, body: Tensor, *arguments: Tensor) -> Tensor:
    handle = made(lib.as_scalar(body._handle))
    return Operator(handle, body._code, operation, (body,), body._gradable, arguments, ())


def _pair(prediction: Operand, target: Operand) -> tuple[Tensor, Tensor]:
    """A prediction and a target that is, or broadcasts to, its shape; numbers in the dtype of the prediction."""
    y = tensor_of(prediction)
    t = tensor_of(target, y._code) if isinstance(target, NUMBERS) else tensor_of(target)
    if t.shape != y.shape and t.size != 1:
        raise ShapeError(
            f"a target of shape {t.shape} for a prediction of {y.shape}, expected the same"
        )
    return y, t


def _average(a: Tensor) -> Tensor:
    """The mean of all elements; for a column it is one over the first axis."""
    return item(mean(a, 0 if a.ndim and a.size == a.shape[0] else None))


def _total(a: Tensor) -> Tensor:
    """The sum of all elements; for a column it is one over the first axis."""
    return item(summation(a, 0) if a.ndim and a.size == a.shape[0] else sum(a))


def squared_error(prediction: Operand, target: Operand) -> Tensor:
    """mean((target - prediction)²)."""
    y, t = _pair(prediction, target)
    return _named(_SQUARED_ERROR, _average((t - y) ** 2), y, t)


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
        y, t = _pair(y, t)
        rows = summation(t * log(y), -1)
        return _named(_CROSS_ENTROPY, -item(mean(rows, 0 if rows.ndim == 2 else None)), y, t)
    y, t = _pair(prediction, target)
    return _named(_CROSS_ENTROPY, -_average(t * log(y) + (1.0 - t) * log(1.0 - y)), y, t)


def ridge(w: Operand) -> Tensor:
    """Σ w²."""
    body = _total(tensor_of(w) ** 2)
    return _named(_NORM, body, body)


def lasso(w: Operand) -> Tensor:
    """Σ |w|."""
    body = _total(absolute(w))
    return _named(_NORM, body, body)


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
