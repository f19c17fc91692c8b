/**
 * @file nanograd.h
 * @brief nanograd: automatic differentiation for any language that can call C.
 *
 *     #include <nanograd.h>
 *     #include <stdio.h>
 *
 *     int main(void) {
 *       const float three[] = {1, 2, 3};
 *       const int64_t shape[] = {3};
 *       ng_tensor *w = ng_parameter(NG_FLOAT32, 1, shape, three, "w");
 *       ng_scope_begin();
 *       ng_tensor *loss = ng_ridge(w);                   // the sum of w², not computed yet
 *       ng_backward(loss);                               // computed here, and its gradient 2w
 *       float gradient[3];
 *       ng_read(ng_grad(w), gradient, sizeof gradient);
 *       if (ng_error() != NG_OK) printf("%s\n", ng_error_message());
 *       printf("loss %g, gradient %g %g %g\n", ng_item(loss), gradient[0], gradient[1], gradient[2]);
 *       ng_scope_end();                                  // frees loss and the gradient's handle
 *       return ng_release(w);
 *     }
 *
 * prints
 *
 *     loss 14, gradient 2 4 6
 *
 * This header is the whole interface and its manual. Link with `-lnanograd`. Nothing has to be
 * initialised, and no call exits, aborts, prints or traps.
 *
 * **Tensors are lazy.** An operator checks shapes and dtypes at once and computes nothing. Values
 * are computed when they are asked for: by `ng_eval`, `ng_read`, `ng_item`, `ng_backward`, or an
 * optimizer. A value follows its leaves: after `ng_write` or an optimizer's step the same tensor
 * gives the new value. A graph built once and run many times and a graph rebuilt at every step are
 * equally good. What was asked for is kept until a leaf below it changes; what was only needed on the
 * way there is not. An index out of range, or memory that cannot be had, is reported by the call that
 * asks for the value.
 *
 * **Handles and scopes.** An `ng_tensor *` is a handle, not an address: never dereference it. It
 * lives until `ng_release`, or until the scope in which it was made ends. Between `ng_scope_begin`
 * and `ng_scope_end`, temporaries of nested expressions are thus free. With no scope open, the
 * caller owns every handle a function returns. The graph holds its own references: releasing a
 * handle never invalidates a tensor that was built from it. A stale, foreign or doubly released
 * handle is an error like any other (`NG_ERROR_HANDLE`), never undefined behaviour. Scopes that are
 * open when their thread ends, end with it.
 *
 * **Errors.** A function that returns a handle returns NULL on failure; one that returns `ng_status`
 * returns 0 or a negative `NG_ERROR_…`; others say what they return. Code and message of the
 * thread's last failure are kept for `ng_error` and `ng_error_message`. A NULL handle among the
 * arguments makes a call fail quietly: an error that is already recorded stays, so that a whole
 * expression can be checked once, at its end; if none is, it is `NG_ERROR_NULL`. Calls that succeed
 * leave the record as it is. A failed call changes nothing else.
 *
 * **Shapes** are arrays of `rank` dimensions, each at least 0; the rank is 0 (a scalar; the array may
 * be NULL) to `NG_MAX_RANK`. Data is dense and row-major (the last axis varies fastest). An axis may
 * be negative: -1 is the last. Binary operators broadcast as in NumPy: shapes are aligned at their
 * last axes, and a missing dimension or one of 1 is repeated. Their gradients are summed over what
 * was repeated. Operands must have the same dtype; `ng_cast` converts.
 *
 * **Gradients.** Below, `g` stands for the gradient that reaches an operator's result `y`. Gradients
 * are graphs of the same operators and can be differentiated again. Integer tensors carry none.
 *
 * **Threads.** Different threads may use different graphs at once; one graph is for one thread at a
 * time, which includes the leaves it writes. Any thread may release any handle. Scopes, errors and
 * the random generator belong to the thread. Unless a function says otherwise, that is its rule.
 *
 * **Forks.** The child of a `fork` may use everything it has handles to, but what other threads of the
 * parent were computing or changing at that moment. What those had in hand stays allocated in it. No
 * other thread should be in its very first call meanwhile.
 *
 * **Determinism.** The same calls give the same bits, for any number of threads, from run to run.
 * Another instruction set (`ng_isa`) or another version of the library may round differently.
 *
 * **Versions.** As long as the major version stays the same, functions and constants are only added: a
 * program that was built against one version runs with every later one. `ng_version_number` tells
 * which library it runs with, and abi.md in the documentation what exactly is kept.
 */
#ifndef NANOGRAD_H
#define NANOGRAD_H

#include <stdint.h>

#if defined(__GNUC__)
#define NG_API __attribute__((visibility("default")))
#else
#define NG_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Versions -------------------------------------------------------------------------------- */

/** The version of this header. Compare with `ng_version_number()` of the library at run time. */
#define NG_VERSION_MAJOR 0
#define NG_VERSION_MINOR 1 /**< See `NG_VERSION_MAJOR`. */
#define NG_VERSION_PATCH 0 /**< See `NG_VERSION_MAJOR`. */
/** major · 10,000 + minor · 100 + patch. */
#define NG_VERSION_NUMBER (NG_VERSION_MAJOR * 10000 + NG_VERSION_MINOR * 100 + NG_VERSION_PATCH)

/** The library's version as text, such as "0.1.0". Static; any thread; cannot fail. */
NG_API const char *ng_version(void);

/** The library's `NG_VERSION_NUMBER`. Any thread; cannot fail. */
NG_API int32_t ng_version_number(void);

/* ---- Types ----------------------------------------------------------------------------------- */

/** The most dimensions a tensor can have. */
#define NG_MAX_RANK 8

/** A handle to a tensor: a leaf, or an operator applied to other tensors. */
typedef struct ng_tensor ng_tensor;
/** A handle to an optimizer. Owned by the caller; scopes do not touch it. */
typedef struct ng_optimizer ng_optimizer;
/** A handle to a schedule of rates. Owned by the caller; scopes do not touch it. */
typedef struct ng_schedule ng_schedule;
/** A handle to a list of what belongs to a checkpoint. Owned by the caller; scopes do not touch it. */
typedef struct ng_checkpoint ng_checkpoint;
/** A handle to an open safetensors file. Owned by the caller; scopes do not touch it. */
typedef struct ng_safetensors ng_safetensors;

/** 0 (`NG_OK`) for success, or a negative error code. */
typedef int32_t ng_status;
/** The type of a tensor's elements. */
typedef int32_t ng_dtype;

/** Element types. Values and gradients are float32 or float64; integers serve as indices, and can
 * be added, subtracted, multiplied (wrapping around), compared, reduced and moved. */
enum {
  NG_FLOAT32 = 1,
  NG_FLOAT64 = 2,
  NG_INT32 = 3,
  NG_INT64 = 4
};

/** What can go wrong. More may be added; treat an unknown negative status as a failure. */
enum {
  NG_OK = 0,
  NG_ERROR_NULL = -1,     /**< an argument is NULL that must not be */
  NG_ERROR_HANDLE = -2,   /**< a handle is stale, of another kind, or was never one */
  NG_ERROR_SHAPE = -3,    /**< shapes, ranks or sizes do not fit */
  NG_ERROR_DTYPE = -4,    /**< dtypes differ, or an operator is not defined for one */
  NG_ERROR_ARGUMENT = -5, /**< an axis, count or number is out of its range */
  NG_ERROR_INDEX = -6,    /**< an element of an index tensor is out of range (found on evaluation) */
  NG_ERROR_MEMORY = -7,   /**< memory for data could not be had */
  NG_ERROR_STATE = -8,    /**< not possible now: not a leaf, no open scope, not differentiable */
  NG_ERROR_FILE = -9,     /**< the system could not open, read or write a file */
  NG_ERROR_FORMAT = -10   /**< a file is damaged, or is not what it should be */
};

