"""Files that go from nanograd to the Python package safetensors, and back.

Usage: check_safetensors.py LIBRARY
"""

import ctypes
import os
import sys
import tempfile

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

NG_DTYPES = {1: np.float32, 2: np.float64, 3: np.int32, 4: np.int64}
CODES = {np.dtype(dtype): code for code, dtype in NG_DTYPES.items()}

ng = ctypes.CDLL(sys.argv[1])
pointer, text, integer = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64
for name, result, arguments in [
    ("variable", pointer, [ctypes.c_int32, ctypes.c_int32, pointer, pointer, text]),
    ("parameter", pointer, [ctypes.c_int32, ctypes.c_int32, pointer, pointer, text]),
    ("read", ctypes.c_int32, [pointer, pointer, integer]),
    ("error_message", text, []),
    ("ridge", pointer, [pointer]),
    ("backward", ctypes.c_int32, [pointer]),
    ("adam", pointer, [ctypes.c_double]),
    ("optimizer_add", ctypes.c_int32, [pointer, pointer, ctypes.c_int32]),
    ("optimizer_step", ctypes.c_int32, [pointer]),
    ("checkpoint_new", pointer, []),
    ("checkpoint_add", ctypes.c_int32, [pointer, pointer, pointer, ctypes.c_int32]),
    ("checkpoint_add_optimizer", ctypes.c_int32, [pointer, text, pointer]),
    ("checkpoint_set_text", ctypes.c_int32, [pointer, text, text]),
    ("checkpoint_save", ctypes.c_int32, [pointer, text]),
    ("checkpoint_load", ctypes.c_int32, [pointer, pointer]),
    ("safetensors_open", pointer, [text]),
    ("safetensors_count", integer, [pointer]),
    ("safetensors_dtype", ctypes.c_int32, [pointer, text]),
    ("safetensors_rank", ctypes.c_int32, [pointer, text]),
    ("safetensors_shape", ctypes.c_int32, [pointer, text, ctypes.c_int32, pointer]),
    ("safetensors_tensor", pointer, [pointer, text]),
    ("safetensors_text_count", integer, [pointer]),
    ("safetensors_text", integer, [pointer, text, text, integer]),
]:
    function = getattr(ng, "ng_" + name)
    function.restype, function.argtypes = result, arguments

checks = 0


def require(holds, what):
    global checks
    checks += 1
    if not holds:
        sys.exit(f"{what}: {ng.ng_error_message().decode()}")


