#!/usr/bin/env python3
"""Usage: scripts/check-recurrent.py [LIBRARY]

Compares ng_rnn, ng_gru and ng_lstm of a built library (build/lib/libnanograd.so) with other
implementations, those of them that are installed: PyTorch (values and all gradients), ONNX Runtime,
and the evaluator of the onnx package that serves as ONNX's definition (values). Prints the number of
cases and the largest error for each; fails if one is too large, or there is nothing to compare with.

    pip install numpy torch onnx onnxruntime
"""

import ctypes
import itertools
import os
import sys
import warnings

import numpy as np

KINDS = {"RNN": 1, "GRU": 3, "LSTM": 4}
REVERSE, BIDIRECTIONAL, RESET_AFTER, RELU = 1, 2, 4, 16
DTYPES = {np.dtype(np.float32): 1, np.dtype(np.float64): 2, np.dtype(np.int64): 4}
TOLERANCES = {np.dtype(np.float32): 5e-6, np.dtype(np.float64): 1e-12}
HANDLE = ctypes.c_void_p


class Nanograd:
    """What is needed of nanograd.h."""

    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self.library.ng_error_message.restype = ctypes.c_char_p

    def call(self, name, *arguments):
        function = getattr(self.library, "ng_" + name)
        function.restype = HANDLE
        handle = function(*arguments)
        if not handle:
            raise RuntimeError(self.library.ng_error_message().decode())
        return HANDLE(handle)

    def leaf(self, array, kind="parameter"):
        array = np.ascontiguousarray(array)
        shape = (ctypes.c_int64 * array.ndim)(*array.shape)
        data = array.ctypes.data_as(ctypes.c_void_p)
        return self.call(kind, DTYPES[array.dtype], array.ndim, shape, data, None)

    def read(self, tensor, dtype):
        self.library.ng_dim.restype = ctypes.c_int64
        shape = [self.library.ng_dim(tensor, i) for i in range(self.library.ng_rank(tensor))]
        array = np.empty(shape, dtype)
        data = array.ctypes.data_as(ctypes.c_void_p)
        if self.library.ng_read(tensor, data, ctypes.c_int64(array.nbytes)) != 0:
            raise RuntimeError(self.library.ng_error_message().decode())
        return array


class Case:
    """Operands in ONNX's layout and order of gates."""

    def __init__(self, kind, dtype, direction, variant, biases, states, lengths):
        numbers = np.random.default_rng(7)
        self.kind, self.dtype, self.direction = kind, np.dtype(dtype), direction
        self.flags = {"forward": 0, "reverse": REVERSE, "bidirectional": BIDIRECTIONAL}[direction]
        self.flags |= variant
        self.variant, self.time, self.batch, self.inputs, self.hidden = variant, 6, 4, 5, 7
        self.directions = 2 if direction == "bidirectional" else 1
        rows = KINDS[kind] * self.hidden

        def draw(*shape):
            return numbers.normal(0, 0.5, shape).astype(dtype)

        d = self.directions
        self.x = draw(self.time, self.batch, self.inputs)
        self.w, self.r = draw(d, rows, self.inputs), draw(d, rows, self.hidden)
        self.b = draw(d, 2 * rows) if biases else None
        self.h = draw(d, self.batch, self.hidden) if states else None
        self.c = draw(d, self.batch, self.hidden) if states and kind == "LSTM" else None
        self.lengths = np.array([6, 1, 4, 3]) if lengths else None
        # What the outputs are multiplied with, to give a loss whose gradients are compared.
        self.weights = [draw(self.time, self.batch, d * self.hidden)]
        self.weights += [draw(d, self.batch, self.hidden)] * (2 if kind == "LSTM" else 1)

    def operands(self):
        names = ["x", "w", "r", "b", "h", "c"]
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def run_nanograd(ng, case, gradients):
    """Outputs, h (and c) in ONNX's layout, and the gradients of the operands."""
    ng.library.ng_scope_begin()
    try:
        leaves = {name: ng.leaf(array) for name, array in case.operands().items()}

        def transpose(a):
            return ng.call("transpose", leaf(a))

        def leaf(name):
            # Without the axis for the direction, if there is only one.
            found = leaves.get(name)
            if found is None or case.directions == 2:
                return found
            return ng.call("select", found, 0, ctypes.c_int64(0))

        rows = KINDS[case.kind] * case.hidden

        def bias(start):
            found = leaf("b")
            bounds = map(ctypes.c_int64, (start, start + rows, 1))
            return found and ng.call("slice", found, -1, *bounds)

        lengths = None if case.lengths is None else ng.leaf(case.lengths, "variable")
        states = [leaf("h")] + ([leaf("c")] if case.kind == "LSTM" else [])
        lasts = [HANDLE() for _ in states]
        y = ng.call(
            case.kind.lower(), leaves["x"], *states, transpose("w"), transpose("r"), bias(0),
            bias(rows), lengths, case.flags, *map(ctypes.byref, lasts))
        outputs = [y] + lasts
        values = [ng.read(output, case.dtype) for output in outputs]
        found = {}
        if gradients:
            terms = []
            for output, weights in zip(outputs, case.weights):
                shape = ng.read(output, case.dtype).shape
                product = ng.call("multiply", output, ng.leaf(weights.reshape(shape), "variable"))
                terms.append(ng.call("sum", product, 0, None, 0))
            loss = terms[0]
            for term in terms[1:]:
                loss = ng.call("add", loss, term)
            if ng.library.ng_backward(loss) != 0:
                raise RuntimeError(ng.library.ng_error_message().decode())
            for name, tensor in leaves.items():
                found[name] = ng.read(ng.call("grad", tensor), case.dtype)
        y = values[0].reshape(case.time, case.batch, case.directions, case.hidden)
        states = [value.reshape(case.directions, case.batch, case.hidden) for value in values[1:]]
        return [y.transpose(0, 2, 1, 3)] + states, found
    finally:
        ng.library.ng_scope_end()


