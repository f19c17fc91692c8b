/* What the run time of the sanitizers is told, by the programs that are built with one. */

const char *__asan_default_options(void);
const char *__tsan_default_options(void);
const char *__tsan_default_suppressions(void);

/* Memory that cannot be had is a case to be tested. */
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }
const char *__tsan_default_options(void) { return "allocator_may_return_null=1"; }

/* Swift makes a global constant at its first use, and has other threads wait for it, in a part of
 * its run time that ThreadSanitizer cannot look into. */
const char *__tsan_default_suppressions(void) { return "race:swift::threading_impl::once_slow\n"; }
