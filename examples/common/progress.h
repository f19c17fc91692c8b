/// How far a training has come: a bar on a terminal, and otherwise some twenty plain lines.
#ifndef EXAMPLES_PROGRESS_H
#define EXAMPLES_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
  int64_t steps;   ///< in all
  int64_t before;  ///< made by an earlier run; set by the caller
  double start;    ///< when the first began
  double drawn;    ///< when the bar was last drawn
  int64_t printed; ///< plain lines so far
  bool terminal;
  double loss, accuracy; ///< as last seen, the accuracy from 0 to 1; set by the caller
};

/// Seconds by a clock that never goes back.
double seconds(void);

/// Starts the clock for a training of `steps` steps. What is shown goes to standard error.
void progress_begin(struct progress *progress, int64_t steps);

/// Says that `done` steps are made, and shows it when it is time to.
void progress_update(struct progress *progress, int64_t done);

/// Takes the bar off the terminal. Returns the seconds since the beginning.
double progress_end(struct progress *progress);

#endif
