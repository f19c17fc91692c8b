/* The memory of nodes: a thread keeps some of what it let go of for the next that it makes, gives
 * it back when it is asked to or ends, and never more than that. */
#include "support.h"

#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>

/* Whether somebody else looks after memory, who finds faults that way. */
static bool is_under_test(void) {
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return true;
#endif
#endif
  return getenv("NANOGRAD_TEST_MEMCHECK") != NULL;
}

/* What the program has of malloc's memory. */
static long long held(void) { return (long long)mallinfo2().uordblks; }

/* A graph of so many tensors comes and goes. */
static void make_graph(int tensors) {
  expect_ok(ng_scope_begin());
  ng_tensor *y = ng_variable(NG_FLOAT32, SCALAR, NULL, "x");
  for (int i = 0; i < tensors; i++)
    y = ng_negate(y);
  assert_non_null(y);
  expect_ok(ng_scope_end());
}

/* More than a tensor's share of a list, and less than the tensor itself. */
enum { least = 128, most = 256, few = 1000, many = 100000, bound = 32768 };

static void test_kept_for_the_next(void **state) {
  (void)state;
  if (is_under_test())
    skip();
  make_graph(many); /* lists that stay grow */
  ng_release_caches();
  const long long before = held();
  make_graph(few);
  const long long kept = held() - before;
  assert_in_range(kept, few * least, few * most);
  /* What is made next takes it. */
  for (int i = 0; i < 10; i++)
    make_graph(few);
  assert_in_range(held() - before, kept - few, kept + few);
  ng_release_caches();
  assert_true(held() - before < few);
}

static void test_bounded(void **state) {
  (void)state;
  if (is_under_test())
    skip();
  make_graph(many);
  ng_release_caches();
  const long long before = held();
  make_graph(many);
  assert_in_range(held() - before, bound * least, bound * most);
  ng_release_caches();
}

static void *thread(void *argument) {
  make_graph(few);
  *(long long *)argument = held();
  return NULL;
}

static void test_given_back_by_a_thread_that_ends(void **state) {
  (void)state;
  if (is_under_test())
    skip();
  long long inside = 0, after = 0;
  for (int i = 0; i < 2; i++) { /* what a thread leaves behind, it leaves once */
    pthread_t id;
    assert_int_equal(pthread_create(&id, NULL, thread, &inside), 0);
    assert_int_equal(pthread_join(id, NULL), 0);
    if (i == 0)
      after = held();
  }
  assert_in_range(inside - held(), few * least, few * most + few * least);
  assert_true(held() - after < few);
}

/* Made by one thread, released by another: a program that hands its graphs on. */
static void *release(void *argument) {
  expect_ok(ng_release(argument));
  return NULL;
}

static void test_released_elsewhere(void **state) {
  (void)state;
  ng_release_caches();
  long long before = 0;
  for (int i = 0; i < 20; i++) {
    ng_tensor *x = ng_variable(NG_FLOAT32, SCALAR, NULL, "x"), *y = x;
    for (int k = 0; k < few; k++) {
      ng_tensor *next = ng_negate(y);
      expect_ok(ng_release(y));
      y = next;
    }
    pthread_t id;
    assert_int_equal(pthread_create(&id, NULL, release, y), 0);
    assert_int_equal(pthread_join(id, NULL), 0);
    if (i == 4)
      before = held();
  }
  assert_true(held() - before < few);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_kept_for_the_next),
      cmocka_unit_test(test_bounded),
      cmocka_unit_test(test_given_back_by_a_thread_that_ends),
      cmocka_unit_test(test_released_elsewhere),
  };
  return cmocka_run_group_tests_name("nodes", tests, NULL, NULL);
}
