/* Nothing is read past the last element: other libraries' memory has no room behind it. */
#define _DEFAULT_SOURCE /* for MAP_ANONYMOUS */
#include "foreign.h"

#include <sys/mman.h>
#include <unistd.h>

/* Memory that ends where nothing follows: reading past it ends the process. */
struct fenced {
  char *pages;
  size_t page, count;
};

static struct fenced fence(size_t bytes) {
  struct fenced fenced = {.page = (size_t)sysconf(_SC_PAGESIZE)};
  fenced.count = (bytes + fenced.page - 1) / fenced.page;
  fenced.pages = mmap(NULL, (fenced.count + 2) * fenced.page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(fenced.pages != MAP_FAILED);
  assert_int_equal(mprotect(fenced.pages, fenced.page, PROT_NONE), 0);
  assert_int_equal(
      mprotect(fenced.pages + (fenced.count + 1) * fenced.page, fenced.page, PROT_NONE), 0);
  return fenced;
}

static void unfence(struct fenced fenced) {
  assert_int_equal(munmap(fenced.pages, (fenced.count + 2) * fenced.page), 0);
}

/* A matrix of ones at the very end. */
static ng_tensor *ones_at_the_end(struct fenced fenced, struct foreign *foreign, ng_dtype dtype,
                                  int64_t rows, int64_t columns) {
  int64_t bytes = rows * columns * ng_dtype_size(dtype);
  char *data = fenced.pages + (fenced.count + 1) * fenced.page - bytes;
  expect_ok(ng_read(ng_ones(dtype, SHAPE(rows, columns)), data, bytes));
  set_foreign(foreign, data, dtype, SHAPE(rows, columns), NULL);
  return ng_from_dlpack(&foreign->managed, NG_COPY_NEVER, NULL);
}

/* Vectors, and matrices of any width, that end where memory does, and begin at any element. */
static void test_the_end_of_memory(void **state) {
  (void)state;
  struct fenced fenced = fence(4096);
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    for (int64_t rows = 1; rows <= 13; rows += 3) {
      for (int64_t columns = 1; columns <= 19; columns++) {
        ng_scope_begin();
        struct foreign foreign;
        ng_tensor *x = ones_at_the_end(fenced, &foreign, float_dtypes[d], rows, columns);
        const double n = (double)columns;
        ng_tensor *t = ng_transpose(x);
        ng_tensor *numbers[] = {ng_mean(ng_sqrt(x), ALL_AXES, 0),
                                ng_max(ng_sum(x, AXES(1), 0), ALL_AXES, 0),
                                ng_mean(ng_sum(x, AXES(0), 0), ALL_AXES, 0),
                                ng_mean(ng_matmul(x, t), ALL_AXES, 0),
                                ng_mean(ng_matmul(t, x), ALL_AXES, 0),
                                ng_mean(ng_matmul(ng_matmul(x, t), x), ALL_AXES, 0),
                                ng_mean(ng_concatenate(TENSORS(t, t), 2, 1), ALL_AXES, 0)};
        const double expected[] = {1, n, (double)rows, n, (double)rows, n * (double)rows, 1};
        for (size_t i = 0; i < COUNT(numbers); i++)
          expect_item(numbers[i], expected[i], 1e-6);
        double norm = ng_item(ng_sum(ng_softmax(x, 1), ALL_AXES, 0));
        expect_close(norm, (double)rows, 1e-6);
        ng_scope_end();
        assert_int_equal(foreign.deleted, 1);
      }
    }
  }
  unfence(fenced);
}

/* High matrices of a few columns that end there. Their products with a row or a column take many
 * rows at a time, and add up blocks of them. */
static void test_high_matrices_at_the_end_of_memory(void **state) {
  (void)state;
  const int64_t heights[] = {17, 255, 1023, 1792, 1793, 1794, 1795, 2047, 2048, 2049, 3841};
  struct fenced fenced = fence(3841 * 17 * 8);
  for (size_t d = 0; d < COUNT(float_dtypes); d++) {
    for (size_t i = 0; i < COUNT(heights) * 17; i++) {
      const int64_t rows = heights[i / 17], columns = (int64_t)(i % 17) + 1;
      ng_scope_begin();
      ng_dtype dtype = float_dtypes[d];
      struct foreign foreign;
      ng_tensor *x = ones_at_the_end(fenced, &foreign, dtype, rows, columns);
      ng_tensor *t = ng_transpose(x);
      const void *data = foreign.managed.dl_tensor.data;
      ng_tensor *row = ng_variable(dtype, SHAPE(1, rows), data, "row");
      ng_tensor *column = ng_variable(dtype, SHAPE(columns, 1), data, "column");
      expect_item(ng_mean(ng_matmul(row, x), ALL_AXES, 0), (double)rows, 0);
      expect_item(ng_mean(ng_matmul(t, ng_transpose(row)), ALL_AXES, 0), (double)rows, 0);
      expect_item(ng_mean(ng_matmul(t, x), ALL_AXES, 0), (double)rows, 0);
      expect_item(ng_mean(ng_matmul(x, column), ALL_AXES, 0), (double)columns, 0);
      ng_scope_end();
      assert_int_equal(foreign.deleted, 1);
    }
  }
  unfence(fenced);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_the_end_of_memory),
      TEST(test_high_matrices_at_the_end_of_memory),
  };
  return cmocka_run_group_tests_name("bounds", tests, NULL, NULL);
}
