"""Visiting a graph: `trace` with `Zero`, `Back`, `Walk`, or any function of a tensor. Nothing here recurses."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import _data
from ._abi import lib
from ._data import made
from ._errors import StateError, check
from ._leaves import Parameter
from ._operators import Operation
from ._tensor import Operator, Tensor, _Changes


def trace(tensor: Tensor, hook: Callable[[Tensor], Any]) -> None:
    """Calls the hook with every tensor that `tensor` depends on, once: itself first, each before its operands.

    For `Zero()` and `Back(…)` that is not done one by one: the library computes all gradients in one pass.
    """
    if type(hook) is Zero and hook.root:
        hook.root = False
        _zero(tensor)
    elif type(hook) is Back and _is_plain(tensor):
        _back(tensor, hook.parameters)
    else:
        for t in order(tensor):
            hook(t)


class Zero:
    """For `trace`: sets the gradient of the first tensor to 1 and every other to 0."""

    def __init__(self, root: bool = True) -> None:
        self.root = root

    def __call__(self, tensor: Tensor) -> None:
        if self.root:
            self.root = False
            _set_gradient(tensor, 1.0)
        elif tensor.gradable:
            _set_gradient(tensor, 0.0)


class Back:
    """For `trace`: passes each operator's gradient on to its operands and appends each Parameter to a list."""

    def __init__(self, parameters: list[Any]) -> None:
        self.parameters = parameters

    def __call__(self, tensor: Tensor) -> None:
        if isinstance(tensor, Parameter):
            self.parameters.append(tensor)
        elif isinstance(tensor, Operator) and tensor.gradable:
            _pass_on(tensor)


class Walk:
    """For `trace`: appends the expression of each tensor to `nodes`, and those of consumer and operand to `edges`."""

    def __init__(self, nodes: list[str], edges: list[tuple[str, str]]) -> None:
        self.nodes, self.edges = nodes, edges

    def __call__(self, tensor: Tensor) -> None:
        text = str(tensor)
        self.nodes.append(text)
        self.edges.extend([(text, str(operand)) for operand in tensor.operands])


def order(root: Tensor, folded: bool = False) -> list[Tensor]:
    """All tensors that the root depends on, itself first, each before its operands. Composites are unfolded, unless
    they may stay as they are."""

    def operands_of(tensor: Tensor) -> Iterator[Tensor]:
        return iter(tensor._operands if folded else tensor.operands)

    found: list[Tensor] = []
    seen = {root}
    path = [(root, operands_of(root))]
    while path:
        tensor, operands = path[-1]
        for operand in operands:
            if operand not in seen:
                seen.add(operand)
                path.append((operand, operands_of(operand)))
                break
        else:
            path.pop()
            found.append(tensor)
    found.reverse()
    return found


class Below:
    """Every other tensor that gradients flow to from a root, each before its operands; composites stay folded."""

    __slots__ = ("operators", "parameters", "unfolded")

    def __init__(self, root: Tensor) -> None:
        self.unfolded = _Changes.unfolded
        self.operators: list[Tensor] = []
        self.parameters: list[Parameter] = []
        seen = {root}
        path = [(root, iter(root._operands))]
        while path:
            tensor, operands = path[-1]
            for operand in operands:
                if operand._gradable and operand not in seen:
                    seen.add(operand)
                    if operand._operands:
                        path.append((operand, iter(operand._operands)))
                        break
                    if isinstance(operand, Parameter):
                        self.parameters.append(operand)
            else:
                path.pop()
                self.operators.append(tensor)
        self.operators.pop()  # the root
        self.operators.reverse()
        self.parameters.reverse()


def _below(root: Tensor) -> Below:
    """What is below a root: kept for the next trace, since a graph changes only where a composite is unfolded."""
    below = root._below
    if below is None or below.unfolded != _Changes.unfolded:
        below = root._below = Below(root)
    return below


# ---- All gradients in one pass