/** "float32" and so on, or "unknown". Static; any thread; cannot fail. */
NG_API const char *ng_dtype_name(ng_dtype dtype);

/** Bytes of an element: 4 or 8; 0 if `dtype` is none. Any thread; cannot fail. */
NG_API int64_t ng_dtype_size(ng_dtype dtype);

/* ---- Errors ---------------------------------------------------------------------------------- */

/** The code of this thread's last failure since `ng_clear_error`, or `NG_OK`. Successes keep it. */
NG_API ng_status ng_error(void);

/** The message that goes with `ng_error`: function, what was given, what was expected. "" if there
 * is none. UTF-8, owned by the library, valid until the thread's next call. */
NG_API const char *ng_error_message(void);

/** Forgets this thread's error. */
NG_API void ng_clear_error(void);

/* ---- Handles and scopes ---------------------------------------------------------------------- */

/** Opens a scope on this thread: tensor handles made from now on are released when it ends. Scopes
 * nest. Error: `NG_ERROR_MEMORY`. */
NG_API ng_status ng_scope_begin(void);

/** Ends this thread's innermost scope and releases the handles made in it. Error: `NG_ERROR_STATE`
 * if none is open. */
NG_API ng_status ng_scope_end(void);

/** Moves a handle out of the scope it was made in: into the enclosing scope if there is one, else to
 * the caller. Returns the same handle, so that it can wrap a function's result. To be called on the
 * thread, and inside the scope, in which the handle was made; anywhere else it changes nothing. */
NG_API ng_tensor *ng_keep(ng_tensor *tensor);

/** Gives up a handle. Tensors built from it stay valid. NULL is allowed and does nothing. Any thread.
 * Error: `NG_ERROR_HANDLE`, for one that was released before, for example. */
NG_API ng_status ng_release(ng_tensor *tensor);

/** Handles (tensors, optimizers and so on) alive in the process. Any thread; cannot fail. Takes some
 * microseconds for every 4,096 handles that were ever alive at once. */
NG_API int64_t ng_live_handles(void);

/** Bytes of tensor data alive in the process; "Memory" tells more. Any thread; cannot fail. */
NG_API int64_t ng_live_bytes(void);

/* ---- Making leaves --------------------------------------------------------------------------- */

/** A leaf without gradient, holding a copy of `data`, or zeros if `data` is NULL. `tag` is its name in
 * drawings (UTF-8, copied; NULL for none: it is then drawn as `variable N`).
 * Errors: `NG_ERROR_DTYPE`, `NG_ERROR_SHAPE`, `NG_ERROR_MEMORY`. */
NG_API ng_tensor *ng_variable(ng_dtype dtype, int32_t rank, const int64_t *shape, const void *data,
                              const char *tag);

/** A leaf that gradients are accumulated for, otherwise like `ng_variable`; float32 or float64. */
NG_API ng_tensor *ng_parameter(ng_dtype dtype, int32_t rank, const int64_t *shape, const void *data,
                               const char *tag);

/** A new Variable with a copy of the tensor's present value (which is computed), cut off from the
 * graph that gave it. */
NG_API ng_tensor *ng_to_variable(ng_tensor *value, const char *tag);

/** A new Parameter with a copy of the tensor's present value:
 * `ng_to_parameter(ng_multiply_scalar(ng_normal(NG_FLOAT32, 2, shape, 0, 1), 0.1), "W")`. */
NG_API ng_tensor *ng_to_parameter(ng_tensor *value, const char *tag);

/** A scalar that never changes, drawn as its number. For an integer dtype `value` must be integral. */
NG_API ng_tensor *ng_constant(ng_dtype dtype, double value);

/** A tensor full of 0. */
NG_API ng_tensor *ng_zeros(ng_dtype dtype, int32_t rank, const int64_t *shape);

/** A tensor full of 1. */
NG_API ng_tensor *ng_ones(ng_dtype dtype, int32_t rank, const int64_t *shape);

/** A tensor full of `value`. */
NG_API ng_tensor *ng_full(ng_dtype dtype, int32_t rank, const int64_t *shape, double value);

/** A Variable with start, start + step, … up to but without `stop`: max(0, ⌈(stop - start) / step⌉)
 * elements. `step` must not be 0. */
NG_API ng_tensor *ng_arange(ng_dtype dtype, double start, double stop, double step);

/* ---- Random numbers ----------------------------------------------------------------------------
 * Counter-based (Philox 4x32-10; Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011): the numbers depend on the seed and on what was drawn since, and are the same on every
 * machine. Each thread has its own generator, which starts as if seeded with 0. */

/** Starts this thread's generator anew. */
NG_API void ng_seed(uint64_t seed);

/** A Variable with samples of the normal distribution; `deviation` ≥ 0; float32 or float64. */
NG_API ng_tensor *ng_normal(ng_dtype dtype, int32_t rank, const int64_t *shape, double mean,
                            double deviation);

/** A Variable with samples uniform in [low, high), or all `low` if the bounds are equal; float32 or
 * float64. */
NG_API ng_tensor *ng_uniform(ng_dtype dtype, int32_t rank, const int64_t *shape, double low,
                             double high);

/** A Variable of 1 with the given probability (in [0, 1]), else 0; any dtype. */
NG_API ng_tensor *ng_bernoulli(ng_dtype dtype, int32_t rank, const int64_t *shape,
                               double probability);

/** An int64 Variable with 0 … count - 1 in random order. */
NG_API ng_tensor *ng_permutation(int64_t count);

/* ---- Asking about a tensor ------------------------------------------------------------------- */

/** Its element type, or a negative status. */
NG_API ng_dtype ng_dtype_of(ng_tensor *tensor);

/** Its number of dimensions, or a negative status. */
NG_API int32_t ng_rank(ng_tensor *tensor);

/** One dimension, or a negative status. */
NG_API int64_t ng_dim(ng_tensor *tensor, int32_t axis);

/** Writes all dimensions to `shape`, which has room for `capacity` of them.
 * Error: `NG_ERROR_ARGUMENT` if the rank is larger; nothing is written then. */
NG_API ng_status ng_shape(ng_tensor *tensor, int32_t capacity, int64_t *shape);

/** The number of elements, or a negative status. */
NG_API int64_t ng_size(ng_tensor *tensor);

/** 1 if it is a Parameter, 0 if not, or a negative status. */
NG_API int32_t ng_is_parameter(ng_tensor *tensor);

/** 1 if it is a Variable, 0 if not, or a negative status. */
NG_API int32_t ng_is_variable(ng_tensor *tensor);

/** 1 if both handles stand for the very same tensor, 0 if not, or a negative status. */
NG_API int32_t ng_is_same(ng_tensor *a, ng_tensor *b);

/* ---- Values ---------------------------------------------------------------------------------- */

/** Computes `count` tensors in one pass and keeps their values until a leaf they depend on changes.
 * Cheaper than one after the other where they share work. Errors: `NG_ERROR_INDEX`,
 * `NG_ERROR_MEMORY`, and `NG_ERROR_SHAPE` if a product or reduction would take more than 2^56 additions,
 * as one of broadcast views may; everything is then as before. */
NG_API ng_status ng_eval(ng_tensor *const *tensors, int32_t count);

/** Computes the tensor if needed and copies its elements to `data`, which has exactly `bytes` bytes
 * (elements × element size, else `NG_ERROR_SHAPE`). */
NG_API ng_status ng_read(ng_tensor *tensor, void *data, int64_t bytes);

/** Replaces a leaf's elements; `bytes` as in `ng_read`. Tensors built from it follow.
 * Error: `NG_ERROR_STATE` if it is not a Variable or Parameter. */