def reordered(case, array):
    """Blocks of rows from ONNX's order of gates (z r h, i o f c) to PyTorch's (r z n, i f g o)."""
    order = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 2, 3, 1]}[case.kind]
    blocks = np.split(array, KINDS[case.kind], axis=0)
    return np.concatenate([blocks[i] for i in order], axis=0)


def run_torch(torch, case):
    options = {"nonlinearity": "relu"} if case.variant == RELU else {}
    module = getattr(torch.nn, case.kind)(
        case.inputs, case.hidden, bias=case.b is not None,
        bidirectional=case.directions == 2, dtype=getattr(torch, case.dtype.name), **options)
    rows = KINDS[case.kind] * case.hidden
    sources = {}
    with torch.no_grad():
        for d, suffix in enumerate(["", "_reverse"][: case.directions]):
            parts = {"weight_ih": ("w", case.w[d]), "weight_hh": ("r", case.r[d])}
            if case.b is not None:
                parts["bias_ih"] = ("b", case.b[d][:rows])
                parts["bias_hh"] = ("b", case.b[d][rows:])
            for name, (_, array) in parts.items():
                parameter = getattr(module, f"{name}_l0{suffix}")
                parameter.copy_(torch.tensor(reordered(case, array)))
                sources[name, d] = parameter
    x = torch.tensor(case.x, requires_grad=True)
    given = [torch.tensor(s, requires_grad=True) for s in (case.h, case.c) if s is not None]
    hx = None if not given else given[0] if case.kind != "LSTM" else tuple(given)
    if case.lengths is None:
        y, states = module(x, hx)
    else:
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            x, torch.tensor(case.lengths), enforce_sorted=False)
        y, states = module(packed, hx)
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, total_length=case.time)
    states = list(states) if case.kind == "LSTM" else [states]
    loss = sum((a * torch.tensor(w)).sum() for a, w in zip([y] + states, case.weights))
    loss.backward()

    def back(name, d):
        gradient = sources[name, d].grad.numpy()
        order = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 3, 1, 2]}[case.kind]
        blocks = np.split(gradient, KINDS[case.kind], axis=0)
        return np.concatenate([blocks[i] for i in order], axis=0)

    every = range(case.directions)
    found = {"x": x.grad.numpy(), "w": np.stack([back("weight_ih", d) for d in every]),
             "r": np.stack([back("weight_hh", d) for d in every])}
    if case.b is not None:
        found["b"] = np.stack(
            [np.concatenate([back("bias_ih", d), back("bias_hh", d)]) for d in every])
    for name, state in zip("hc", given):
        found[name] = state.grad.numpy()
    y = y.detach().numpy().reshape(case.time, case.batch, case.directions, case.hidden)
    return [y.transpose(0, 2, 1, 3)] + [state.detach().numpy() for state in states], found


