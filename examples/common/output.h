/// Files that are complete at every moment: each is written beside its place and then put there.
#ifndef EXAMPLES_OUTPUT_H
#define EXAMPLES_OUTPUT_H

#include <stdio.h>

struct output {
  FILE *file; ///< to write to
  const char *path;
  char *place, *temporary;
};

/// Dies if a file could not be written to `path`, which is left as it is. NULL is no file, and
/// well.
void output_check(const char *path);

/// Begins a file that `output_close` puts in its place. Links are followed, so that the file is
/// replaced and not the link; devices and pipes are refused. Dies if it cannot be done.
struct output output_open(const char *path);

/// Puts the file in its place, or dies with the older one still there.
void output_close(struct output *output);

#endif