NG_API ng_status ng_write(ng_tensor *leaf, const void *data, int64_t bytes);

/** Replaces a leaf's elements by the present value of another tensor of its shape and dtype. */
NG_API ng_status ng_assign(ng_tensor *leaf, ng_tensor *value);

/** The value of a tensor with exactly one element, computed if needed. NaN on failure (ask `ng_error`
 * where NaN may be a value). */
NG_API double ng_item(ng_tensor *tensor);

/* ---- Elementwise operators -------------------------------------------------------------------- */

/** y = a + b. Gradients: g, g. */
NG_API ng_tensor *ng_add(ng_tensor *a, ng_tensor *b);
/** y = a - b. Gradients: g, -g. */
NG_API ng_tensor *ng_subtract(ng_tensor *a, ng_tensor *b);
/** y = a · b, element by element. Gradients: g·b, g·a. */
NG_API ng_tensor *ng_multiply(ng_tensor *a, ng_tensor *b);
/** y = a / b; not for integers. Gradients: g/b, -g·y/b. */
NG_API ng_tensor *ng_divide(ng_tensor *a, ng_tensor *b);
/** y = a to the power of b, as C's pow; not for integers. Gradients: g·b·a^(b-1), g·y·log a (0 where
 * a ≤ 0). */
NG_API ng_tensor *ng_power(ng_tensor *a, ng_tensor *b);
/** y = a + value. */
NG_API ng_tensor *ng_add_scalar(ng_tensor *a, double value);
/** y = a · value. */
NG_API ng_tensor *ng_multiply_scalar(ng_tensor *a, double value);
/** y = a to the power of a number. Gradient: g·k·a^(k-1). */
NG_API ng_tensor *ng_power_scalar(ng_tensor *a, double exponent);
/** y = -a. Gradient: -g. */
NG_API ng_tensor *ng_negate(ng_tensor *a);
/** y = |a|. Gradient: g·sign(a). */
NG_API ng_tensor *ng_abs(ng_tensor *a);
/** y = -1, 0 or 1; NaN of NaN. Gradient: 0. */
NG_API ng_tensor *ng_sign(ng_tensor *a);
/** y = eᵃ. Gradient: g·y. */
NG_API ng_tensor *ng_exp(ng_tensor *a);
/** y = ln a. Gradient: g/a. */
NG_API ng_tensor *ng_log(ng_tensor *a);
/** y = ln(1 + a), accurate for small a. Gradient: g/(1 + a). */
NG_API ng_tensor *ng_log1p(ng_tensor *a);
/** y = eᵃ - 1, accurate for small a. Gradient: g·(y + 1). */
NG_API ng_tensor *ng_expm1(ng_tensor *a);
/** y = √a. Gradient: g/(2y). */
NG_API ng_tensor *ng_sqrt(ng_tensor *a);
/** y = 1/a. Gradient: -g·y². */
NG_API ng_tensor *ng_reciprocal(ng_tensor *a);
/** y = sin a, in radians. Gradient: g·cos a. */
NG_API ng_tensor *ng_sin(ng_tensor *a);
/** y = cos a, in radians. Gradient: -g·sin a. */
NG_API ng_tensor *ng_cos(ng_tensor *a);
/** y = tanh a. Gradient: g·(1 - y²). */
NG_API ng_tensor *ng_tanh(ng_tensor *a);
/** y = 1/(1 + e⁻ᵃ). Gradient: g·y·(1 - y). */
NG_API ng_tensor *ng_sigmoid(ng_tensor *a);
/** y = max(a, 0). Gradient: g where a > 0, else 0. */
NG_API ng_tensor *ng_relu(ng_tensor *a);
/** y = the larger of a and b; NaN if either is NaN. Gradient: to the larger; half to each of equals. */
NG_API ng_tensor *ng_maximum(ng_tensor *a, ng_tensor *b);
/** y = the smaller of a and b; NaN if either is NaN. Gradient: to the smaller; half to each of equals. */
NG_API ng_tensor *ng_minimum(ng_tensor *a, ng_tensor *b);
/** y = a limited to [low, high]; low ≤ high. Gradient: g where low ≤ a ≤ high, else 0. */
NG_API ng_tensor *ng_clamp(ng_tensor *a, double low, double high);

/** y = 1 where a = b, else 0, in the operands' dtype; comparisons with NaN give 0. No gradient, as
 * for all comparisons. */
NG_API ng_tensor *ng_equal(ng_tensor *a, ng_tensor *b);
/** y = 1 where a ≠ b (so also where either is NaN), else 0. */
NG_API ng_tensor *ng_not_equal(ng_tensor *a, ng_tensor *b);
/** y = 1 where a < b, else 0. */
NG_API ng_tensor *ng_less(ng_tensor *a, ng_tensor *b);
/** y = 1 where a ≤ b, else 0. */
NG_API ng_tensor *ng_less_equal(ng_tensor *a, ng_tensor *b);
/** y = 1 where a > b, else 0. */
NG_API ng_tensor *ng_greater(ng_tensor *a, ng_tensor *b);
/** y = 1 where a ≥ b, else 0. */
NG_API ng_tensor *ng_greater_equal(ng_tensor *a, ng_tensor *b);

/** y = a where the condition is not 0, else b; all three broadcast; the condition may have any dtype.
 * Gradients: g where chosen, else 0; none for the condition. */
NG_API ng_tensor *ng_where(ng_tensor *condition, ng_tensor *a, ng_tensor *b);

/** The same numbers in another dtype: rounded to nearest for floats, toward 0 for integers (NaN gives
 * 0, what is out of range the nearest end). Gradient between float dtypes: g, cast back. */
NG_API ng_tensor *ng_cast(ng_tensor *a, ng_dtype dtype);

/** y = a, with no gradient. */
NG_API ng_tensor *ng_stop_gradient(ng_tensor *a);

/* ---- Matrix products -------------------------------------------------------------------------- */

/** y = a @ b: [m, k] with [k, n] gives [m, n]; leading axes are batches, which broadcast. A vector on
 * the left is a row, on the right a column, and its axis is not in the result: [k] with [k] gives a
 * scalar. Gradients: g @ bᵀ, aᵀ @ g. Floats only. */
NG_API ng_tensor *ng_matmul(ng_tensor *a, ng_tensor *b);

/* ---- Shapes ----------------------------------------------------------------------------------- */

/** Swaps the last two axes; a scalar or vector stays as it is. Gradient: g, swapped back. */
NG_API ng_tensor *ng_transpose(ng_tensor *a);
/** Axis i of the result is axis `axes[i]` of a; `count` must be a's rank. Gradient: g, moved back. */
NG_API ng_tensor *ng_permute(ng_tensor *a, int32_t count, const int32_t *axes);
/** The same elements in another shape, of which one dimension may be -1: worked out from the others.
 * Gradient: g in a's shape. */
NG_API ng_tensor *ng_reshape(ng_tensor *a, int32_t rank, const int64_t *shape);
/** Repeats a to the given shape, by the rule for binary operators. Gradient: g, summed back. */
NG_API ng_tensor *ng_broadcast_to(ng_tensor *a, int32_t rank, const int64_t *shape);
/** Adds an axis of 1, which will be axis `axis` of the result. */
NG_API ng_tensor *ng_expand_dims(ng_tensor *a, int32_t axis);
/** Removes an axis of 1. */
NG_API ng_tensor *ng_squeeze(ng_tensor *a, int32_t axis);
/** A tensor of one element as a scalar (rank 0); drawn `(a)`. */
NG_API ng_tensor *ng_as_scalar(ng_tensor *a);
/** Elements start, start + step, … before `stop` along an axis, as Python's a[start:stop:step]: negative
 * bounds count from the end, and bounds are clipped. `INT64_MAX` and `INT64_MIN` stand for "to the
 * end" with a positive and a negative step. `step` must not be 0. Gradient: g, in zeros. */
