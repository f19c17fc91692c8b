"""Rates as functions of the step. Called, a schedule gives the next step's; `rate(t)` gives any."""

from __future__ import annotations

from typing import Any

from . import _data
from ._abi import lib
from ._data import made
from ._errors import failure


class Schedule:
    """A rate for each step 0, 1, 2, …. `first + second` goes on with the second when the first is done.

    No rate is repeated or left out at the hand-over: after the first's steps 0 … T - 1 comes the second's step 0.
    """

    #: The steps it takes in a chain; None for no end.
    steps: int | None = None

    def __init__(self) -> None:
        #: The last step whose rate was asked for by a call.
        self.t = -1

    def rate(self, t: int) -> float:
        """The rate at a step."""
        raise NotImplementedError

    def step(self) -> None:
        """Goes on to the next step."""
        self.t += 1

    @property
    def a(self) -> float:
        """The rate at the present step."""
        return self.rate(max(self.t, 0))

    def __call__(self) -> float:
        self.step()
        return self.rate(self.t)

    def __add__(self, second: Schedule) -> Schedule:
        if not isinstance(second, Schedule):
            return NotImplemented
        return _Chain(self, second)


class _Made(Schedule):
    """A schedule of the library."""

    def __init__(self, steps: int | None, function: Any, *arguments: Any) -> None:
        super().__init__()
        self.steps = steps
        self._handle = made(function(*arguments))

    def __del__(self, release: Any = lib.schedule_release) -> None:
        handle = self.__dict__.get("_handle")
        if handle is not None:
            release(handle)

    def rate(self, t: int) -> float:
        rate: float = lib.schedule_rate(self._handle, _data.int64(t, "step"))
        if rate != rate and lib.error():
            raise failure()
        return rate


class ConstantSchedule(_Made):
    """Always a; for `steps` steps in a chain."""

    def __init__(self, a: float, steps: int | None = None) -> None:
        super().__init__(steps, lib.schedule_constant, _data.int64(steps or 0, "steps"), float(a))


class LinearSchedule(_Made):
    """From a_max to a_min in t_max equal steps. a_min may be the larger."""

    def __init__(self, t_max: int, a_max: float, a_min: float) -> None:
        t_max = _data.int64(t_max, "t_max")
        super().__init__(t_max, lib.schedule_linear, t_max, float(a_max), float(a_min))


class CosineSchedule(_Made):
    """a_min + (a_max - a_min)·(1 + cos(π·t/t_max))/2, then a_min."""

    def __init__(self, t_max: int, a_max: float, a_min: float) -> None:
        t_max = _data.int64(t_max, "t_max")
        super().__init__(t_max, lib.schedule_cosine, t_max, float(a_max), float(a_min))


class GeometricSchedule(_Made):
    """a_max·(a_min/a_max)^(t/t_max), then a_min. Both of one sign, and not 0."""

    def __init__(self, t_max: int, a_max: float, a_min: float) -> None:
        t_max = _data.int64(t_max, "t_max")
        super().__init__(t_max, lib.schedule_exponential, t_max, float(a_max), float(a_min))


class StepSchedule(_Made):
    """a·factor^⌊t/interval⌋, without end."""

    def __init__(self, interval: int, a: float, factor: float) -> None:
        interval = _data.int64(interval, "interval")
        super().__init__(None, lib.schedule_step, interval, float(a), float(factor))


class ExponentialSchedule(Schedule):
    """Decay toward a_min: a_min + (a_max - a_min)·gammaᵗ for t_max steps, after which the rate stays."""

    def __init__(self, t_max: int, a_max: float, a_min: float, gamma: float) -> None:
        super().__init__()
        if t_max < 1:
            raise ValueError(f"t_max is {t_max}, expected at least 1")
        self.steps, self._from, self._to, self._gamma = int(t_max), a_max, a_min, gamma

    def rate(self, t: int) -> float:
        """The rate at a step."""
        decay: float = self._gamma ** min(t, self.steps or 0)
        return self._to + (self._from - self._to) * decay


class _Chain(Schedule):
    def __init__(self, first: Schedule, second: Schedule) -> None:
        super().__init__()
        if first.steps is None:
            raise ValueError("the first schedule of a chain has no end, expected a number of steps")
        self._first, self._second, self._handover = first, second, first.steps
        self.steps = None if second.steps is None else first.steps + second.steps

    def rate(self, t: int) -> float:
        """The rate at a step."""
        if t < self._handover:
            return self._first.rate(t)
        return self._second.rate(t - self._handover)
