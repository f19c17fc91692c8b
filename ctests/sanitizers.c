/* What the run time of the sanitizers is told, by the programs that are built with one. */

const char *__asan_default_options(void);
const char *__tsan_default_options(void);

/* Memory that cannot be had is a case to be tested. */
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }
const char *__tsan_default_options(void) {
  return "allocator_may_return_null=1:halt_on_error=0:second_deadlock_stack=1";
}