NG_API ng_tensor *ng_slice(ng_tensor *a, int32_t axis, int64_t start, int64_t stop, int64_t step);
/** The part at one index (negative: from the end) of an axis, without that axis. Gradient: g, in zeros. */
NG_API ng_tensor *ng_select(ng_tensor *a, int32_t axis, int64_t index);
/** Joins `count` tensors along an axis; all other dimensions are equal. Gradients: g's parts. */
NG_API ng_tensor *ng_concatenate(ng_tensor *const *tensors, int32_t count, int32_t axis);
/** Joins `count` tensors of one shape along a new axis. Gradients: g's parts. */
NG_API ng_tensor *ng_stack(ng_tensor *const *tensors, int32_t count, int32_t axis);
/** Surrounds a with `value`: before[i] and after[i] elements (≥ 0) on axis i; `count` must be a's rank.
 * Gradient: g without the surrounds. */
NG_API ng_tensor *ng_pad(ng_tensor *a, int32_t count, const int64_t *before, const int64_t *after,
                         double value);
/** Picks elements along an axis: y[…, j, …] = a[…, indices[…, j, …], …]. `indices` (int32 or int64) has
 * a's rank; its other dimensions equal a's or are 1. Indices from 0, checked on evaluation
 * (`NG_ERROR_INDEX`). Gradient: g, added at the indices. */
NG_API ng_tensor *ng_gather(ng_tensor *a, ng_tensor *indices, int32_t axis);
/** Picks whole slices: a's axis is replaced by the axes of `indices` (int32 or int64, any rank), as in
 * an embedding. Checked and differentiated like `ng_gather`. */
NG_API ng_tensor *ng_index_select(ng_tensor *a, ng_tensor *indices, int32_t axis);
/** A new last axis of `depth` (0 to 2³¹ - 1): 1 at the index, 0 elsewhere (all 0 for an index out of
 * range). */
NG_API ng_tensor *ng_one_hot(ng_tensor *indices, int64_t depth, ng_dtype dtype);

/* ---- Reductions ---------------------------------------------------------------------------------
 * Over the `count` given axes, or over all if `axes` is NULL. With `keep` not 0 the reduced axes stay
 * as 1, else they go. */

/** The sum; of no elements 0. Gradient: g, repeated. */
NG_API ng_tensor *ng_sum(ng_tensor *a, int32_t count, const int32_t *axes, int32_t keep);
/** The mean; of no elements NaN; floats only. Gradient: g/n, repeated. */
NG_API ng_tensor *ng_mean(ng_tensor *a, int32_t count, const int32_t *axes, int32_t keep);
/** The largest; NaN if any is NaN; at least one element. Gradient: g, split evenly among the largest. */
NG_API ng_tensor *ng_max(ng_tensor *a, int32_t count, const int32_t *axes, int32_t keep);
/** The smallest, otherwise like `ng_max`. */
NG_API ng_tensor *ng_min(ng_tensor *a, int32_t count, const int32_t *axes, int32_t keep);
/** ln Σ eᵃ without overflow. Gradient: g·softmax(a). */
NG_API ng_tensor *ng_logsumexp(ng_tensor *a, int32_t count, const int32_t *axes, int32_t keep);
/** The index of the first of the largest along one axis, as int64; of NaN if there is one. No gradient. */
NG_API ng_tensor *ng_argmax(ng_tensor *a, int32_t axis, int32_t keep);
/** y = eᵃ / Σ eᵃ along an axis, without overflow. Gradient: y·(g - Σ g·y). */
NG_API ng_tensor *ng_softmax(ng_tensor *a, int32_t axis);
/** y = a - ln Σ eᵃ along an axis, without overflow. Gradient: g - softmax(a)·Σ g. */
NG_API ng_tensor *ng_log_softmax(ng_tensor *a, int32_t axis);

/* ---- Losses -------------------------------------------------------------------------------------
 * Each gives a scalar. For `y` and `t` of one shape, unless said otherwise. */

/** mean((t - y)²). Gradient in y: 2(y - t)/n. */
NG_API ng_tensor *ng_squared_error(ng_tensor *y, ng_tensor *t);
/** mean(-(t·ln(y + ε) + (1 - t)·ln(1 - y + ε))), ε = 1e-12, for probabilities y. */
NG_API ng_tensor *ng_binary_cross_entropy(ng_tensor *y, ng_tensor *t);
/** The same for logits z, y = sigmoid(z), without overflow: mean(max(z, 0) - z·t + ln(1 + e^-|z|)).
 * Gradient in z: (sigmoid(z) - t)/n. */
NG_API ng_tensor *ng_binary_cross_entropy_logits(ng_tensor *z, ng_tensor *t);
/** For probabilities y over the last axis and targets t of the same shape (one-hot, or any
 * distribution): -mean over rows of Σ t·ln(y + ε), ε = 1e-12. */
NG_API ng_tensor *ng_cross_entropy(ng_tensor *y, ng_tensor *t);
/** The same for logits z, y = softmax(z), without overflow. Gradient in z: (softmax(z)·Σt - t)/rows. */
NG_API ng_tensor *ng_cross_entropy_logits(ng_tensor *z, ng_tensor *t);
/** As `ng_cross_entropy`, the targets being class indices (int32 or int64) in y's shape without its last
 * axis. A row whose index is no class contributes 0. */
NG_API ng_tensor *ng_cross_entropy_indices(ng_tensor *y, ng_tensor *indices);
/** As `ng_cross_entropy_logits`, the targets being class indices. */
NG_API ng_tensor *ng_cross_entropy_logits_indices(ng_tensor *z, ng_tensor *indices);
/** Σ w². Gradient: 2w. */
NG_API ng_tensor *ng_ridge(ng_tensor *w);
/** Σ |w|. Gradient: sign(w). */
NG_API ng_tensor *ng_lasso(ng_tensor *w);

/* ---- Recurrent networks -------------------------------------------------------------------------
 * Cells and whole sequences, as ONNX defines RNN, GRU and LSTM: composites of the operators above, so
 * that gradients of any order follow. Below, G is the number of gates, I inputs, H hidden units.
 *
 * Weights of all gates stand side by side along the last axis, in ONNX's order: z, r, h for a GRU, and
 * i, o, f, c for an LSTM.
 *
 *     w   [I, G·H]  for the input: the transpose of ONNX's W and of PyTorch's weight_ih
 *     r   [H, G·H]  for the state: the transpose of ONNX's R and of PyTorch's weight_hh
 *     wb  [G·H]     added to the input's product, NULL for none: ONNX's Wb, PyTorch's bias_ih
 *     rb  [G·H]     added to the state's product, NULL for none: ONNX's Rb, PyTorch's bias_hh
 *
 * PyTorch orders gates r, z, n in a GRU (with `NG_GRU_RESET_AFTER`) and i, f, g, o in an LSTM:
 * `ng_slice` takes its weights apart, and `ng_concatenate` joins them in the order above. Where each gate
 * has a Parameter of its own, `ng_concatenate` joins these likewise; no copy is made of weights that
 * are joined only to be used here.
 *
 * The first state is a tensor like any other, and learned if it leads to a Parameter: [batch, H] or what
 * broadcasts to it, such as [1, H]. All floats have one dtype. What fails, fails as the operators do, with
 * `NG_ERROR_SHAPE`, `NG_ERROR_DTYPE` or `NG_ERROR_ARGUMENT` (flags that do not apply, too many
 * steps). Where a result is written through a pointer, NULL stands for "not wanted", and on failure
 * nothing is written; it is a new handle like the one that is returned.
 * Of ONNX's attributes, peepholes, clip, input_forget and other activations are not supported. */

