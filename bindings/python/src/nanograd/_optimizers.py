"""Optimizers: the original's, which is told at each step what to update, and those that know their Parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from . import _data
from ._abi import lib
from ._data import made
from ._errors import check, failure
from ._leaves import Parameter
from ._tensor import Tensor, _Changes

#: A number, a schedule, or any function that gives the next step's rate.
Rate: TypeAlias = "float | Callable[[], float]"


class _Made:
    """An optimizer of the library, with its Parameters and the source of its rates."""

    def __init__(self, handle: int | None, parameters: Sequence[Parameter], rate: Rate) -> None:
        self._handle = made(handle)
        self._rates = rate if callable(rate) else None
        self._parameters = parameters
        check(lib.optimizer_add(self._handle, _data.handles(parameters), len(parameters)))

    def __del__(self, release: Any = lib.optimizer_release) -> None:
        handle = self.__dict__.get("_handle")
        if handle is not None:
            release(handle)

    def _step(self, rate: float | None = None) -> None:
        if rate is None and self._rates is not None:
            rate = self._rates()
        if rate is not None:
            check(lib.optimizer_set_rate(self._handle, float(rate)))
        check(lib.optimizer_step(self._handle))
        _Changes.count += 1

    def _number(self, function: Any) -> float:
        value: float = function(self._handle)
        if value != value and lib.error():
            raise failure()
        return value


class _Optimizer(_Made):
    """What all optimizers have that know their Parameters."""

    def __init__(
        self,
        handle: int | None,
        parameters: Iterable[Parameter],
        rate: Rate,
        weight_decay: float | None,
        clip_norm: float | None,
        clip_value: float | None,
    ) -> None:
        super().__init__(handle, list(parameters), rate)
        if not self._parameters:
            raise ValueError("an optimizer of no Parameters, expected at least one")
        if weight_decay is not None:
            check(lib.optimizer_set_weight_decay(self._handle, float(weight_decay)))
        check(lib.optimizer_set_clip_norm(self._handle, float(clip_norm or 0)))
        check(lib.optimizer_set_clip_value(self._handle, float(clip_value or 0)))

    def step(self) -> None:
        """Updates every Parameter that has a gradient, and goes on to the next rate."""
        self._step()

    def zero_grad(self) -> None:
        """Sets the accumulated gradients to zero."""
        check(lib.optimizer_zero_grad(self._handle))

    @property
    def rate(self) -> float:
        """The rate: of the last step if it comes from a schedule. It can be set."""
        return self._number(lib.optimizer_rate)

    @rate.setter
    def rate(self, rate: Rate) -> None:
        self._rates = rate if callable(rate) else None
        if not callable(rate):
            check(lib.optimizer_set_rate(self._handle, float(rate)))

    @property
    def grad_norm(self) -> float:
        """The norm of all gradients at the last step, before clipping; NaN without clip_norm."""
        return self._number(lib.optimizer_grad_norm)

    @property
    def steps(self) -> int:
        """The steps made."""
        return check(lib.optimizer_steps(self._handle))


def _first(rate: Rate) -> float:
    return 0.0 if callable(rate) else float(rate)


class SGD(_Optimizer):
    """Stochastic gradient descent, with momentum if asked for: v = momentum·v + g, w -= rate·v."""

    def __init__(
        self,
        parameters: Iterable[Parameter],
        rate: Rate,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        handle = lib.sgd(_first(rate))
        super().__init__(handle, parameters, rate, weight_decay, clip_norm, clip_value)
        check(lib.optimizer_set_momentum(self._handle, float(momentum), 1 if nesterov else 0))


class Adam(_Optimizer):
    """Adam (Kingma and Ba, 2015); weight decay is added to the gradient."""

    def __init__(
        self,
        parameters: Iterable[Parameter],
        rate: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        handle = lib.adam(_first(rate))
        super().__init__(handle, parameters, rate, weight_decay, clip_norm, clip_value)
        check(lib.optimizer_set_betas(self._handle, float(betas[0]), float(betas[1]), epsilon))


class AdamW(_Optimizer):
    """AdamW (Loshchilov and Hutter, 2019): weight decay is apart from the gradient."""

    def __init__(
        self,
        parameters: Iterable[Parameter],
        rate: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        handle = lib.adamw(_first(rate))
        super().__init__(handle, parameters, rate, weight_decay, clip_norm, clip_value)
        check(lib.optimizer_set_betas(self._handle, float(betas[0]), float(betas[1]), epsilon))


class Optimizer:
    """Gradient descent on the Parameters given at each step: w -= alpha·grad.

    `alpha` is a number, a schedule, or a function. With `max_grad_norm`, gradients whose norm over all Parameters
    together is larger are scaled down to it. Without it, or with `clip="none"`, nothing is clipped: the original has a
    `max_grad_norm` of 1 and computes clipped gradients, but does not use them.
    """

    def __init__(self, alpha: Rate, max_grad_norm: float | None = None, clip: str = "norm") -> None:
        if clip not in ("norm", "none"):
            raise ValueError(f'clip is {clip!r}, expected "norm" or "none"')
        if max_grad_norm is not None and not max_grad_norm > 0:
            raise ValueError(f"max_grad_norm is {max_grad_norm}, expected more than 0, or None")
        self.alpha = alpha
        self.max_grad_norm = max_grad_norm
        self.clip = clip
        self._known: _Made | None = None
        self._norm = 0.0  # at which the library's optimizer clips

    def step(self, parameters: Sequence[Parameter]) -> None:
        """Updates the Parameters, and goes on to the next rate. One that is listed twice is updated twice."""
        alpha = float(self.alpha() if callable(self.alpha) else self.alpha)
        left = list(parameters)
        while left:
            once = list(dict.fromkeys(left))
            self._with(once)._step(alpha)
            if len(once) == len(left):
                break
            for parameter in once:
                left.remove(parameter)

    def _with(self, parameters: list[Parameter]) -> _Made:
        """The library's optimizer for these Parameters: as a rule the one of the last step."""
        if self._known is None or self._known._parameters != parameters:
            for parameter in parameters:
                if not isinstance(parameter, Tensor):
                    raise TypeError(f"a {type(parameter).__name__} to update, expected Parameters")
            self._known, self._norm = _Made(lib.sgd(0.0), parameters, 0.0), 0.0
        clips = self.clip == "norm" and self.max_grad_norm is not None
        norm = float(self.max_grad_norm or 0) if clips else 0.0
        if norm != self._norm:
            check(lib.optimizer_set_clip_norm(self._known._handle, norm))
            self._norm = norm
        return self._known
