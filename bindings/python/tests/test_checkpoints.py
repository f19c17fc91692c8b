"""Safetensors files, and trainings that go on where they were saved."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

import nanograd as ng
from nanograd import Parameter, Variable


def test_files(tmp_path):
    path = tmp_path / "some.safetensors"
    tensors = {
        "w": Parameter(np.arange(6.0).reshape(2, 3)),
        "größe": np.array([1, 2], np.int32),
        "": Variable(2.5, dtype="float32"),
        "none": np.zeros((0, 4), np.int64),
    }
    ng.save_file(tensors, path, {"author": "Ä", "long": "x" * 10_000})
    loaded = ng.load_file(path)
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        expected = np.asarray(tensor)
        assert isinstance(loaded[name], Variable) and loaded[name].dtype == expected.dtype
        np.testing.assert_array_equal(loaded[name].val, expected)
    assert loaded["w"].tag == "w"
    file = ng.SafeTensors(path)
    assert len(file) == 4 and file.metadata == {"author": "Ä", "long": "x" * 10_000}
    assert file.shape("w") == (2, 3) and file.dtype("größe") == np.int32
    assert "w" in file and "v" not in file and 1 not in file and file.get("v") is None
    assert ng.SafeTensors(path.read_bytes())["none"].shape == (0, 4)
    for ask in (file.__getitem__, file.shape, file.dtype):
        with pytest.raises(KeyError):
            ask("v")
    with pytest.raises(ValueError):
        file.integer("author")


def test_files_of_others(tmp_path):
    """Written here by the format's definition: 8 bytes of length, JSON, data."""
    data = np.array([[1.5, -2.0]], np.float32).tobytes() + b"\0\0"
    header = json.dumps(
        {
            "__metadata__": {"k": "v"},
            "a": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]},
            "b": {"dtype": "BF16", "shape": [1], "data_offsets": [8, 10]},
        }
    ).encode()
    file = ng.SafeTensors(struct.pack("<Q", len(header)) + header + data)
    np.testing.assert_array_equal(file["a"].val, [[1.5, -2.0]])
    assert file.shape("b") == (1,) and file.metadata == {"k": "v"}
    with pytest.raises(TypeError, match="BF16"):
        file["b"]


def test_failures(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        ng.load_file(tmp_path / "none")
    with pytest.raises(ng.FileError):
        ng.save_file({"a": np.ones(2)}, tmp_path / "none" / "file")
    with pytest.raises(ng.FormatError):
        ng.SafeTensors(b"12345678")
    with pytest.raises(ValueError, match="NUL"):
        ng.save_file({"a\0b": np.ones(2)}, tmp_path / "file")
    with pytest.raises(ValueError, match="NUL"):
        ng.save_file({}, tmp_path / "file", {"a": "\0"})
    assert not list(tmp_path.iterdir())
    p = Parameter([1.0])
    state = ng.Checkpoint()
    with pytest.raises(TypeError, match="SGD, Adam or AdamW"):
        state.add_optimizer("o", ng.Optimizer(0.1))
    state.add({"p": p})
    with pytest.raises(ValueError):
        state.add({"p": p})
    state.add_optimizer("o", ng.SGD([p], ng.LinearSchedule(3, 1.0, 0.0)))
    other = ng.Checkpoint()
    other.add({"p": Parameter([5.0])})
    with pytest.raises(ValueError, match="rate_step"):
        state.load(other.to_bytes())
    assert p.val == [1]


class Training:
    """A small training with everything that a checkpoint can hold."""

    def __init__(self, kind):
        self.w, self.b = Parameter(np.ones((3, 2))), Parameter(np.zeros(2))
        rates = ng.LinearSchedule(4, 0.5, 0.1) + ng.CosineSchedule(20, 0.1, 0.0)
        options = {"momentum": 0.9} if kind is ng.SGD else {}
        self.optimizer = kind([self.w, self.b], rates, clip_norm=1.0, **options)
        self.state = ng.Checkpoint()
        self.state.add({"w": self.w, "b": self.b})
        self.state.add_optimizer("optimizer", self.optimizer)
        self.state.add_random("random")

    def steps(self, count):
        for _ in range(count):
            x = ng.normal((8, 3))
            self.loss = ng.squared_error(ng.tanh(x @ self.w + self.b), np.ones((8, 2)))
            self.loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()


@pytest.mark.parametrize("kind", [ng.SGD, ng.Adam, ng.AdamW])
def test_a_training_goes_on_with_the_same_bits(kind, tmp_path):
    ng.seed(7)
    whole = Training(kind)
    whole.steps(10)

    ng.seed(7)
    first = Training(kind)
    first.steps(6)
    first.state.set("step", 6)
    first.state.set("note", "half way")
    first.state.save(tmp_path / "run")

    ng.seed(1)
    second = Training(kind)
    product = second.w * 1
    assert product.val[0, 0] == 1
    file = ng.SafeTensors(tmp_path / "run")
    assert file.integer("step") == 6 and file.metadata["note"] == "half way"
    second.state.load(file)
    np.testing.assert_array_equal(product.val, first.w.val)  # values follow
    assert second.optimizer.steps == 6
    second.steps(4)
    np.testing.assert_array_equal(second.w.val, whole.w.val)
    np.testing.assert_array_equal(second.b.val, whole.b.val)
    assert second.optimizer.rate == whole.optimizer.rate
