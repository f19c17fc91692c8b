#define _GNU_SOURCE // program_invocation_short_name
#include "check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void die(const char *format, ...) {
#if defined(__APPLE__)
  const char *program = getprogname();
#else
  const char *program = program_invocation_short_name;
#endif
  fflush(stdout);
  fprintf(stderr, "%s: ", program);
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(2);
}

void flush_output(void) {
  errno = 0;
  if (fflush(stdout) != 0 || ferror(stdout))
    die("cannot write to standard output: %s", strerror(errno ? errno : EIO));
}
