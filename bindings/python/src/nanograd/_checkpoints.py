"""Safetensors files: tensors and texts by name, and whole trainings that go on where they were saved."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from . import _data
from ._abi import lib
from ._data import made
from ._errors import check
from ._leaves import Variable, tensor_of, variable_of
from ._operators import Operand
from ._optimizers import _Optimizer
from ._schedules import Schedule
from ._tensor import _Changes

Path: TypeAlias = "str | os.PathLike[str]"


def _path(path: Path) -> bytes:
    return _data.utf8(os.fspath(path), "the path")


def save_file(
    tensors: Mapping[str, Operand], path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Saves tensors or arrays, and texts, to a safetensors file, which is complete or as it was before."""
    checkpoint = Checkpoint()
    checkpoint.add(tensors)
    for key, text in (metadata or {}).items():
        checkpoint.set(key, text)
    checkpoint.save(path)


def load_file(path: Path) -> dict[str, Variable]:
    """The tensors of a safetensors file, as Variables; `SafeTensors` reads single ones, and the texts."""
    return dict(SafeTensors(path))


class SafeTensors(Mapping[str, Variable]):
    """An open safetensors file, by its path, or its contents as bytes: a mapping whose tensors are read when they are
    asked for."""

    def __init__(self, source: Path | bytes) -> None:
        if isinstance(source, bytes):
            self._handle = made(lib.safetensors_open_memory(source, len(source)))
        else:
            self._handle = made(lib.safetensors_open(_path(source)))

    def __del__(self, release: Any = lib.safetensors_release) -> None:
        handle = self.__dict__.get("_handle")
        if handle is not None:
            release(handle)

    def __len__(self) -> int:
        return check(lib.safetensors_count(self._handle))

    def __iter__(self) -> Iterator[str]:
        for i in range(len(self)):
            yield _data.written(lib.safetensors_name, self._handle, i)

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        return bool(check(lib.safetensors_contains(self._handle, _data.utf8(name, "the name"))))

    def __getitem__(self, name: str) -> Variable:
        found = self._name(name)
        handle = made(lib.safetensors_tensor(self._handle, found))
        return variable_of(handle, lib.dtype_of(handle), name)

    def dtype(self, name: str) -> Any:
        """A tensor's dtype, which is not read for it."""
        return _data.DTYPES[check(lib.safetensors_dtype(self._handle, self._name(name)))]

    def shape(self, name: str) -> tuple[int, ...]:
        """A tensor's dimensions, which is not read for them."""
        found = self._name(name)
        rank = check(lib.safetensors_rank(self._handle, found))
        room = (ctypes.c_int64 * rank)()
        check(lib.safetensors_shape(self._handle, found, rank, room))
        return tuple(room)

    def integer(self, key: str) -> int:
        """A number that `Checkpoint.set` saved."""
        number = ctypes.c_int64()
        encoded = _data.utf8(key, "the key")
        check(lib.safetensors_integer(self._handle, encoded, ctypes.byref(number)))
        return number.value

    @property
    def metadata(self) -> dict[str, str]:
        """The texts by their keys."""
        texts = {}
        for i in range(check(lib.safetensors_text_count(self._handle))):
            key = _data.written(lib.safetensors_key, self._handle, i)
            texts[key] = _data.written(lib.safetensors_text, self._handle, key.encode())
        return texts

    def _name(self, name: str) -> bytes:
        if name not in self:
            raise KeyError(name)
        return name.encode()


class Checkpoint:
    """What a training consists of: said once, saved as often as wanted, and loaded to go on with the same bits.

        state = ng.Checkpoint()
        state.add({"w": w, "b": b})
        state.add_optimizer("adam", optimizer)
        state.save("run.safetensors")    # and later, with all made anew:
        state.load("run.safetensors")

    Gradients are not saved: the place to save is between `zero_grad` and the next `backward`.
    """

    def __init__(self) -> None:
        self._handle = made(lib.checkpoint_new())
        self._optimizers: list[tuple[str, _Optimizer]] = []

    def __del__(self, release: Any = lib.checkpoint_release) -> None:
        handle = self.__dict__.get("_handle")
        if handle is not None:
            release(handle)

    def add(self, tensors: Mapping[str, Operand]) -> None:
        """Adds tensors under names of their own. Those that are to be loaded have to be leaves."""
        names = (ctypes.c_char_p * len(tensors))(
            *[_data.utf8(name, "the name") for name in tensors]
        )
        made_of = [tensor_of(tensor) for tensor in tensors.values()]
        check(lib.checkpoint_add(self._handle, names, _data.handles(made_of), len(made_of)))

    def add_optimizer(self, name: str, optimizer: _Optimizer) -> None:
        """Adds an SGD, Adam or AdamW: settings, what it keeps for each Parameter, and how far its schedule is. The
        schedule itself is to be made anew, and the Parameters are to be added by `add`."""
        if not isinstance(optimizer, _Optimizer):
            raise TypeError(
                f"a {type(optimizer).__name__}, expected SGD, Adam or AdamW, which know their Parameters"
            )
        encoded = _data.utf8(name, "the name")
        check(lib.checkpoint_add_optimizer(self._handle, encoded, optimizer._handle))
        self._optimizers.append((name, optimizer))

    def add_random(self, key: str) -> None:
        """Adds the random generator: that of the thread which saves, or loads."""
        check(lib.checkpoint_add_random(self._handle, _data.utf8(key, "the key")))

    def set(self, key: str, value: str | int) -> None:
        """Sets a text or an integer to be saved; `SafeTensors` reads them."""
        encoded = _data.utf8(key, "the key")
        if isinstance(value, str):
            check(lib.checkpoint_set_text(self._handle, encoded, _data.utf8(value, "the text")))
        else:
            number = _data.int64(value, "the number")
            check(lib.checkpoint_set_integer(self._handle, encoded, number))

    def save(self, path: Path) -> None:
        """Saves everything to a file, which is complete or as it was before."""
        self._note_schedules()
        check(lib.checkpoint_save(self._handle, _path(path)))

    def to_bytes(self) -> bytes:
        """What `save` would write."""
        self._note_schedules()
        size = check(lib.checkpoint_write(self._handle, None, 0))
        buffer = ctypes.create_string_buffer(size)
        check(lib.checkpoint_write(self._handle, buffer, size))
        return buffer.raw

    def load(self, source: Path | bytes | SafeTensors) -> None:
        """Gives everything that was added the state it has in a file. On failure nothing is changed."""
        file = source if isinstance(source, SafeTensors) else SafeTensors(source)
        steps = [(schedule, file.integer(key)) for key, schedule in self._schedules()]
        check(lib.checkpoint_load(self._handle, file._handle))
        _Changes.count += 1
        for schedule, step in steps:
            schedule.t = step

    def _note_schedules(self) -> None:
        for key, schedule in self._schedules():
            self.set(key, schedule.t)

    def _schedules(self) -> Iterator[tuple[str, Schedule]]:
        """Rates are worked out on this side: how far they are is saved beside what the library saves."""
        for name, optimizer in self._optimizers:
            if isinstance(optimizer._rates, Schedule):
                yield f"{name}.rate_step", optimizer._rates