def same(a, b):
    """Whether two arrays are the same to the last bit."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def tensor_of(array, make=ng.ng_variable):
    shape = (integer * array.ndim)(*array.shape)
    data = array.ctypes.data if array.size else None
    return make(CODES[array.dtype], array.ndim, shape, data, None)


def array_of(file, name):
    shape = (integer * 8)()
    rank = ng.ng_safetensors_rank(file, name)
    require(ng.ng_safetensors_shape(file, name, 8, shape) == 0, f"the shape of {name}")
    array = np.empty(shape[:rank], NG_DTYPES[ng.ng_safetensors_dtype(file, name)])
    tensor = ng.ng_safetensors_tensor(file, name)
    require(ng.ng_read(tensor, array.ctypes.data, array.nbytes) == 0, f"reading {name}")
    return array


def text_of(file, key):
    buffer = ctypes.create_string_buffer(1000)
    require(ng.ng_safetensors_text(file, key.encode(), buffer, 1000) >= 0, f"the text of {key}")
    return buffer.value.decode()


def add(checkpoint, tensors):
    names = (text * len(tensors))(*[name.encode() for name in tensors])
    handles = (pointer * len(tensors))(*tensors.values())
    require(ng.ng_checkpoint_add(checkpoint, names, handles, len(tensors)) == 0, "adding tensors")


generator = np.random.default_rng(1)
arrays = {}
for dtype in NG_DTYPES.values():
    for shape in [(), (1,), (3, 5), (0,), (2, 0, 3), (1, 1, 1, 1, 1, 1, 1, 2), (1000, 7)]:
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        # Any bits at all, which includes NaNs of every kind.
        arrays[f"{np.dtype(dtype).name} {shape}"] = (
            np.frombuffer(generator.bytes(count), dtype).reshape(shape).copy()
        )
arrays['a "name" \\ é😀\n'] = np.arange(3, dtype=np.int32)
texts = {"": "", "key": "é😀\"\\/\b\f\n\r\t\x01\x7f", "step": "12"}

with tempfile.TemporaryDirectory() as folder:
    # From here to Python.
    path = os.path.join(folder, "from here é.safetensors")
    checkpoint = ng.ng_checkpoint_new()
    add(checkpoint, {name: tensor_of(array) for name, array in arrays.items()})
    for key, value in texts.items():
        ng.ng_checkpoint_set_text(checkpoint, key.encode(), value.encode())
    require(ng.ng_checkpoint_save(checkpoint, path.encode()) == 0, "saving")
    read = load_file(path)
    require(read.keys() == arrays.keys(), "the names in Python")
    for name, array in arrays.items():
        require(same(read[name], array), f"{name} in Python")
    with safe_open(path, "numpy") as file:
        require(file.metadata() == texts, "the texts in Python")

    # From Python to here.
    path = os.path.join(folder, "from Python")
    save_file(arrays, path, texts)
    file = ng.ng_safetensors_open(path.encode())
    require(ng.ng_safetensors_count(file) == len(arrays), "the number of tensors")
    for name, array in arrays.items():
        require(same(array_of(file, name.encode()), array), f"{name} from Python")
    require(ng.ng_safetensors_text_count(file) == len(texts), "the number of texts")
    for key, value in texts.items():
        require(text_of(file, key) == value, f"the text of {key} from Python")

    # Into Parameters, and a whole training through Python's hands and back.
    weights = np.array([1, 2, 3], np.float32)

    def training(start):
        parameter = tensor_of(start, ng.ng_parameter)
        optimizer = ng.ng_adam(0.1)
        ng.ng_optimizer_add(optimizer, (pointer * 1)(parameter), 1)
        checkpoint = ng.ng_checkpoint_new()
        add(checkpoint, {"w": parameter})
        ng.ng_checkpoint_add_optimizer(checkpoint, b"adam", optimizer)
        return parameter, optimizer, checkpoint

    def step(parameter, optimizer):
        ng.ng_backward(ng.ng_ridge(parameter))
        require(ng.ng_optimizer_step(optimizer) == 0, "a step")
        array = np.empty_like(weights)
        ng.ng_read(parameter, array.ctypes.data, array.nbytes)
        return array

    parameter, optimizer, checkpoint = training(weights)
    step(parameter, optimizer)
    require(ng.ng_checkpoint_save(checkpoint, path.encode()) == 0, "saving a training")
    with safe_open(path, "numpy") as file:
        metadata = file.metadata()
    require(metadata["adam.kind"] == "adam" and float(metadata["adam.beta1"]) == 0.9, "its texts")
    save_file(load_file(path), path, metadata)
    others = training(np.zeros_like(weights))
    file = ng.ng_safetensors_open(path.encode())
    require(ng.ng_checkpoint_load(others[2], file) == 0, "loading a training")
    # Accumulated gradients are no part of it: here, they are those of another point.
    grown = np.empty_like(weights)
    ng.ng_read(others[0], grown.ctypes.data, grown.nbytes)
    require(same(grown, load_file(path)["w"]), "the Parameters of a training")

    # Types that are not here.
    strange = {
        "bool": np.array([True]), "u8": np.array([1], np.uint8), "f16": np.array([1], np.float16),
        "u64": np.array([1], np.uint64), "i16": np.array([[1]], np.int16), "known": weights,
    }
    save_file(strange, path)
    file = ng.ng_safetensors_open(path.encode())
    require(ng.ng_safetensors_count(file) == len(strange), "a file of strange types")
    require(same(array_of(file, b"known"), weights), "the one that is known")
    for name in strange.keys() - {"known"}:
        require(ng.ng_safetensors_tensor(file, name.encode()) is None, f"{name} is refused")
        require("expected one of F32" in ng.ng_error_message().decode(), f"{name} is explained")

print(f"{checks} checks of files from and to safetensors hold")
