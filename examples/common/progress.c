#define _DEFAULT_SOURCE // struct winsize
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/// Plain lines over a whole training.
static const int64_t max_lines = 20;

double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int terminal_width(void) {
  struct winsize size;
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static bool is_utf8(void) {
  const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
  for (int i = 0; i < 3; i++) {
    const char *value = getenv(names[i]);
    if (value != NULL && *value != '\0')
      return strstr(value, "UTF-8") != NULL || strstr(value, "utf8") != NULL;
  }
  return false;
}

static void format_duration(char *text, size_t size, double duration) {
  const long total = (long)(duration + 0.5);
  if (total < 60)
    snprintf(text, size, "%ld s", total);
  else if (total < 3600)
    snprintf(text, size, "%ld:%02ld min", total / 60, total % 60);
  else
    snprintf(text, size, "%ld:%02ld h", total / 3600, total / 60 % 60);
}

/// The bar takes what the figures leave of the line, and goes first where that is too little.
static void draw_bar(const struct progress *progress, int64_t done, const char *figures) {
  const char *full = is_utf8() ? "━" : "=", *empty = is_utf8() ? "╌" : "-";
  const int room = terminal_width() - 1 - (int)strlen(figures) - 1;
  const int width = room > 40 ? 40 : room;
  fputs("\r\033[K", stderr);
  if (width >= 8) {
    const int filled = (int)(done * width / progress->steps);
    for (int i = 0; i < width; i++)
      fputs(i < filled ? full : empty, stderr);
    fputc(' ', stderr);
  }
  fprintf(stderr, "%.*s", terminal_width() - 1, figures);
  fflush(stderr);
}

void progress_begin(struct progress *progress, int64_t steps) {
  *progress = (struct progress){.steps = steps, .terminal = isatty(STDERR_FILENO) == 1};
  progress->start = seconds();
}

void progress_update(struct progress *progress, int64_t done) {
  const double now = seconds(), elapsed = now - progress->start;
  if (progress->terminal) {
    if (now - progress->drawn < 0.1 && done < progress->steps)
      return;
    progress->drawn = now;
  } else {
    const double part = (double)done / (double)progress->steps;
    if ((int64_t)(part * (double)max_lines) <= progress->printed)
      return;
    progress->printed = (int64_t)(part * (double)max_lines);
  }
  const double speed = elapsed > 0 ? (double)(done - progress->before) / elapsed : 0;
  char left[32] = "?", figures[160];
  if (speed > 0)
    format_duration(left, sizeof left, (double)(progress->steps - done) / speed);
  snprintf(figures, sizeof figures,
           "%lld/%lld  loss %#.4g  accuracy %.1f %%  %.1f steps/s  %s left", (long long)done,
           (long long)progress->steps, progress->loss, 100 * progress->accuracy, speed, left);
  if (progress->terminal)
    draw_bar(progress, done, figures);
  else
    fprintf(stderr, "%s\n", figures);
}

double progress_end(struct progress *progress) {
  if (progress->terminal)
    fputs("\r\033[K", stderr);
  return seconds() - progress->start;
}