/** Flags of the functions below; those that apply to one are added up, 0 for none. */
enum {
  /** Sequences: from the last step to the first; each output stays at the place of its input. */
  NG_RECURRENT_REVERSE = 1,
  /** Sequences: both ways. w, r, wb, rb and states have a first axis of 2 (forward, reverse), and
   * outputs are [time, batch, 2·H], forward first. */
  NG_RECURRENT_BIDIRECTIONAL = 2,
  /** GRU: the reset gate acts on the state's product (ONNX's linear_before_reset = 1, PyTorch, cuDNN)
   * and not on the state before it. */
  NG_GRU_RESET_AFTER = 4,
  /** GRU: z says how much of the candidate is taken (Chung et al., 2014), not how much of the state
   * stays (Cho et al., 2014; ONNX). */
  NG_GRU_UPDATE_TAKES = 8,
  /** RNN: relu in place of tanh. */
  NG_RNN_RELU = 16
};

/** A step of a simple recurrent network, x [batch, I] and h [batch, H] giving the next state
 * [batch, H]: tanh(x @ w + wb + h @ r + rb). Flags: `NG_RNN_RELU`. */
NG_API ng_tensor *ng_rnn_cell(ng_tensor *x, ng_tensor *h, ng_tensor *w, ng_tensor *r, ng_tensor *wb,
                              ng_tensor *rb, int32_t flags);
/** A step of gated recurrent units, x [batch, I] and h [batch, H] giving the next state [batch, H]:
 * z·h + (1 - z)·c, where z and r are sigmoid(x @ W + Wb + h @ R + Rb) of their gates, and
 * c = tanh(x @ Wh + Wbh + (r·h) @ Rh + Rbh), or with `NG_GRU_RESET_AFTER`
 * c = tanh(x @ Wh + Wbh + r·(h @ Rh + Rbh)); with `NG_GRU_UPDATE_TAKES` (1 - z)·h + z·c. */
NG_API ng_tensor *ng_gru_cell(ng_tensor *x, ng_tensor *h, ng_tensor *w, ng_tensor *r, ng_tensor *wb,
                              ng_tensor *rb, int32_t flags);
/** A step of long short-term memory: x [batch, I], state h and memory c [batch, H] give the next state,
 * o·tanh(memory), which is returned, and the next memory, f·c + i·tanh(x @ Wc + Wbc + h @ Rc + Rbc),
 * which is written to `next_c`; i, o and f are sigmoid(x @ W + Wb + h @ R + Rb) of their gates.
 * `next_c` may be `&c`. There are no flags yet: 0. */
NG_API ng_tensor *ng_lstm_cell(ng_tensor *x, ng_tensor *h, ng_tensor *c, ng_tensor *w, ng_tensor *r,
                               ng_tensor *wb, ng_tensor *rb, int32_t flags, ng_tensor **next_c);

/** A simple recurrent network over x [time, batch, I] (at most 65,536 steps): returns the states of all
 * steps [time, batch, H] and writes the last [batch, H] to `last_h`. `h` is the state before the first
 * step, NULL for zeros. `lengths`, of int32 or int64 [batch], says how many steps of each row count
 * (ONNX's sequence_lens), NULL for all: beyond them outputs are 0 and the state stays as it is. */
NG_API ng_tensor *ng_rnn(ng_tensor *x, ng_tensor *h, ng_tensor *w, ng_tensor *r, ng_tensor *wb,
                         ng_tensor *rb, ng_tensor *lengths, int32_t flags, ng_tensor **last_h);
/** Gated recurrent units over a sequence, otherwise like `ng_rnn`. */
NG_API ng_tensor *ng_gru(ng_tensor *x, ng_tensor *h, ng_tensor *w, ng_tensor *r, ng_tensor *wb,
                         ng_tensor *rb, ng_tensor *lengths, int32_t flags, ng_tensor **last_h);
/** Long short-term memory over a sequence, otherwise like `ng_rnn`; `c` is the memory before the first
 * step, NULL for zeros, and the last memory is written to `last_c`. */
NG_API ng_tensor *ng_lstm(ng_tensor *x, ng_tensor *h, ng_tensor *c, ng_tensor *w, ng_tensor *r,
                          ng_tensor *wb, ng_tensor *rb, ng_tensor *lengths, int32_t flags,
                          ng_tensor **last_h, ng_tensor **last_c);

/* ---- Gradients -------------------------------------------------------------------------------- */

/** Computes a loss (one element) and its gradient for every Parameter it depends on, in one pass, and
 * adds each gradient to what the Parameter has accumulated since `ng_zero_grad`. The loss's value is
 * kept for `ng_item`; other tensors of the same graph are computed again when they are read, unless
 * `ng_eval` has computed them before, or `ng_backward_eval` along. On failure nothing is added.
 * Errors: `NG_ERROR_SHAPE`, `NG_ERROR_DTYPE`, `NG_ERROR_INDEX`, `NG_ERROR_MEMORY`. */
NG_API ng_status ng_backward(ng_tensor *loss);

/** `ng_backward` and `ng_eval` in one pass: computes `count` other tensors, of any shape and dtype, with
 * the loss and its gradients, and keeps their values. What they share with the loss is computed once: the
 * accuracy of its logits costs little here, and another run of the network when it is read later. No
 * gradient comes from them. Where they depend on a gradient, that is the one before. Errors: those of both;
 * everything is then as before. */
NG_API ng_status ng_backward_eval(ng_tensor *loss, ng_tensor *const *tensors, int32_t count);

/** The gradient that a Parameter has accumulated, as a Variable of its shape; zeros if there is none.
 * The handle goes on following what is accumulated later. Error: `NG_ERROR_STATE` if not a Parameter. */
NG_API ng_tensor *ng_grad(ng_tensor *parameter);

/** Sets the accumulated gradient of `count` Parameters to zero. */
NG_API ng_status ng_zero_grad(ng_tensor *const *parameters, int32_t count);

/** Builds, without computing anything, the gradients of Σ seed·y with respect to `count` tensors of the
 * graph (any, not only Parameters) and writes their handles to `gradients`. `seed` has y's shape;
 * NULL stands for ones. What y does not depend on gets zeros. Being tensors like any other, gradients
 * can be differentiated again. On failure nothing is written. */
NG_API ng_status ng_gradients(ng_tensor *y, ng_tensor *seed, ng_tensor *const *with_respect_to,
                              int32_t count, ng_tensor **gradients);

/** Compares a scalar loss's gradients with central differences (f(w + h) - f(w - h)) / 2h, h = `step` ·
 * max(1, |w|), over every element of every Parameter it depends on, and writes the largest
 * |difference| / max(1, |gradient|, |quotient|) to `error`. Meant for float64 and a step near 1e-5.
 * Parameters are changed one element at a time meanwhile, and end as they were; what has been
 * accumulated stays. */
NG_API ng_status ng_check_gradients(ng_tensor *loss, double step, double *error);

/* ---- Schedules ----------------------------------------------------------------------------------
 * A rate as a function of the step 0, 1, 2, …: exactly `from` at step 0, exactly `to` at step `steps`
 * and ever after. Never changed once made; release with `ng_schedule_release`. */