class _Accumulated:
    """What `Back` has added to an operator's gradient, computed only when it is asked for."""

    __slots__ = ("earlier", "root", "value")

    def __init__(self, root: _Root, earlier: _Accumulated | None) -> None:
        self.root, self.earlier = root, earlier
        self.value: Any = None

    def of(self, tensor: Tensor) -> Any:
        if self.value is None:
            value = self.root.gradient(tensor)
            self.value = value if self.earlier is None else value + self.earlier.of(tensor)
        return self.value


class _One(_Accumulated):
    """The gradient that a root begins with."""

    __slots__ = ()

    def __init__(self, root: _Root) -> None:
        super().__init__(root, None)
        self.value = 1.0


class _Root:
    """The handle of the tensor whose gradients were computed, which it takes over: a reference to the tensor would be a
    circle."""

    __slots__ = ("changes", "earlier", "handle")

    def __init__(self, root: Tensor) -> None:
        self.handle = root._handle
        self.changes = _Changes.count
        # What has taken it over before, and goes on to own it.
        self.earlier = root._owner
        root._owner = self

    def __del__(self, release: Any = lib.release) -> None:
        if self.earlier is None:
            release(self.handle)

    def gradient(self, tensor: Tensor) -> Any:
        if self.changes != _Changes.count:
            raise StateError(
                f"the gradient of {tensor} was not read before a leaf changed: read it before the optimizer's "
                "step, or trace with Zero and Back again"
            )
        room = (ctypes.c_void_p * 1)()
        check(lib.gradients(self.handle, None, _data.handles((tensor,)), 1, room))
        try:
            return _data.read(made(room[0]), tensor._code, tensor.shape)
        finally:
            lib.release(room[0])


def _zero(root: Tensor) -> None:
    below = _below(root)
    parameters = below.parameters
    if parameters:
        check(lib.zero_grad(_data.handles(parameters), len(parameters)))
    for tensor in below.operators:
        tensor._grad = 0.0
    _set_gradient(root, 1.0)


def _is_plain(root: Tensor) -> bool:
    """Whether no gradient was set by hand, so that one pass gives what a visit of each tensor would."""
    if not (isinstance(root, Operator) and root._gradable):
        return False
    grad = root._grad
    if not (grad is None or type(grad) is _One or (type(grad) is float and grad == 1.0)):
        return False
    if root._operation.unfolded:
        return False
    for tensor in _below(root).operators:
        grad = tensor._grad
        if not (
            grad is None or type(grad) is _Accumulated or (type(grad) is float and grad == 0.0)
        ):
            return False
        # Gradients inside a composite that was unfolded are passed on one by one, like those set by hand.
        if tensor._operation.unfolded:
            return False
    return True


def _back(root: Tensor, parameters: list[Any]) -> None:
    is_one = root._shape == () or root.size == 1
    total = root._handle if is_one else made(lib.sum(root._handle, 0, None, 0))
    try:
        check(lib.backward(total))
    finally:
        if total != root._handle:
            lib.release(total)
    source = _Root(root)
    root._grad = _One(source)
    below = _below(root)
    parameters.extend(below.parameters)
    for tensor in below.operators:
        grad = tensor._grad
        tensor._grad = _Accumulated(source, grad if type(grad) is _Accumulated else None)


def gradient(tensor: Tensor) -> Any:
    """What an operator's `.grad` is."""
    grad = tensor._grad
    if grad is None:
        raise AttributeError(
            f"{tensor} has no gradient yet: trace a loss over it with Zero and Back"
        )
    return grad.of(tensor) if isinstance(grad, _Accumulated) else grad


# ---- Composites from inside


def unfold(tensor: Tensor) -> None:
    """Puts the single operators that a composite is made of between it and its operands, with the gradients that they
    have by now. What the library knows of the tensor stays as it is."""
    operation, operands = tensor._operation, tensor._operands
    assert operation.body is not None
    body = operation.body(*operands)
    unfolded = Operation(operation.name, "", lib.as_scalar, named=True)
    unfolded.pieces, unfolded.unfolded = operation.pieces, True
    tensor._operation, tensor._operands, tensor._arguments = unfolded, (body,), operands
    _Changes.unfolded += 1
    if tensor._gradable and tensor._grad is not None:
        inside = [x for x in _until(body, set(operands)) if x._gradable]
        grad = tensor._grad
        if not isinstance(grad, _Accumulated):
            # Only zeros can have been set, but for what the root begins with.
            for x in inside:
                x._grad = 0.0
        elif grad.root.changes != _Changes.count:
            for x in inside:
                x._grad = _Accumulated(grad.root, None)  # which says that it is too late
        else:
            _fill(body, gradient(tensor), inside)


