"""Failures of the library as exceptions: one class per status, each also of Python's own kind."""

from __future__ import annotations

from ._abi import lib


class NanogradError(Exception):
    """What the library reports: its message names the function, what it got and what it expected."""

    #: The NG_ERROR_… code.
    status = 0


class HandleError(NanogradError, RuntimeError):
    """A handle that is stale, or is missing: a mistake of this package, not of its user."""

    status = -2


class ShapeError(NanogradError, ValueError):
    """Shapes, ranks or sizes do not fit."""

    status = -3


class DTypeError(NanogradError, TypeError):
    """An operator is not defined for a dtype, or dtypes differ."""

    status = -4


class ArgumentError(NanogradError, ValueError):
    """An axis, count or number is out of its range."""

    status = -5


class OutOfRangeError(NanogradError, IndexError):
    """An element of an index tensor is out of range; found when values are computed."""

    status = -6


class OutOfMemoryError(NanogradError, MemoryError):
    """Memory for data could not be had. Nothing has changed."""

    status = -7


class StateError(NanogradError, RuntimeError):
    """Not possible now: writing to what is no leaf, for example."""

    status = -8


class FileError(NanogradError, OSError):
    """The system could not open, read or write a file."""

    status = -9


class FormatError(NanogradError, ValueError):
    """A file is damaged, or is not what it should be."""

    status = -10


_CLASSES = {
    kind.status: kind
    for kind in (
        HandleError,
        ShapeError,
        DTypeError,
        ArgumentError,
        OutOfRangeError,
        OutOfMemoryError,
        StateError,
        FileError,
        FormatError,
    )
}
_CLASSES[-1] = HandleError


def failure() -> NanogradError:
    """The exception for this thread's last failed call, which is forgotten with that."""
    status = lib.error()
    message = (lib.error_message() or b"").decode("utf-8", "replace")
    lib.clear_error()
    error = _CLASSES.get(status, NanogradError)(message or f"status {status}")
    error.status = status
    return error


def check(status: int) -> int:
    """A status or count, unless it stands for a failure."""
    if status < 0:
        raise failure()
    return status
