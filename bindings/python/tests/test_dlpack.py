"""Arrays of other libraries, with and without a copy: who shares what with whom, and who deletes it."""

from __future__ import annotations

import array
import gc
import threading

import numpy as np
import pytest

import nanograd as ng
from nanograd import Parameter, Variable


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
def test_numpy_both_ways(dtype):
    x = np.arange(6, dtype=dtype).reshape(2, 3)
    v = ng.from_dlpack(x, tag="v", copy=False)
    assert isinstance(v, Variable) and v.tag == "v" and v.dtype == x.dtype and v.shape == (2, 3)
    assert v.__dlpack_device__() == (1, 0)
    for y in (np.from_dlpack(v), v.numpy(copy=False), np.asarray(v, copy=False)):
        assert address(y) == address(x) and not y.flags.writeable
        np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal((v * 2).val, 2 * x)


def test_what_computes_is_lent_too():
    x = Variable(np.linspace(0, 1, 1000))
    y = ng.exp(x)
    gc.collect()
    before = ng.live_bytes()
    e = np.from_dlpack(y)
    assert ng.live_bytes() == before + 8000  # the value, once
    del y
    gc.collect()
    np.testing.assert_allclose(e, np.exp(x.val), rtol=1e-15)
    del e
    gc.collect()
    assert ng.live_bytes() == before
    assert np.from_dlpack(Variable(2.5)) == 2.5 and np.from_dlpack(Variable([])).shape == (0,)
    number = (ng.Variable(1.0) + 2.0).operands[1]
    assert np.from_dlpack(number) == 2


def test_lent_values_stay_and_borrowed_ones_are_not_written():
    x = np.array([1.0, 2.0])
    v = ng.from_dlpack(x)
    shared = np.from_dlpack(v)
    y = v * 10
    np.testing.assert_array_equal(y.val, [10, 20])
    v.val = [3.0, 4.0]
    np.testing.assert_array_equal(x, [1, 2])
    np.testing.assert_array_equal(shared, [1, 2])
    np.testing.assert_array_equal(y.val, [30, 40])

    p = Parameter([1.0, 2.0])
    seen = p.numpy(copy=False)
    optimizer = ng.SGD([p], 0.5)
    for _ in range(3):
        ng.ridge(p).backward()
        optimizer.step()
        optimizer.zero_grad()
    np.testing.assert_array_equal(seen, [1, 2])
    np.testing.assert_array_equal(p.val, [0, 0])


def test_copies():
    x = np.arange(12.0).reshape(3, 4)
    for view in (x.T, x[:, ::2], x[::-1], x[1:, 1:], np.broadcast_to(x[0], (2, 4))):
        v = ng.from_dlpack(view)
        np.testing.assert_array_equal(v.val, view)
        with pytest.raises(ValueError, match="copied"):
            ng.from_dlpack(view, copy=False)
    v = ng.from_dlpack(x, copy=True)
    x[0, 0] = 7
    assert v.val[0, 0] == 0
    copied = v.numpy()
    copied[0, 0] = 5
    assert v.val[0, 0] == 0 and copied.flags.writeable
    copied = np.from_dlpack(v, copy=True)
    copied[0, 0] = 6
    assert v.val[0, 0] == 0


def test_consumers_that_know_no_versions_get_a_copy():
    v = Variable([1.0, 2.0])

    class Old:
        """A consumer, and a producer, as before DLPack 1."""

        def __dlpack__(self, stream=None):
            return v.__dlpack__()

        def __dlpack_device__(self):
            return v.__dlpack_device__()

    array = np.from_dlpack(Old())
    np.testing.assert_array_equal(array, [1, 2])
    assert address(array) != address(v.numpy(copy=False))
    again = ng.from_dlpack(Old(), copy=False)
    np.testing.assert_array_equal(again.val, [1, 2])
    with pytest.raises(BufferError):
        v.__dlpack__(copy=False)


def test_refusals():
    v = Variable([1.0])
    for wrong in ("float16", "uint8", "complex128", "bool"):
        with pytest.raises(TypeError, match="float32, float64, int32 or int64"):
            ng.from_dlpack(np.zeros(2, wrong))
    with pytest.raises(ValueError, match="rank"):
        ng.from_dlpack(np.zeros((1,) * 9))
    with pytest.raises(TypeError, match="no __dlpack__"):
        ng.from_dlpack([1.0])
    with pytest.raises(BufferError):
        v.__dlpack__(dl_device=(2, 0), max_version=(1, 0))
    with pytest.raises(ValueError, match="stream"):
        v.__dlpack__(stream=1)
    with pytest.raises(ValueError, match="copy"):
        np.asarray(v, dtype=np.float32, copy=False)


@pytest.mark.parametrize("code", "fdiq")
def test_buffers(code):
    source = array.array(code, range(6))
    v = Variable(source)
    assert v.dtype == np.dtype(code) and v.shape == (6,)
    np.testing.assert_array_equal(Variable(memoryview(source)).val, range(6))
    # Two by three, in the memory of the array.
    borrowed = ng.from_dlpack(np.frombuffer(source, code).reshape(2, 3))
    with memoryview(borrowed.numpy(copy=False)) as view:
        assert view.readonly and view.shape == (2, 3) and view.tolist() == [[0, 1, 2], [3, 4, 5]]
        assert np.shares_memory(view, np.frombuffer(source, code))
    # What is computed is read where it is, and outlives its tensor.
    y = v + v
    view = memoryview(y.numpy(copy=False))
    assert np.shares_memory(view, y.numpy(copy=False))
    del y, v
    assert bytes(view) == (2 * np.arange(6, dtype=code)).tobytes()


def test_memory_goes_with_its_last_user():
    gc.collect()
    before, handles = ng.live_bytes(), ng.live_handles()
    for _ in range(100):
        v = Variable(np.ones(1000))
        capsule = v.__dlpack__(max_version=(1, 0))  # nobody takes it
        w = ng.from_dlpack(v)
        del v, capsule
        assert w.val.sum() == 1000
    array = np.from_dlpack(w)
    holder = [w, array]
    del w, array
    thread = threading.Thread(target=holder.clear)
    thread.start()
    thread.join()
    gc.collect()
    assert ng.live_bytes() == before and ng.live_handles() == handles

    class Array(np.ndarray):
        alive = 0

        def __del__(self):
            Array.alive -= 1

    x = np.ones(3).view(Array)
    Array.alive = 1
    v = ng.from_dlpack(x)
    y = ng.exp(v)
    del x, v
    gc.collect()
    assert Array.alive >= 1
    np.testing.assert_allclose(y.val, np.exp(np.ones(3)), rtol=1e-15)
    del y
    gc.collect()
    assert Array.alive <= 0


def test_torch():
    torch = pytest.importorskip("torch")
    x = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    v = ng.from_dlpack(x, copy=False)
    assert address(v.numpy(copy=False)) == x.data_ptr()
    np.testing.assert_array_equal(ng.from_dlpack(x.T).val, x.numpy().T)
    y = torch.from_dlpack(v * 2)
    assert torch.equal(y, 2 * x)
    with pytest.raises(TypeError):
        ng.from_dlpack(torch.zeros(2, dtype=torch.bfloat16))


def test_jax():
    jax = pytest.importorskip("jax")
    x = jax.numpy.arange(1000, dtype="float32")
    v = ng.from_dlpack(x)
    np.testing.assert_array_equal(v.val, np.arange(1000))
    y = jax.dlpack.from_dlpack(v * 2)
    np.testing.assert_array_equal(np.asarray(y), 2 * np.arange(1000))