/** Always `rate`; for `steps` steps within a chain, without end if `steps` is 0. */
NG_API ng_schedule *ng_schedule_constant(int64_t steps, double rate);
/** from + (to - from)·t/steps; steps ≥ 1. */
NG_API ng_schedule *ng_schedule_linear(int64_t steps, double from, double to);
/** to + (from - to)·(1 + cos(π·t/steps))/2; steps ≥ 1. */
NG_API ng_schedule *ng_schedule_cosine(int64_t steps, double from, double to);
/** from·(to/from)^(t/steps); steps ≥ 1; from and to of one sign and not 0. */
NG_API ng_schedule *ng_schedule_exponential(int64_t steps, double from, double to);
/** from·factor^⌊t/interval⌋, without end; interval ≥ 1. */
NG_API ng_schedule *ng_schedule_step(int64_t interval, double from, double factor);
/** The first for all its steps, then the second from its beginning. No value is repeated or left out
 * at the hand-over: at step `steps` of the first, the second is at its step 0.
 * Error: `NG_ERROR_ARGUMENT` if the first has no end. The arguments may be released afterwards. */
NG_API ng_schedule *ng_schedule_chain(ng_schedule *first, ng_schedule *second);
/** The rate at a step ≥ 0; NaN on failure. Any thread. */
NG_API double ng_schedule_rate(ng_schedule *schedule, int64_t step);
/** Gives up a schedule; optimizers that use it keep it. NULL does nothing. Any thread. */
NG_API ng_status ng_schedule_release(ng_schedule *schedule);

/* ---- Optimizers -------------------------------------------------------------------------------
 * An optimizer updates the Parameters added to it from their accumulated gradients g. Settings are
 * applied in this order: clipping by value, clipping by norm, weight decay, the update. */

/** Stochastic gradient descent: w -= rate·g; rate finite, as for all optimizers. */
NG_API ng_optimizer *ng_sgd(double rate);
/** Adam (Kingma and Ba, 2015), with weight decay added to the gradient; beta1 = 0.9, beta2 = 0.999,
 * ε = 1e-8 unless set: m = beta1·m + (1-beta1)·g, v = beta2·v + (1-beta2)·g²,
 * w -= rate·m̂/(√v̂ + ε) with m̂ = m/(1 - beta1ᵗ), v̂ = v/(1 - beta2ᵗ), where t counts the updates of the
 * Parameter at hand. */
NG_API ng_optimizer *ng_adam(double rate);
/** AdamW (Loshchilov and Hutter, 2019): weight decay is apart from the gradient, w -= rate·decay·w;
 * the decay is 0.01 unless set. */
NG_API ng_optimizer *ng_adamw(double rate);
/** Adds `count` Parameters. One that is there already is left alone. */
NG_API ng_status ng_optimizer_add(ng_optimizer *optimizer, ng_tensor *const *parameters,
                                  int32_t count);
/** Sets a fixed rate from the next step on. */
NG_API ng_status ng_optimizer_set_rate(ng_optimizer *optimizer, double rate);
/** Takes the rate from a schedule, from its beginning at the next step. */
NG_API ng_status ng_optimizer_set_schedule(ng_optimizer *optimizer, ng_schedule *schedule);
/** Momentum for SGD: v = momentum·v + g, w -= rate·v; with `nesterov` not 0, w -= rate·(g + momentum·v).
 * 0 ≤ momentum < 1. Error: `NG_ERROR_STATE` for Adam. */
NG_API ng_status ng_optimizer_set_momentum(ng_optimizer *optimizer, double momentum,
                                           int32_t nesterov);
/** beta1 and beta2 in [0, 1) and ε > 0, for Adam and AdamW. Error: `NG_ERROR_STATE` for SGD. */
NG_API ng_status ng_optimizer_set_betas(ng_optimizer *optimizer, double beta1, double beta2,
                                        double epsilon);
/** Weight decay ≥ 0: g + decay·w stands in for g (but see AdamW). */
NG_API ng_status ng_optimizer_set_weight_decay(ng_optimizer *optimizer, double decay);
/** Scales all gradients by max/‖g‖ where ‖g‖, the norm over all Parameters together, exceeds `max`; 0
 * for no clipping. */
NG_API ng_status ng_optimizer_set_clip_norm(ng_optimizer *optimizer, double max);
/** Limits each element of a gradient to [-max, max]; 0 for no clipping. */
NG_API ng_status ng_optimizer_set_clip_value(ng_optimizer *optimizer, double max);
/** Updates every Parameter that has a gradient since `ng_zero_grad`, and counts a step. Gradients stay
 * as they are. Values that depend on the Parameters are stale afterwards: a loss read after the step is
 * computed anew, and is the new loss. With more than one thread, workers may still be writing the new
 * values when this returns; whatever looks at them then waits, on any thread. On failure nothing is updated. Errors: `NG_ERROR_ARGUMENT` if
 * the schedule's rate is not finite, `NG_ERROR_MEMORY`. */
NG_API ng_status ng_optimizer_step(ng_optimizer *optimizer);
/** `ng_zero_grad` of all its Parameters. */
NG_API ng_status ng_optimizer_zero_grad(ng_optimizer *optimizer);
/** The rate that the next step will use; NaN on failure. */
NG_API double ng_optimizer_rate(ng_optimizer *optimizer);
/** The norm over all gradients as of the last step with norm clipping, before it clipped; NaN if there
 * was none. */
NG_API double ng_optimizer_grad_norm(ng_optimizer *optimizer);
/** The steps made, or a negative status. */
NG_API int64_t ng_optimizer_steps(ng_optimizer *optimizer);
/** Gives up an optimizer, not its Parameters. NULL does nothing. Any thread. */
NG_API ng_status ng_optimizer_release(ng_optimizer *optimizer);

/* ---- Checkpoints --------------------------------------------------------------------------------
 * Files in the safetensors format: named tensors and texts, which other programs read and write too.
 *
 * A *checkpoint* is a list of what a training consists of. It is made once, saved as often as wanted,
 * and loaded to go on with the same bits as a training that was not interrupted:
 *
 *     ng_checkpoint *state = ng_checkpoint_new();
 *     ng_checkpoint_add(state, names, parameters, count);
 *     ng_checkpoint_add_optimizer(state, "optimizer", optimizer);
 *     ng_checkpoint_add_random(state, "random");
 *     ng_safetensors *file = ng_safetensors_open("run.safetensors");
 *     ng_checkpoint_load(state, file);                 // to resume; file is released afterwards
 *     ng_safetensors_integer(file, "step", &step);
 *     ...
 *     ng_checkpoint_set_integer(state, "step", step);  // and from time to time
 *     ng_checkpoint_save(state, "run.safetensors");
 *
 * Saved are present values. Accumulated gradients are not: the place to save is between
 * `ng_optimizer_zero_grad` and the next `ng_backward`. A checkpoint keeps its own references to what
 * was added; the handles may be released. One checkpoint, with all that belongs to it, is for one
 * thread at a time; an open file is for any number of them at once.
 *
 * Names, keys, texts and paths are UTF-8 (else `NG_ERROR_ARGUMENT`), and copied. Errors besides those
 * that functions name: `NG_ERROR_FILE`, with the system's own words, and `NG_ERROR_MEMORY`. */

/** A checkpoint of nothing yet. */
NG_API ng_checkpoint *ng_checkpoint_new(void);
/** Adds `count` tensors, each under a name of its own. Any tensor can be saved; those that are to be
 * loaded have to be leaves. Error: `NG_ERROR_ARGUMENT` for a name that is there already; nothing is
 * added then. */
NG_API ng_status ng_checkpoint_add(ng_checkpoint *checkpoint, const char *const *names,
                                   ng_tensor *const *tensors, int32_t count);
/** Adds an optimizer: its settings, its schedule, the steps made, and what it keeps for each Parameter,
 * in the order in which they were added to it; not the Parameters themselves. In the file all this has
 * names and keys that begin with `name` and a dot. Error: `NG_ERROR_ARGUMENT` as above. */
NG_API ng_status ng_checkpoint_add_optimizer(ng_checkpoint *checkpoint, const char *name,
                                             ng_optimizer *optimizer);
