#define _XOPEN_SOURCE 700 // realpath, fileno, fsync
#include "output.h"

#include "check.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct output output_open(const char *path) {
  struct output output = {.path = path};
  struct stat status;
  const bool exists = stat(path, &status) == 0;
  if (exists && !S_ISREG(status.st_mode))
    die("%s: cannot be written: not a regular file", path);
  if (exists && access(path, W_OK) != 0)
    die("%s: cannot be written: %s", path, strerror(errno));
  output.place = exists ? realpath(path, NULL) : strdup(path);
  const size_t size = output.place != NULL ? strlen(output.place) + 32 : 0;
  output.temporary = output.place != NULL ? malloc(size) : NULL;
  if (output.temporary == NULL)
    die("%s: cannot be written: %s", path, strerror(errno));
  snprintf(output.temporary, size, "%s.%ld.tmp", output.place, (long)getpid());
  output.file = fopen(output.temporary, "wx");
  if (output.file == NULL)
    die("%s: cannot be written: %s", path, strerror(errno));
  return output;
}

static void forget(struct output *output) {
  free(output->place);
  free(output->temporary);
  *output = (struct output){0};
}

void output_check(const char *path) {
  if (path == NULL)
    return;
  struct output output = output_open(path);
  fclose(output.file);
  remove(output.temporary);
  forget(&output);
}

void output_close(struct output *output) {
  errno = 0;
  bool ok = fflush(output->file) == 0 && !ferror(output->file) && fsync(fileno(output->file)) == 0;
  ok = fclose(output->file) == 0 && ok;
  if (!ok || rename(output->temporary, output->place) != 0) {
    const int code = errno;
    remove(output->temporary);
    die("%s: cannot be written: %s", output->path, strerror(code ? code : EIO));
  }
  forget(output);
}
