#include "options.h"

#include "check.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(const char *program, const char *summary, const struct option *options,
                       size_t count) {
  printf("usage: %s [options]\n%s\n\n", program, summary);
  for (size_t i = 0; i < count; i++) {
    char left[40];
    snprintf(left, sizeof left, "--%s %s", options[i].name,
             options[i].argument ? options[i].argument : "");
    printf("  %-26s %s\n", left, options[i].help);
  }
  printf("  %-26s %s\n", "--help", "show this and stop");
}

static bool is_choice(const char *words, const char *text) {
  const size_t length = strlen(text);
  for (const char *word = words; word != NULL; word = strchr(word, '|')) {
    word += *word == '|';
    if (strcspn(word, "|") == length && strncmp(word, text, length) == 0)
      return true;
  }
  return false;
}

static void set_option(const struct option *option, const char *text) {
  char *end = NULL;
  errno = 0;
  switch (option->kind) {
  case OPTION_FLAG:
    *(int64_t *)option->value = 1;
    break;
  case OPTION_INTEGER: {
    const long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || (double)value < option->low ||
        (double)value > option->high)
      die("--%s: expected a whole number from %.0f to %.0f, found '%s'", option->name, option->low,
          option->high, text);
    *(int64_t *)option->value = value;
    break;
  }
  case OPTION_NUMBER: {
    const double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= option->low && value <= option->high))
      die("--%s: expected a number from %g to %g, found '%s'", option->name, option->low,
          option->high, text);
    *(double *)option->value = value;
    break;
  }
  case OPTION_CHOICE:
    if (!is_choice(option->argument, text))
      die("--%s: expected %s, found '%s'", option->name, option->argument, text);
    *(const char **)option->value = text;
    break;
  case OPTION_TEXT:
    if (*text == '\0')
      die("--%s: expected %s, found nothing", option->name, option->argument);
    *(const char **)option->value = text;
    break;
  }
}

void options_parse(int argc, char **argv, const char *summary, const struct option *options,
                   size_t count) {
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0) {
      print_help(argv[0], summary, options, count);
      flush_output();
      exit(0);
    }
    if (strncmp(argv[i], "--", 2) != 0)
      die("unexpected argument '%s'; --help shows the options", argv[i]);
    const char *name = argv[i] + 2;
    const size_t length = strcspn(name, "=");
    const struct option *option = NULL;
    for (size_t k = 0; k < count; k++)
      if (strlen(options[k].name) == length && strncmp(options[k].name, name, length) == 0)
        option = &options[k];
    if (option == NULL)
      die("unknown option '--%.*s'; --help shows the options", (int)length, name);

    const char *text = name[length] == '=' ? name + length + 1 : NULL;
    if (option->kind == OPTION_FLAG && text != NULL)
      die("--%s takes no value, found '%s'", option->name, text);
    if (option->kind != OPTION_FLAG && text == NULL) {
      if (++i == argc)
        die("--%s: expected %s, found nothing", option->name, option->argument);
      text = argv[i];
    }
    set_option(option, text);
  }
}
