/* Loading the library at run time, as plug-ins and languages with a foreign-function interface do.
 * This program is not linked with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <nanograd.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* What a plug-in would use. */
struct functions {
  ng_tensor *(*parameter)(ng_dtype, int32_t, const int64_t *, const void *, const char *);
  ng_tensor *(*ridge)(ng_tensor *);
  ng_status (*backward)(ng_tensor *);
  double (*item)(ng_tensor *);
  ng_status (*release)(ng_tensor *);
  int64_t (*live_handles)(void);
};

static void *load(struct functions *functions) {
  void *library = dlopen("libnanograd.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    print_error("%s\n", dlerror());
    return NULL;
  }
  /* ISO C has no conversion from object to function pointers; POSIX asks for this one. */
  *(void **)&functions->parameter = dlsym(library, "ng_parameter");
  *(void **)&functions->ridge = dlsym(library, "ng_ridge");
  *(void **)&functions->backward = dlsym(library, "ng_backward");
  *(void **)&functions->item = dlsym(library, "ng_item");
  *(void **)&functions->release = dlsym(library, "ng_release");
  *(void **)&functions->live_handles = dlsym(library, "ng_live_handles");
  return library;
}

/* The square of 3 and its gradient. */
static int works(const struct functions *ng) {
  const float three = 3;
  ng_tensor *w = ng->parameter(NG_FLOAT32, 0, NULL, &three, NULL), *loss = ng->ridge(w);
  return ng->backward(loss) == NG_OK && ng->item(loss) == 9 && ng->release(loss) == NG_OK &&
         ng->release(w) == NG_OK;
}

static int count_lines(const char *path) {
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  int lines = 0;
  for (int c; (c = fgetc(file)) != EOF;)
    lines += c == '\n';
  fclose(file);
  return lines;
}

static void test_a_thousand_times(void **state) {
  (void)state;
  int mappings = 0;
  for (int i = 0; i < 1000; i++) {
    struct functions ng;
    void *library = load(&ng);
    assert_non_null(library);
    assert_true(works(&ng));
    assert_int_equal(ng.live_handles(), 0);
    assert_int_equal(dlclose(library), 0);
    if (i == 10)
      mappings = count_lines("/proc/self/maps");
  }
  /* malloc may have asked for a few more. */
  assert_in_range(count_lines("/proc/self/maps"), 1, mappings + 10);
}

static void *load_and_leave(void *result) {
  struct functions ng;
  void *library = load(&ng);
  *(int *)result = library != NULL && works(&ng) && dlclose(library) == 0;
  return NULL; /* what the library keeps for a thread is freed here, after it was closed */
}

static void test_threads_that_end_after_closing(void **state) {
  (void)state;
  enum { at_once = 8 };
  for (int round = 0; round < 25; round++) {
    pthread_t threads[at_once];
    int results[at_once] = {0};
    for (int i = 0; i < at_once; i++)
      assert_int_equal(pthread_create(&threads[i], NULL, load_and_leave, &results[i]), 0);
    for (int i = 0; i < at_once; i++) {
      assert_int_equal(pthread_join(threads[i], NULL), 0);
      assert_int_equal(results[i], 1);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_thousand_times),
      cmocka_unit_test(test_threads_that_end_after_closing),
  };
  return cmocka_run_group_tests_name("load", tests, NULL, NULL);
}
