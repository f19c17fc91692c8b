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
    """Tensors, optimizers, files and so on that the library holds for the process."""
    count: int = lib.live_handles()
    return count


def live_bytes() -> int:
    """Bytes of tensor data alive in the process."""
    count: int = lib.live_bytes()
    return count


def plan(*tensors: Tensor) -> str:
    """What computing the tensors together is compiled to, for people to read."""
    return _data.written(lib.plan_describe, _data.handles(tensors), len(tensors))


def profile(*tensors: Tensor, runs: int = 10) -> str:
    """The plan, with the median time of each step over some runs on this thread alone."""
    count = _data.int32(runs, "runs")
    return _data.written(lib.plan_profile, _data.handles(tensors), len(tensors), count)


# ---- Memory

_STATS = ("total", "values", "working", "handles", "plans", "pool", "peak", "limit")


def memory_stats() -> dict[str, int]:
    """Bytes of memory for data in the process: `total` is the sum of `values` (leaves, gradients, results that were
    asked for), `working` (of computations under way), `handles`, `plans` (kept for their next run) and `pool` (freed,
    kept for the next request); `peak` is the most that the total has been, `limit` is 0 for none."""
    return {name: check(lib.memory_stat(number)) for number, name in enumerate(_STATS, 1)}


def set_memory_limit(limit: int | None) -> None:
    """Limits the total to some bytes; None for no limit. What would exceed it raises OutOfMemoryError."""
    if limit is not None and limit <= 0:
        raise ValueError(f"a limit of {limit} bytes, expected more, or None")
    check(lib.set_memory_limit(0 if limit is None else _data.int64(limit, "limit")))


def reset_memory_peak() -> None:
    """Lets the peak begin again at the present total."""
    lib.reset_memory_peak()


def release_caches() -> None:
    """Frees what is kept for speed alone."""
    lib.release_caches()
