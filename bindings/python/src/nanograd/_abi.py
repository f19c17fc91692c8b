"""The functions of nanograd.h as ctypes sees them, and the library that has them.

One line per function: its name, the types of its arguments and of its result, a letter each (see `_TYPES`). A star
marks functions that may take long, because they compute, copy or write: the interpreter's lock is released while they
run. The others build graphs in well under a microsecond, and keep it. The tests hold this table against the header.
"""

import ctypes
import os
from pathlib import Path
from typing import Any

_TYPES: dict[str, Any] = {
    "t": ctypes.c_void_p,  # a handle of any kind: an int, or None for NULL
    "p": ctypes.c_void_p,  # any other pointer: an array, an address, or None
    "s": ctypes.c_char_p,  # UTF-8 text: bytes, or None
    "i": ctypes.c_int32,  # also ng_status and ng_dtype
    "l": ctypes.c_int64,
    "u": ctypes.c_uint64,
    "d": ctypes.c_double,
    "v": None,
}

_FUNCTIONS = """
    # Versions
    ng_version() s
    ng_version_number() i
    # Types
    ng_dtype_name(i) s
    ng_dtype_size(i) l
    # Errors
    ng_error() i
    ng_error_message() s
    ng_clear_error() v
    # Handles and scopes
    ng_scope_begin() i
    ng_scope_end() i
    ng_keep(t) t
    ng_release(t) i
    ng_live_handles() l
    ng_live_bytes() l
    # Making leaves
    ng_variable*(iipps) t
    ng_parameter*(iipps) t
    ng_to_variable*(ts) t
    ng_to_parameter*(ts) t
    ng_constant(id) t
    ng_zeros(iip) t
    ng_ones(iip) t
    ng_full(iipd) t
    ng_arange*(iddd) t
    # Random numbers
    ng_seed(u) v
    ng_normal*(iipdd) t
    ng_uniform*(iipdd) t
    ng_bernoulli*(iipd) t
    ng_permutation*(l) t
    # Asking about a tensor
    ng_dtype_of(t) i
    ng_rank(t) i
    ng_dim(ti) l
    ng_shape(tip) i
    ng_size(t) l
    ng_is_parameter(t) i
    ng_is_variable(t) i
    ng_is_same(tt) i
    # Values
    ng_eval*(pi) i
    ng_read*(tpl) i
    ng_write*(tpl) i
    ng_assign*(tt) i
    ng_item*(t) d
    # Elementwise operators
    ng_add(tt) t
    ng_subtract(tt) t
    ng_multiply(tt) t
    ng_divide(tt) t
    ng_power(tt) t
    ng_add_scalar(td) t
    ng_multiply_scalar(td) t
    ng_power_scalar(td) t
    ng_negate(t) t
    ng_abs(t) t
    ng_sign(t) t
    ng_exp(t) t
    ng_log(t) t
    ng_log1p(t) t
    ng_expm1(t) t
    ng_sqrt(t) t
    ng_reciprocal(t) t
    ng_sin(t) t
    ng_cos(t) t
    ng_tanh(t) t
    ng_sigmoid(t) t
    ng_relu(t) t
    ng_maximum(tt) t
    ng_minimum(tt) t
    ng_clamp(tdd) t
    ng_equal(tt) t
    ng_not_equal(tt) t
    ng_less(tt) t
    ng_less_equal(tt) t
    ng_greater(tt) t
    ng_greater_equal(tt) t
    ng_where(ttt) t
    ng_cast(ti) t
    ng_stop_gradient(t) t
    # Matrix products
    ng_matmul(tt) t
    # Shapes
    ng_transpose(t) t
    ng_permute(tip) t
    ng_reshape(tip) t
    ng_broadcast_to(tip) t
    ng_expand_dims(ti) t
    ng_squeeze(ti) t
    ng_as_scalar(t) t
    ng_slice(tilll) t
    ng_select(til) t
    ng_concatenate(pii) t
    ng_stack(pii) t
    ng_pad(tippd) t
    ng_gather(tti) t
    ng_index_select(tti) t
    ng_one_hot(tli) t
    # Reductions
    ng_sum(tipi) t
    ng_mean(tipi) t
    ng_max(tipi) t
    ng_min(tipi) t
    ng_logsumexp(tipi) t
    ng_argmax(tii) t
    ng_softmax(ti) t
    ng_log_softmax(ti) t
    # Losses
    ng_squared_error(tt) t
    ng_binary_cross_entropy(tt) t
    ng_binary_cross_entropy_logits(tt) t
    ng_cross_entropy(tt) t
    ng_cross_entropy_logits(tt) t
    ng_cross_entropy_indices(tt) t
    ng_cross_entropy_logits_indices(tt) t
    ng_ridge(t) t
    ng_lasso(t) t
    # Recurrent networks
    ng_rnn_cell(tttttti) t
    ng_gru_cell(tttttti) t
    ng_lstm_cell(tttttttip) t
    ng_rnn*(tttttttip) t
    ng_gru*(tttttttip) t
    ng_lstm*(ttttttttipp) t
    # Gradients
    ng_backward*(t) i
    ng_backward_eval*(tpi) i
    ng_grad(t) t
    ng_zero_grad(pi) i
    ng_gradients*(ttpip) i
    ng_check_gradients*(tdp) i
    # Schedules
    ng_schedule_constant(ld) t
    ng_schedule_linear(ldd) t
    ng_schedule_cosine(ldd) t
    ng_schedule_exponential(ldd) t
    ng_schedule_step(ldd) t
    ng_schedule_chain(tt) t
    ng_schedule_rate(tl) d
    ng_schedule_release(t) i
    # Optimizers
    ng_sgd(d) t
    ng_adam(d) t
    ng_adamw(d) t
    ng_optimizer_add(tpi) i
    ng_optimizer_set_rate(td) i
    ng_optimizer_set_schedule(tt) i
    ng_optimizer_set_momentum(tdi) i
    ng_optimizer_set_betas(tddd) i
    ng_optimizer_set_weight_decay(td) i
    ng_optimizer_set_clip_norm(td) i
    ng_optimizer_set_clip_value(td) i
    ng_optimizer_step*(t) i
    ng_optimizer_zero_grad(t) i
    ng_optimizer_rate(t) d
    ng_optimizer_grad_norm(t) d
    ng_optimizer_steps(t) l
    ng_optimizer_release(t) i
    # Checkpoints
    ng_checkpoint_new() t
    ng_checkpoint_add(tppi) i
    ng_checkpoint_add_optimizer(tst) i
    ng_checkpoint_add_random(ts) i
    ng_checkpoint_set_text(tss) i
    ng_checkpoint_set_integer(tsl) i
    ng_checkpoint_save*(ts) i
    ng_checkpoint_write*(tpl) l
    ng_checkpoint_load*(tt) i
    ng_checkpoint_release(t) i
    ng_safetensors_open*(s) t
    ng_safetensors_open_memory*(pl) t
    ng_safetensors_count(t) l
    ng_safetensors_name(tlpl) l
    ng_safetensors_contains(ts) i
    ng_safetensors_dtype(ts) i
    ng_safetensors_rank(ts) i
    ng_safetensors_shape(tsip) i
    ng_safetensors_tensor*(ts) t
    ng_safetensors_text_count(t) l
    ng_safetensors_key(tlpl) l
    ng_safetensors_text(tspl) l
    ng_safetensors_integer(tsp) i
    ng_safetensors_release(t) i
    # Drawing
    ng_tag(tpl) l
    ng_notation*(tpl) l
    ng_tree*(tpl) l
    ng_dot*(tpl) l
    ng_graph_dot*(piiilpl) l
    ng_graph_mermaid*(piiilpl) l
    ng_graph_tree*(piiilpl) l
    # Memory
    ng_memory_stat(i) l
    ng_set_memory_limit*(l) i
    ng_reset_memory_peak() v
    ng_release_caches*() v
    # DLPack
    ng_from_dlpack*(pis) t
    ng_to_dlpack*(ti) p
    # How it runs
    ng_plan_describe*(pipl) l
    ng_plan_profile*(piipl) l
    ng_num_threads() i
    ng_set_num_threads(i) i
    ng_isa() s
"""