/** Adds the random generator: that of the thread which saves, or loads. Error: `NG_ERROR_STATE` if it
 * was added before. */
NG_API ng_status ng_checkpoint_add_random(ng_checkpoint *checkpoint, const char *key);
/** Sets a text to be saved, in place of an earlier one with this key. */
NG_API ng_status ng_checkpoint_set_text(ng_checkpoint *checkpoint, const char *key,
                                        const char *text);
/** Sets an integer to be saved (as a text), such as the number of steps made. */
NG_API ng_status ng_checkpoint_set_integer(ng_checkpoint *checkpoint, const char *key,
                                           int64_t value);
/** Saves everything to a file. It is written aside, brought to the disk and then put in its place, so
 * that the file is complete at every moment, whatever happens to the program or the machine: on
 * failure an older file of this name stays as it is. A symbolic link stays one.
 * Errors: `NG_ERROR_FILE`, for a folder that is missing or full, for example; `NG_ERROR_ARGUMENT` if a
 * name is used by an optimizer too; as `ng_eval`. */
NG_API ng_status ng_checkpoint_save(ng_checkpoint *checkpoint, const char *path);
/** Writes what `ng_checkpoint_save` would write to `buffer`, if the `capacity` bytes suffice, and
 * returns its size in any case, or a negative status. NULL and 0 ask for the size alone. */
NG_API int64_t ng_checkpoint_write(ng_checkpoint *checkpoint, void *buffer, int64_t capacity);
/** Gives everything that was added the state it has in a file; what else is in the file is left alone.
 * All of it is read and checked first: on failure nothing is changed. Gradients stay as they are.
 * Errors: `NG_ERROR_ARGUMENT` if a name is missing in the file, or an optimizer is of another kind;
 * `NG_ERROR_SHAPE`, `NG_ERROR_DTYPE` for a tensor that differs; `NG_ERROR_FORMAT` for a state that
 * makes no sense; `NG_ERROR_STATE` if a tensor is no leaf. */
NG_API ng_status ng_checkpoint_load(ng_checkpoint *checkpoint, ng_safetensors *file);
/** Gives up a checkpoint, and nothing that belongs to it. NULL does nothing. Any thread. */
NG_API ng_status ng_checkpoint_release(ng_checkpoint *checkpoint);

/** Opens a file, and checks all of its header. It may be replaced meanwhile, by `ng_checkpoint_save`
 * for example: what was opened stays. Errors: `NG_ERROR_FILE`; `NG_ERROR_FORMAT` if it is damaged, or
 * none of this format. */
NG_API ng_safetensors *ng_safetensors_open(const char *path);
/** Opens a copy of a file's contents. */
NG_API ng_safetensors *ng_safetensors_open_memory(const void *data, int64_t bytes);
/** The number of tensors, or a negative status. */
NG_API int64_t ng_safetensors_count(ng_safetensors *file);
/** The name of tensor 0 … count - 1. Buffer and result as in "Drawing". */
NG_API int64_t ng_safetensors_name(ng_safetensors *file, int64_t index, char *buffer,
                                   int64_t capacity);
/** 1 if there is a tensor of this name, 0 if not, or a negative status. */
NG_API int32_t ng_safetensors_contains(ng_safetensors *file, const char *name);
/** A tensor's dtype: F32, F64, I32 and I64 are what nanograd has. Errors: `NG_ERROR_ARGUMENT` if there
 * is no such tensor; `NG_ERROR_DTYPE` for another type, such as BF16. */
NG_API ng_dtype ng_safetensors_dtype(ng_safetensors *file, const char *name);
/** A tensor's number of dimensions (in a file there can be more than `NG_MAX_RANK`), or a negative
 * status. Error: `NG_ERROR_ARGUMENT` if there is no such tensor. */
NG_API int32_t ng_safetensors_rank(ng_safetensors *file, const char *name);
/** Writes a tensor's dimensions to `shape`, which has room for `capacity` of them. Errors as above, and
 * `NG_ERROR_ARGUMENT` if the rank is larger; nothing is written then. */
NG_API ng_status ng_safetensors_shape(ng_safetensors *file, const char *name, int32_t capacity,
                                      int64_t *shape);
/** Reads a tensor as a new Variable, its name being its tag; `ng_to_parameter` makes a Parameter of
 * it. Errors as for its dtype, and `NG_ERROR_SHAPE` if it has too many dimensions. */
NG_API ng_tensor *ng_safetensors_tensor(ng_safetensors *file, const char *name);
/** The number of texts, or a negative status. */
NG_API int64_t ng_safetensors_text_count(ng_safetensors *file);
/** The key of text 0 … count - 1. Buffer and result as in "Drawing". */
NG_API int64_t ng_safetensors_key(ng_safetensors *file, int64_t index, char *buffer,
                                  int64_t capacity);
/** The text that goes with a key. Buffer and result as in "Drawing". Error: `NG_ERROR_ARGUMENT` if
 * there is none. */
NG_API int64_t ng_safetensors_text(ng_safetensors *file, const char *key, char *buffer,
                                   int64_t capacity);
/** Reads what `ng_checkpoint_set_integer` saved. On failure `value` stays as it is. Errors as above, and
 * `NG_ERROR_FORMAT` if the text is no integer. */
NG_API ng_status ng_safetensors_integer(ng_safetensors *file, const char *key, int64_t *value);
/** Closes a file. NULL does nothing. Any thread. */
NG_API ng_status ng_safetensors_release(ng_safetensors *file);

/* ---- Drawing ------------------------------------------------------------------------------------
 * These write UTF-8 with a final 0 to `buffer` as far as `capacity` bytes reach (cut at a whole
 * character) and return the length of the whole text without the 0, or a negative status. Call with
 * NULL and 0 for the length alone. */

/** The tag of a leaf; "" if it has none or is no leaf. */
NG_API int64_t ng_tag(ng_tensor *tensor, char *buffer, int64_t capacity);
/** The expression, such as `((x @ w) + b)`. A text of more than a million bytes is cut with "…". */
NG_API int64_t ng_notation(ng_tensor *tensor, char *buffer, int64_t capacity);
/** The graph as a text tree, operands below their consumer; a tensor that was drawn before is left
 * out and marked `...`, and its other consumers stand behind `<-`. */
NG_API int64_t ng_tree(ng_tensor *tensor, char *buffer, int64_t capacity);
/** The graph in Graphviz's DOT language. */
NG_API int64_t ng_dot(ng_tensor *tensor, char *buffer, int64_t capacity);

/** What pictures show besides the operators; those that are wanted are added up. */
enum {
  /** Dtypes and shapes. */
  NG_DRAW_SHAPES = 1,
  /** Values, which are computed: all elements up to four, else the least, the largest and the mean. */
  NG_DRAW_VALUES = 2,
  /** The gradient of the sum of the first tensor's elements with respect to each node, which is
   * computed, in the same form. */
  NG_DRAW_GRADIENTS = 4,
  /** Whole expressions, cut with "…" after 60 bytes, in place of the operator alone. */
  NG_DRAW_EXPRESSIONS = 8
};

/** `count` tensors and all they depend on as a picture in Graphviz's DOT language. Composites, such as a
 * loss or a recurrent network, are drawn as one box; `depth` levels of them are opened, with a frame
 * around what is inside (0: none; `INT32_MAX`: all). `flags` are `NG_DRAW_…`. At most `limit` ≥ 1 nodes are
 * drawn, those nearest to the given tensors, and a note says how many are left out. Where values or
 * gradients are wanted, errors as for `ng_eval` and `ng_gradients`; else nothing is computed. */
NG_API int64_t ng_graph_dot(ng_tensor *const *tensors, int32_t count, int32_t flags, int32_t depth,
                            int64_t limit, char *buffer, int64_t capacity);
