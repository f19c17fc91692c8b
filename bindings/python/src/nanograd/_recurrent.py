"""Recurrent networks, as ONNX defines them: cells, and whole sequences.

Of `w` [inputs, gates·units] and `wb` [gates·units], which belong to the input, and `r` [units, gates·units] and `rb`
[gates·units], which belong to the state, the gates stand side by side: z, r, h for a GRU, i, o, f, c for an LSTM.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any

from . import _data
from ._abi import lib
from ._data import FLOAT64, made, promoted
from ._errors import DTypeError
from ._leaves import tensor_of
from ._operators import Operand, Operation, cast
from ._tensor import Operator, Tensor

_REVERSE, _BIDIRECTIONAL, _RESET_AFTER, _UPDATE_TAKES, _RELU = 1, 2, 4, 8, 16


def rnn_cell(
    x: Operand,
    h: Operand,
    w: Operand,
    r: Operand,
    wb: Operand | None = None,
    rb: Operand | None = None,
    *,
    relu: bool = False,
) -> Tensor:
    """The next state of a simple recurrent network: tanh(x @ w + wb + h @ r + rb), or relu of it."""
    return _applied(["rnn"], lib.rnn_cell, (x, h, w, r, wb, rb), _RELU * bool(relu))[0]


def gru_cell(
    x: Operand,
    h: Operand,
    w: Operand,
    r: Operand,
    wb: Operand | None = None,
    rb: Operand | None = None,
    *,
    reset_after: bool = False,
    update_takes: bool = False,
) -> Tensor:
    """The next state of gated recurrent units. The reset gate acts on the state before its product, or after it as in
    PyTorch; the update gate says how much of the state stays, or is taken from the candidate."""
    flags = _RESET_AFTER * bool(reset_after) + _UPDATE_TAKES * bool(update_takes)
    return _applied(["gru"], lib.gru_cell, (x, h, w, r, wb, rb), flags)[0]


def lstm_cell(
    x: Operand,
    h: Operand,
    c: Operand,
    w: Operand,
    r: Operand,
    wb: Operand | None = None,
    rb: Operand | None = None,
) -> tuple[Tensor, Tensor]:
    """The next state and the next memory of long short-term memory."""
    state, memory = _applied(["lstm", "lstm_c"], lib.lstm_cell, (x, h, c, w, r, wb, rb), 0)
    return state, memory


def rnn(
    x: Operand,
    w: Operand,
    r: Operand,
    wb: Operand | None = None,
    rb: Operand | None = None,
    h: Operand | None = None,
    lengths: Operand | None = None,
    *,
    reverse: bool = False,
    bidirectional: bool = False,
    relu: bool = False,
) -> tuple[Tensor, Tensor]:
    """A simple recurrent network over x [time, batch, inputs]: the states of all steps [time, batch, units], and the
    last one. `h` is the state before (zeros), `lengths` how many steps of each row count (all). `bidirectional` goes
    both ways: weights and states have a first axis of 2, outputs are [time, batch, 2·units]."""
    flags = _directions(reverse, bidirectional) + _RELU * bool(relu)
    states, last = _applied(["rnn", "rnn_h"], lib.rnn, (x, h, w, r, wb, rb), flags, [lengths])
    return states, last


def gru(
    x: Operand,
    w: Operand,
    r: Operand,
    wb: Operand | None = None,
    rb: Operand | None = None,
    h: Operand | None = None,
    lengths: Operand | None = None,
    *,
    reverse: bool = False,
    bidirectional: bool = False,
    reset_after: bool = False,
    update_takes: bool = False,
) -> tuple[Tensor, Tensor]:
    """Gated recurrent units over a sequence, as `rnn` and `gru_cell`."""
    flags = _directions(reverse, bidirectional)
    flags += _RESET_AFTER * bool(reset_after) + _UPDATE_TAKES * bool(update_takes)
    states, last = _applied(["gru", "gru_h"], lib.gru, (x, h, w, r, wb, rb), flags, [lengths])
    return states, last


def lstm(
    x: Operand,
    w: Operand,
    r: Operand,
    wb: Operand | None = None,
    rb: Operand | None = None,
    h: Operand | None = None,
    c: Operand | None = None,
    lengths: Operand | None = None,
    *,
    reverse: bool = False,
    bidirectional: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Long short-term memory over a sequence, as `rnn`: all states, the last one, and the last memory."""
    flags = _directions(reverse, bidirectional)
    names = ["lstm", "lstm_h", "lstm_c"]
    operands = (x, h, c, w, r, wb, rb)
    states, last, memory = _applied(names, lib.lstm, operands, flags, [lengths])
    return states, last, memory


def _directions(reverse: bool, bidirectional: bool) -> int:
    return _REVERSE * bool(reverse) + _BIDIRECTIONAL * bool(bidirectional)


def _applied(
    names: Sequence[str],
    function: Any,
    operands: Sequence[Operand | None],
    flags: int,
    lengths: Sequence[Operand | None] = (),
) -> list[Tensor]:
    """The results of one of the library's functions, by the names under which they are drawn. Operands that are None
    are NULL for the library, and no operands of the results."""
    places = [None if x is None else tensor_of(x) for x in operands]
    codes = [x._code for x in places if x is not None]
    code = min(functools.reduce(promoted, codes), FLOAT64)
    dtype = _data.DTYPES[code]
    places = [x if x is None or x._code == code else cast(x, dtype) for x in places]
    counts = [None if x is None else tensor_of(x) for x in lengths]
    for x in counts:
        if x is not None and x._code <= FLOAT64:
            raise DTypeError(f"lengths of {x.dtype}, expected integers")
    places += counts
    given = tuple([x for x in places if x is not None])
    is_given = [x is not None for x in places]

    def results(handles: Sequence[int]) -> list[int]:
        rest = iter(handles)
        arguments = [next(rest) if there else None for there in is_given]
        room = [ctypes.c_void_p() for _ in names[1:]]
        first = made(function(*arguments, flags, *[ctypes.byref(place) for place in room]))
        return [first, *[made(place.value) for place in room]]

    def only(number: int) -> Callable[..., int]:
        def function(*handles: int) -> int:
            found = results(handles)
            result = found.pop(number)
            for handle in found:
                lib.release(handle)
            return result

        return function

    gradable = any(x._gradable for x in given)
    return [
        Operator(handle, code, Operation(name, name + "({0})", only(i)), given, gradable)
        for i, (handle, name) in enumerate(zip(results([x._handle for x in given]), names))
    ]