def _until(body: Tensor, operands: set[Tensor]) -> list[Tensor]:
    """The operators of a body, which ends at the operands."""
    found = [body]
    seen = operands | {body}
    for tensor in found:
        for operand in tensor._operands:
            if operand not in seen and isinstance(operand, Operator):
                seen.add(operand)
                found.append(operand)
    return found


def _fill(body: Tensor, value: Any, inside: list[Tensor]) -> None:
    seed = made(lib.full(body._code, *_data.dimensions(body.shape), float(value)))
    room = (ctypes.c_void_p * len(inside))()
    try:
        check(lib.gradients(body._handle, seed, _data.handles(inside), len(inside), room))
        for handle, x in zip(room, inside):
            x._grad = _data.read(handle, x._code, x.shape)
    finally:
        for handle in (seed, *room):
            if handle is not None:
                lib.release(handle)


def rebuilt(root: Tensor) -> dict[Tensor, int]:
    """Handles, which the caller releases, of what stands above unfolded composites and of these themselves: made again
    so that the library, too, knows their insides to be below."""
    found: dict[Tensor, int] = {}
    if not _Changes.unfolded:
        return found
    try:
        for tensor in reversed(order(root, folded=True)):
            operation = tensor._operation
            if not tensor._operands or operation.of_leaves:
                continue
            if operation.unfolded or any(x in found for x in tensor._operands):
                inputs = [found.get(x) or x._handle for x in tensor._operands]
                found[tensor] = operation(inputs, None if operation.named else tensor._arguments)
    except BaseException:
        for handle in found.values():
            lib.release(handle)
        raise
    return found


# ---- One operator at a time, for gradients that somebody changes on the way


def _set_gradient(tensor: Tensor, value: float) -> None:
    if isinstance(tensor, Operator):
        tensor._grad = value
    elif isinstance(tensor, Parameter):
        if value:
            tensor.grad = value
        else:
            tensor.zero_grad()


def _pass_on(tensor: Tensor) -> None:
    """Adds an operator's contribution to the gradients of its operands."""
    seed = np.broadcast_to(np.asarray(gradient(tensor), tensor.dtype), tensor.shape)
    seed = np.ascontiguousarray(seed).reshape(tensor.shape)
    operands = tensor.operands
    operation = tensor._operation
    mine: list[int] = []  # handles to release
    try:
        rank, dims = _data.dimensions(tensor.shape)
        mine.append(made(lib.variable(tensor._code, rank, dims, _data.address(seed), b"seed")))
        inputs = [operand._handle for operand in operands]
        result = tensor._handle
        if not operation.of_leaves:
            # The operator alone, over leaves that stand in for its operands: what lies between the
            # operands themselves is for others to pass on.
            for i, operand in enumerate(operands):
                if operand._gradable:
                    inputs[i] = made(lib.to_variable(operand._handle, None))
                    mine.append(inputs[i])
            result = operation(inputs, None if operation.named else tensor._arguments)
            mine.append(result)
        wanted = [(i, x) for i, x in enumerate(operands) if x._gradable]
        room = (ctypes.c_void_p * len(wanted))()
        sources = (ctypes.c_void_p * len(wanted))(*[inputs[i] for i, _ in wanted])
        check(lib.gradients(result, mine[0], sources, len(wanted), room))
        mine.extend(room)
        for handle, (_, operand) in zip(room, wanted):
            _add(operand, _data.read(handle, operand._code, operand.shape))
    finally:
        for handle in mine:
            lib.release(handle)


def _add(tensor: Tensor, value: Any) -> None:
    if isinstance(tensor, Parameter):
        tensor._accumulate(value)
    else:
        tensor._grad = value if tensor._grad is None else gradient(tensor) + value
