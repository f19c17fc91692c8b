"""How computations run, and what is alive."""

from __future__ import annotations

from . import _data
from ._abi import lib
from ._errors import check
from ._tensor import Tensor


def num_threads() -> int:
    """Threads that a computation may use. Results do not depend on it."""
    number: int = lib.num_threads()
    return number


def set_num_threads(count: int) -> None:
    """Sets it for the process."""
    check(lib.set_num_threads(_data.int32(count, "count")))


def instruction_set() -> str:
    """ "avx512", "avx2" or "baseline"."""
    name: bytes = lib.isa()
    return name.decode()


def live_handles() -> int:
    """Tensors, optimizers and schedules that the library holds for the process."""
    count: int = lib.live_handles()
    return count


def live_bytes() -> int:
    """Bytes of tensor data alive in the process."""
    count: int = lib.live_bytes()
    return count


def plan(*tensors: Tensor) -> str:
    """What computing the tensors together is compiled to, for people to read."""
    return _data.written(lib.plan_describe, _data.handles(tensors), len(tensors))
