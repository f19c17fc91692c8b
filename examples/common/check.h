/// Ending a program with a message when something is wrong.
#ifndef EXAMPLES_CHECK_H
#define EXAMPLES_CHECK_H

#include <nanograd.h>

/// Prints `program: message` on standard error and exits with status 2.
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// Writes out what is left of standard output; dies if it could not be written.
void flush_output(void);

/// Dies with nanograd's message if any call on this thread has failed. NULL handles pass through
/// expressions, so one check after a whole graph is enough.
static inline void check_nanograd(void) {
  if (ng_error() != NG_OK)
    die("%s", ng_error_message());
}

#endif
