/**
 * @file support.h
 * @brief What the tests of `nanograd.h` share: tensors from plain numbers, and assertions on them.
 */
#ifndef NANOGRAD_CTESTS_SUPPORT_H
#define NANOGRAD_CTESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <nanograd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** The most elements a tensor can have in `expect_tensor` and its like. */
#define MAX_ELEMENTS 4096

/** A rank and its dimensions, as the two arguments that the header's functions take. */
#define SHAPE(...)                                                                                 \
  (int32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }
/** The rank and dimensions of a scalar. */
#define SCALAR 0, NULL
/** A count and axes, as the two arguments that the header's functions take. */
#define AXES(...)                                                                                  \
  (int32_t)(sizeof((int32_t[]){__VA_ARGS__}) / sizeof(int32_t)), (const int32_t[]) { __VA_ARGS__ }
/** Every axis of a reduction. */
#define ALL_AXES 0, NULL
/** An array of handles. */
#define TENSORS(...) ((ng_tensor *[]){__VA_ARGS__})

/** Numbers that know how many they are. */
struct numbers {
  int64_t count;
  const double *data;
};
#define NUMBERS(...)                                                                               \
  ((struct numbers){(int64_t)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)),                   \
                    (const double[]){__VA_ARGS__}})
#define NO_NUMBERS ((struct numbers){0, NULL})

/** The number of elements of an array. */
#define COUNT(array) (sizeof(array) / sizeof *(array))

/** The dtypes that carry values and gradients. */
extern const ng_dtype float_dtypes[2];
/** All four. */
extern const ng_dtype all_dtypes[4];

/** A Variable of the given numbers, converted to its dtype. */
ng_tensor *make(ng_dtype dtype, int32_t rank, const int64_t *shape, struct numbers numbers);
/** A Parameter of the given numbers, converted to its dtype. */
ng_tensor *make_parameter(ng_dtype dtype, int32_t rank, const int64_t *shape,
                          struct numbers numbers);
/** The gradient of Σy with respect to x. */
ng_tensor *gradient(ng_tensor *y, ng_tensor *x);
/** Σ r·y for fixed, unequal weights r of y's shape: a loss that tells y's elements apart. */
ng_tensor *weighted_sum(ng_tensor *y);

/** Whether a small graph is built, computed and differentiated as it should be. */
int works(void);

/** Reads a tensor of any dtype as doubles, at most MAX_ELEMENTS of them; returns how many. */
int64_t read_numbers(ng_tensor *tensor, double *numbers);
/** How far a result in the dtype may be from its reference, relative to max(1, |reference|). */
double tolerance_of(ng_dtype dtype);
/** Whether two numbers are equal within a relative tolerance; NaN equals NaN, ∞ equals ∞. */
int is_close(double actual, double expected, double tolerance);

/** Clears the error, seeds the generator, and opens a scope. */
int begin_test(void **state);
/** Requires that no error is left and that the scope's end brings the handle count back. */
int end_test(void **state);
#define TEST(function) cmocka_unit_test_setup_teardown(function, begin_test, end_test)

#define expect_ok(status) check_ok((status), #status, __FILE__, __LINE__)
#define expect_error(code, function) check_error((code), (function), __FILE__, __LINE__)
#define expect_close(actual, expected, tolerance)                                                  \
  check_close((actual), (expected), (tolerance), #actual, __FILE__, __LINE__)
#define expect_item(tensor, expected, tolerance)                                                   \
  check_close(ng_item(tensor), (expected), (tolerance), #tensor, __FILE__, __LINE__)
#define expect_numbers(tensor, numbers, tolerance)                                                 \
  check_numbers((tensor), (numbers), (tolerance), #tensor, __FILE__, __LINE__)
#define expect_shape(tensor, ...) check_shape((tensor), __VA_ARGS__, #tensor, __FILE__, __LINE__)
/** Dtype, shape and elements, these within the dtype's tolerance. */
#define expect_tensor(tensor, dtype, shape, numbers)                                               \
  check_tensor((tensor), (dtype), shape, (numbers), #tensor, __FILE__, __LINE__)

/** What the macros above call; `text` is the expression and the rest its place. */
void check_ok(ng_status status, const char *text, const char *file, int line);
void check_error(ng_status code, const char *function, const char *file, int line);
void check_close(double actual, double expected, double tolerance, const char *text,
                 const char *file, int line);
void check_numbers(ng_tensor *tensor, struct numbers numbers, double tolerance, const char *text,
                   const char *file, int line);
void check_shape(ng_tensor *tensor, int32_t rank, const int64_t *shape, const char *text,
                 const char *file, int line);
void check_tensor(ng_tensor *tensor, ng_dtype dtype, int32_t rank, const int64_t *shape,
                  struct numbers numbers, const char *text, const char *file, int line);

#endif
