"""nanograd: automatic differentiation over NumPy arrays, by a small shared library.

    from nanograd import Optimizer, Parameter, Variable, Back, Zero, squared_error, trace

    x, t = Variable([0., 1., 2., 3.], tag="x"), Variable([1., 3., 5., 7.], tag="t")
    a, b = Parameter(0., tag="a"), Parameter(0., tag="b")
    y = a * x + b
    optimizer = Optimizer(alpha=0.1)
    for _ in range(200):
        loss, parameters = squared_error(y, t), []
        trace(loss, Zero())
        trace(loss, Back(parameters))
        optimizer.step(parameters)
    print(y, a.val, b.val)

Tensors are lazy: nothing is computed before a value is asked for. Different threads may use different graphs at once,
one graph is for one thread at a time; the interpreter's lock is released while values are computed.
"""

from ._tensor import Operator, Tensor  # first: the others build on it

# isort: split
from ._abi import lib as _lib
from ._arrays import (
    argmax,
    broadcast_to,
    concatenate,
    expand_dims,
    gather,
    index_select,
    item,
    log_softmax,
    logsumexp,
    mean,
    one_hot,
    pad,
    permute,
    reshape,
    select,
    slice_axis,
    softmax,
    squeeze,
    stack,
    summation,
    transpose,
)
from ._arrays import (
    max as max,
)
from ._arrays import (
    min as min,
)
from ._arrays import (
    sum as sum,
)
from ._checkpoints import Checkpoint, SafeTensors, load_file, save_file
from ._dlpack import from_dlpack
from ._drawing import picture
from ._errors import (
    ArgumentError,
    DTypeError,
    FileError,
    FormatError,
    HandleError,
    NanogradError,
    OutOfMemoryError,
    OutOfRangeError,
    ShapeError,
    StateError,
)
from ._functions import (
    absolute,
    add,
    cast,
    clamp,
    cos,
    divide,
    equal,
    exp,
    expm1,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    log1p,
    matmul,
    maximum,
    minimum,
    multiply,
    negate,
    not_equal,
    power,
    reciprocal,
    relu,
    sigmoid,
    sign,
    sin,
    sqrt,
    stop_gradient,
    subtract,
    tanh,
    where,
)
from ._gradients import check_gradients, evaluate, grad, gradients, value_and_grad
from ._leaves import Parameter, Variable
from ._losses import cross_entropy, cross_entropy_logits, lasso, ridge, squared_error
from ._optimizers import SGD, Adam, AdamW, Optimizer
from ._random import bernoulli, normal, permutation, seed, uniform
from ._recurrent import gru, gru_cell, lstm, lstm_cell, rnn, rnn_cell
from ._schedules import (
    ConstantSchedule,
    CosineSchedule,
    ExponentialSchedule,
    GeometricSchedule,
    LinearSchedule,
    Schedule,
    StepSchedule,
)
from ._system import (
    instruction_set,
    live_bytes,
    live_handles,
    memory_stats,
    num_threads,
    plan,
    profile,
    release_caches,
    reset_memory_peak,
    set_memory_limit,
    set_num_threads,
)
from ._tracing import Back, Walk, Zero, trace

__version__: str = _lib.version().decode()

# What `from nanograd import *` brings: nothing that hides a name of Python's own.
__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "ArgumentError",
    "Back",
    "Checkpoint",
    "ConstantSchedule",
    "CosineSchedule",
    "DTypeError",
    "ExponentialSchedule",
    "FileError",
    "FormatError",
    "GeometricSchedule",
    "HandleError",
    "LinearSchedule",
    "NanogradError",
    "Operator",
    "Optimizer",
    "OutOfMemoryError",
    "OutOfRangeError",
    "Parameter",
    "SafeTensors",
    "Schedule",
    "ShapeError",
    "StateError",
    "StepSchedule",
    "Tensor",
    "Variable",
    "Walk",
    "Zero",
    "absolute",
    "add",
    "argmax",
    "bernoulli",
    "broadcast_to",
    "cast",
    "check_gradients",
    "clamp",
    "concatenate",
    "cos",
    "cross_entropy",
    "cross_entropy_logits",
    "divide",
    "equal",
    "evaluate",
    "exp",
    "expand_dims",
    "expm1",
    "from_dlpack",
    "gather",
    "grad",
    "gradients",
    "greater",
    "greater_equal",
    "gru",
    "gru_cell",
    "index_select",
    "instruction_set",
    "item",
    "lasso",
    "less",
    "less_equal",
    "live_bytes",
    "live_handles",
    "load_file",
    "log",
    "log1p",
    "log_softmax",
    "logsumexp",
    "lstm",
    "lstm_cell",
    "matmul",
    "maximum",
    "mean",
    "memory_stats",
    "minimum",
    "multiply",
    "negate",
    "normal",
    "not_equal",
    "num_threads",
    "one_hot",
    "pad",
    "permutation",
    "permute",
    "picture",
    "plan",
    "power",
    "profile",
    "reciprocal",
    "release_caches",
    "relu",
    "reset_memory_peak",
    "reshape",
    "ridge",
    "rnn",
    "rnn_cell",
    "save_file",
    "seed",
    "select",
    "set_memory_limit",
    "set_num_threads",
    "sigmoid",
    "sign",
    "sin",
    "slice_axis",
    "softmax",
    "sqrt",
    "squared_error",
    "squeeze",
    "stack",
    "stop_gradient",
    "subtract",
    "summation",
    "tanh",
    "trace",
    "transpose",
    "uniform",
    "value_and_grad",
    "where",
]