def signatures() -> dict[str, tuple[str, str, bool]]:
    """Name: the letters of the arguments, the letter of the result, whether it may take long."""
    table = {}
    for line in _FUNCTIONS.split("\n"):
        line = line.strip()
        if line and not line.startswith("#"):
            name, rest = line.split("(")
            arguments, result = rest.split(")")
            table[name.rstrip("*")] = (arguments, result.strip(), name.endswith("*"))
    return table


def _path() -> Path:
    """The library in this package, unless NANOGRAD_LIBRARY names another."""
    named = os.environ.get("NANOGRAD_LIBRARY")
    path = Path(named) if named else Path(__file__).with_name("libnanograd.so")
    if not path.is_file():
        raise ImportError(
            f"there is no {path}"
            + (" (NANOGRAD_LIBRARY)" if named else "; install the package, or set NANOGRAD_LIBRARY")
        )
    return path.resolve()


class _Library:
    """The functions as attributes, by their names without `ng_`."""

    def __init__(self, path: Path) -> None:
        try:
            holding, releasing = ctypes.PyDLL(str(path)), ctypes.CDLL(str(path))
        except OSError as error:
            raise ImportError(f"{path} cannot be loaded: {error}") from None
        for name, (arguments, result, is_long) in signatures().items():
            try:
                function = (releasing if is_long else holding)[name]
            except AttributeError:
                raise ImportError(
                    f"{path} has no {name}: it is of another version than this package"
                ) from None
            function.argtypes = [_TYPES[letter] for letter in arguments]
            function.restype = _TYPES[result]
            setattr(self, name.removeprefix("ng_"), function)

    def __getattr__(self, name: str) -> Any:  # tells type checkers that there are attributes
        raise AttributeError(f"nanograd has no function ng_{name}")


lib = _Library(_path())