def onnx_model(onnx, case):
    """The case as an ONNX model, and its inputs."""
    names = {"x": "X", "w": "W", "r": "R", "b": "B", "lengths": "sequence_lens",
             "h": "initial_h", "c": "initial_c"}
    order = ["x", "w", "r", "b", "lengths", "h"] + (["c"] if case.kind == "LSTM" else [])
    feeds = {}
    for name in order:
        array = getattr(case, name)
        if array is not None:
            feeds[names[name]] = array.astype(np.int32) if name == "lengths" else array
    listed = [names[name] if names[name] in feeds else "" for name in order]
    while listed[-1] == "":
        listed.pop()
    outputs = ["Y", "Y_h"] + (["Y_c"] if case.kind == "LSTM" else [])
    attributes = {"hidden_size": case.hidden, "direction": case.direction}
    if case.kind == "GRU":
        attributes["linear_before_reset"] = int(case.variant == RESET_AFTER)
    if case.variant == RELU:
        attributes["activations"] = ["Relu"] * case.directions
    helper = onnx.helper
    node = helper.make_node(case.kind, listed, outputs, **attributes)

    def info(name, array=None):
        dtype = case.dtype if array is None else array.dtype
        shape = None if array is None else array.shape
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)

    graph = helper.make_graph(
        [node], "case", [info(name, array) for name, array in feeds.items()],
        [info(name) for name in outputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    return model, feeds


def cases(runner):
    variants = {"RNN": [0, RELU], "GRU": [0, RESET_AFTER], "LSTM": [0]}
    directions = ["forward", "reverse", "bidirectional"]
    for kind, dtype, direction, biases, states, lengths in itertools.product(
            KINDS, [np.float32, np.float64], directions, *[[False, True]] * 3):
        for variant in variants[kind]:
            # torch.nn knows one kind of GRU, and no reverse on its own.
            if runner == "torch" and (direction == "reverse" or kind == "GRU" and variant == 0):
                continue
            # The runtime has these operators for float32 only; the definition's evaluator takes
            # no notice of lengths and knows no relu.
            if runner == "onnxruntime" and dtype == np.float64:
                continue
            if runner == "onnx" and (lengths or variant == RELU):
                continue
            yield Case(kind, dtype, direction, variant, biases, states, lengths)


def largest_error(found, expected):
    error = 0.0
    for a, b in zip(found, expected):
        if a.shape != b.shape:
            raise RuntimeError(f"shapes {a.shape} and {b.shape}")
        error = max(error, float(np.max(np.abs(a - b) / np.maximum(1, np.abs(b)), initial=0)))
    return error


def main():
    if len(sys.argv) > 2 or "--help" in sys.argv or "-h" in sys.argv:
        print(__doc__.strip())
        return 0
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    ng = Nanograd((sys.argv + [os.path.join(root, "build/lib/libnanograd.so")])[1])
    failed, compared = False, 0
    for runner in ["torch", "onnxruntime", "onnx"]:
        try:
            module = __import__(runner)
            onnx = __import__("onnx") if runner != "torch" else None
        except ImportError:
            print(f"{runner}: not installed")
            continue
        count, errors = 0, {}
        for case in cases(runner):
            values, gradients = run_nanograd(ng, case, runner == "torch")
            if runner == "torch":
                expected, expected_gradients = run_torch(module, case)
                values += [gradients[name] for name in sorted(gradients)]
                expected += [expected_gradients[name] for name in sorted(gradients)]
            else:
                model, feeds = onnx_model(onnx, case)
                if runner == "onnx":
                    session = __import__("onnx.reference").reference.ReferenceEvaluator(model)
                else:
                    module.set_default_logger_severity(3)
                    session = module.InferenceSession(
                        model.SerializeToString(), providers=["CPUExecutionProvider"])
                expected = session.run(None, feeds)
            error = largest_error(values, expected)
            if not error <= TOLERANCES[case.dtype]:
                print(f"{runner}: {case.kind} {case.dtype} {case.direction} flags {case.flags}, "
                      f"operands {sorted(case.operands())}, lengths {case.lengths}: {error:.2g}")
                failed = True
            errors[case.dtype.name] = max(errors.get(case.dtype.name, 0), error)
            count += 1
        compared += count
        text = ", ".join(f"{error:.2g} in {dtype}" for dtype, error in errors.items())
        what = "values and gradients" if runner == "torch" else "values"
        print(f"{runner} {module.__version__}: {count} cases, {what}, largest error {text}")
    if compared == 0:
        print("There is nothing to compare with; pip install torch, or onnx and onnxruntime.")
    return int(failed or compared == 0)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
