/// Options of a command line, described by a table.
#ifndef EXAMPLES_OPTIONS_H
#define EXAMPLES_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

enum option_kind {
  OPTION_FLAG,    ///< takes no argument; an `int64_t`, set to 1
  OPTION_INTEGER, ///< an `int64_t` from `low` to `high`
  OPTION_NUMBER,  ///< a `double` from `low` to `high`
  OPTION_TEXT,    ///< a `const char *`, not empty
  OPTION_CHOICE   ///< a `const char *`: one of the words in `argument`, which `|` separates
};

/// `--name ARGUMENT` or `--name=ARGUMENT`.
struct option {
  const char *name;
  enum option_kind kind;
  const char *argument; ///< what `--help` calls it
  const char *help;
  void *value; ///< where it goes; untouched if the option is not given
  double low, high;
};

/// Reads a command line. `--help` prints `summary` and the table and exits with 0; anything wrong
/// is reported and exits with 2.
void options_parse(int argc, char **argv, const char *summary, const struct option *options,
                   size_t count);

#endif