/** The same as a flowchart in the language of Mermaid, which many sites draw where Markdown has a block
 * of it. */
NG_API int64_t ng_graph_mermaid(ng_tensor *const *tensors, int32_t count, int32_t flags, int32_t depth,
                                int64_t limit, char *buffer, int64_t capacity);
/** The same as a text tree, for a terminal or a log: operands stand below their consumer, in order. What
 * has several consumers is numbered, drawn at the first, and mentioned as `#1 …` at the others. What is
 * inside an open composite begins with its name in brackets. A text of more than a million bytes is
 * cut with "…". */
NG_API int64_t ng_graph_tree(ng_tensor *const *tensors, int32_t count, int32_t flags, int32_t depth,
                             int64_t limit, char *buffer, int64_t capacity);

/* ---- Memory -------------------------------------------------------------------------------------
 * Memory for data (elements of tensors, and what computations need meanwhile) comes from one place,
 * which counts it, keeps some of it for the next request, and may refuse: the call fails with
 * `NG_ERROR_MEMORY`, and everything is as before. On Linux only a limit makes that reliable, because
 * the system promises more than it has and ends processes when they use it.
 * The graph itself (some hundred bytes for each tensor) is not counted. When the system refuses even
 * that, as it may under `ulimit -v`, calls fail too. To be sure of it, they want some addresses that they
 * hardly ever use: 4 MiB, and 5 KiB for each tensor of a graph that is being worked on. */

/** What `ng_memory_stat` can tell, in bytes. More may be added. */
enum {
  NG_MEMORY_TOTAL = 1,   /**< all memory for data: the sum of the next five */
  NG_MEMORY_VALUES = 2,  /**< leaves, gradients, states of optimizers, results that were asked for;
                            the same as `ng_live_bytes` */
  NG_MEMORY_WORKING = 3, /**< intermediates and scratch of computations under way */
  NG_MEMORY_HANDLES = 4, /**< the table of handles, which only grows */
  NG_MEMORY_PLANS = 5,   /**< kept by compiled graphs for their next run */
  NG_MEMORY_POOL = 6,    /**< freed, and kept for the next request of the same size */
  NG_MEMORY_PEAK = 7,    /**< the most that the total has been, since the start or the last
                            `ng_reset_memory_peak` */
  NG_MEMORY_LIMIT = 8    /**< the limit; 0 for none */
};

/** One of the numbers above, for the whole process, or a negative status (`NG_ERROR_ARGUMENT`). While
 * other threads compute, numbers taken one after another need not fit together. Any thread. */
NG_API int64_t ng_memory_stat(int32_t stat);

/** Limits the total to some bytes, from now on and for the whole process; 0 for no limit, as at the start.
 * Before a call fails for the limit, plans and the pool give up what they keep. A limit below what is in
 * use now is possible: what is there stays, and nothing is added until enough was released.
 * Error: `NG_ERROR_ARGUMENT` if `bytes` is negative. Any thread. */
NG_API ng_status ng_set_memory_limit(int64_t bytes);

/** Lets the peak begin again at the present total. Any thread; cannot fail. */
NG_API void ng_reset_memory_peak(void);

/** Frees everything that is kept for speed alone: the pool, compiled graphs, and what they keep; of the
 * memory that every thread keeps for its next tensors, the calling thread's. The next computations take
 * longer once, and give the same. Any thread; cannot fail. */
NG_API void ng_release_caches(void);

/* ---- DLPack -------------------------------------------------------------------------------------
 * Tensors shared with other libraries (NumPy, PyTorch, JAX, ONNX Runtime and so on) without a copy of
 * their elements, as DLPack 1 describes them: https://dmlc.github.io/dlpack. The struct is declared in
 * its header, dlpack.h, which is not needed here. In Python, the capsule "dltensor_versioned" holds one. */

struct DLManagedTensorVersioned;

/** Whether elements are copied. */
enum {
  NG_COPY_IF_NEEDED = 0, /**< where they cannot be shared */
  NG_COPY_ALWAYS = 1,
  NG_COPY_NEVER = 2 /**< where they cannot be shared, the call fails */
};

/** A Variable of another library's tensor: of float32, float64, int32 or int64, in the CPU's memory. Dense,
 * row-major and aligned elements are shared, others (any strides, negative and 0 too) are copied, as
 * `copy` (`NG_COPY_…`) allows; `tag` as for `ng_variable`.
 *
 * On success the managed tensor belongs to the library, which calls its deleter exactly once: before this
 * returns if nothing is shared, else as soon as nothing uses the memory any more, on the thread that gave it
 * up last. On failure it still belongs to the caller. Shared memory is never written to: a leaf that is
 * written, by `ng_write` or an optimizer, then has memory of its own. Nobody else may write to it meanwhile,
 * since values that were computed from it would not follow. It is not counted in "Memory".
 * `ng_to_parameter` makes a Parameter that shares it.
 * Errors: `NG_ERROR_ARGUMENT` for another major version of DLPack, another device, an unknown `copy`, strides
 * that lead out of the address space, or where a copy is needed and must not be made; `NG_ERROR_DTYPE`;
 * `NG_ERROR_SHAPE`; `NG_ERROR_NULL`, for data too; `NG_ERROR_MEMORY`. */
NG_API ng_tensor *ng_from_dlpack(struct DLManagedTensorVersioned *managed, int32_t copy,
                                 const char *tag);

/** The tensor's present value, computed if needed, for another library: version 1.0, dense and row-major, on
 * the CPU, aligned to 64 bytes if the memory is nanograd's own (always, with a copy). Shared elements are
 * read-only (DLPACK_FLAG_BITMASK_READ_ONLY) and stay as they are: what is written to a leaf later goes
 * elsewhere. With `NG_COPY_ALWAYS` they are a copy that may be written to (DLPACK_FLAG_BITMASK_IS_COPIED).
 *
 * The managed tensor belongs to the caller, or to whom it is handed on: call its deleter once, on any thread,
 * after or before the tensor's handle is released. Until then its elements count as "values" in "Memory".
 * NULL on failure, with errors as for `ng_eval`, and `NG_ERROR_ARGUMENT` for an unknown `copy`. */
NG_API struct DLManagedTensorVersioned *ng_to_dlpack(ng_tensor *tensor, int32_t copy);

/* ---- How it runs ------------------------------------------------------------------------------ */

/** What computing `count` tensors together is compiled to, as text for people: segments, between which
 * threads wait for each other; loops over rows; and in them steps with their operators, bytes and
 * FLOPs. A loss with its gradients (`ng_gradients`) shows what `ng_backward` runs. Computes nothing.
 * Buffer and result as in "Drawing". */
NG_API int64_t ng_plan_describe(ng_tensor *const *tensors, int32_t count, char *buffer,
                                int64_t capacity);
/** The same, computed `runs` times (at least 1) and once more before, on the calling thread alone, with
 * the median time of each step. */
NG_API int64_t ng_plan_profile(ng_tensor *const *tensors, int32_t count, int32_t runs, char *buffer,
                               int64_t capacity);

/** Threads that a computation may use, the calling one included: the number of processors available
 * unless `NANOGRAD_THREADS` says otherwise. Any thread; cannot fail. */
NG_API int32_t ng_num_threads(void);
/** Sets it for the whole process, from the next computation on: 1 to 1,024. Results do not depend on
 * it. Any thread. */
NG_API ng_status ng_set_num_threads(int32_t count);
/** "avx512", "avx2" or "baseline": chosen at load by the processor, or by the environment variable
 * `NANOGRAD_ISA` as far as the processor allows. Static; any thread; cannot fail. */
NG_API const char *ng_isa(void);

#ifdef __cplusplus
}
#endif

#endif /* NANOGRAD_H */
