#include "plot.h"

#include "check.h"
#include "svg.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { TICKS = 16 };
static const int WIDTH = 760, HEIGHT = 600, LEFT = 70, RIGHT = 24;

/// One of the two diagrams: where it is, and what its vertical axis shows.
struct panel {
  const char *name, *color, *unit;
  double top, bottom, low, high;
  bool logarithmic;
  double ticks[TICKS];
  int tick_count;
};

/* ---- Axes ------------------------------------------------------------------------------------ */

static double place_x(double step, double last) {
  return LEFT + step / last * (WIDTH - LEFT - RIGHT);
}

static double place_y(const struct panel *panel, double value) {
  double part = (value - panel->low) / (panel->high - panel->low);
  if (panel->logarithmic)
    part = log(fmax(value, panel->low) / panel->low) / log(panel->high / panel->low);
  return panel->bottom - part * (panel->bottom - panel->top);
}

/// The round number (1, 2 or 5 times a power of ten) that cuts `span` into at most `pieces`.
static double round_interval(double span, int pieces) {
  const double raw = span / pieces, power = pow(10, floor(log10(raw)));
  const double factors[] = {1, 2, 5};
  for (int i = 0; i < 3; i++)
    if (factors[i] * power >= raw * (1 - 1e-9))
      return factors[i] * power;
  return 10 * power;
}

/// An axis of tenths, halves and so on from `low` up to at most `high`, both widened to round
/// numbers.
static void set_linear(struct panel *panel, double low, double high) {
  const double interval = round_interval(high - low, 5);
  panel->low = floor(low / interval + 1e-9) * interval;
  panel->high = ceil(high / interval - 1e-9) * interval;
  for (int i = 0; i < TICKS && panel->low + i * interval <= panel->high * (1 + 1e-9); i++)
    panel->ticks[panel->tick_count++] = panel->low + i * interval;
}

/// An axis in proportions, with ticks at 1, 2 and 5 times powers of ten, or at the powers alone
/// where there would be too many.
static void set_logarithmic(struct panel *panel, double low, double high) {
  const double factors[] = {1, 2, 5};
  const bool dense = high / low < 300;
  panel->logarithmic = true;
  panel->low = low / 1.15;
  panel->high = high * 1.15;
  for (double power = pow(10, floor(log10(low))); power <= panel->high; power *= 10)
    for (int i = 0; i < (dense ? 3 : 1) && panel->tick_count < TICKS; i++)
      if (factors[i] * power >= panel->low && factors[i] * power <= panel->high)
        panel->ticks[panel->tick_count++] = factors[i] * power;
}

/* ---- Drawing --------------------------------------------------------------------------------- */

static void draw_axes(FILE *file, const struct panel *panel, double last) {
  char text[64];
  svg_text(file, LEFT, panel->top - 12, "class=\"name\"", panel->name);
  for (int i = 0; i < panel->tick_count; i++) {
    const double y = place_y(panel, panel->ticks[i]);
    fprintf(file, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>\n", LEFT,
            WIDTH - RIGHT, y, y);
    snprintf(text, sizeof text, "%.6g%s", panel->ticks[i], panel->unit);
    svg_text(file, LEFT - 10, y + 4, "class=\"end\"", text);
  }
  const double interval = fmax(1, round_interval(last, 10));
  for (int i = 0; i * interval <= last * (1 + 1e-9); i++) {
    const double x = place_x(i * interval, last);
    fprintf(file, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" class=\"axis\"/>\n", x, x,
            panel->bottom, panel->bottom + 5);
    snprintf(text, sizeof text, "%.10g", i * interval);
    svg_text(file, x, panel->bottom + 20, "class=\"middle\"", text);
  }
  fprintf(file, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" class=\"axis\"/>\n", LEFT,
          WIDTH - RIGHT, panel->bottom, panel->bottom);
}

static double value_at(const struct plot_point *point, bool accuracy) {
  return accuracy ? 100 * point->accuracy : point->loss;
}

/// The mean of a point and those around it, the nearer ones counting for more.
static double smoothed(const struct plot *plot, size_t i, bool accuracy) {
  const size_t reach = 1 + plot->count / 25;
  double sum = 0, weights = 0;
  for (size_t k = i < reach ? 0 : i - reach; k < plot->count && k <= i + reach; k++) {
    const double weight = (double)(1 + reach - (k < i ? i - k : k - i));
    sum += weight * value_at(&plot->points[k], accuracy);
    weights += weight;
  }
  return sum / weights;
}

/// One line through all points. The first is written twice, so that even a single one shows as a
/// dot.
static void draw_curve(FILE *file, const struct plot *plot, const struct panel *panel, double last,
                       bool accuracy, bool smooth) {
  fprintf(file, "<polyline fill=\"none\" stroke=\"%s\" %s points=\"", panel->color,
          smooth ? "stroke-width=\"2\"" : "stroke-opacity=\"0.3\"");
  for (size_t i = 0; i < plot->count; i++) {
    const struct plot_point *point = &plot->points[i];
    const double value = smooth ? smoothed(plot, i, accuracy) : value_at(point, accuracy);
    for (int times = i == 0 ? 2 : 1; times > 0; times--)
      fprintf(file, "%.1f,%.1f ", place_x(point->step, last), place_y(panel, value));
  }
  fputs("\"/>\n", file);
}

static void draw_legend(FILE *file, const struct panel *panel, const char *test) {
  const double y = panel->top - 16;
  const struct {
    const char *text, *style;
  } entries[] = {{"of a batch", "stroke-opacity=\"0.3\""},
                 {"smoothed", "stroke-width=\"2\""},
                 {test, "stroke-dasharray=\"5 4\" stroke-width=\"1.5\""}};
  double x = WIDTH - RIGHT - (test != NULL ? 330 : 200);
  for (int i = 0; i < 3 && entries[i].text != NULL; i++, x += 105) {
    fprintf(file, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" %s/>\n", x,
            x + 22, y, y, panel->color, entries[i].style);
    svg_text(file, x + 28, y + 4, "", entries[i].text);
  }
}

void plot_draw(FILE *file, const struct plot *plot) {
  const bool tested = !isnan(plot->test);
  const double last = fmax(1, plot->steps - 1);
  double least = 1e9, most = 1e-6, lowest = tested ? 100 * plot->test : 100;
  for (size_t i = 0; i < plot->count; i++) {
    const double loss = fmin(fmax(plot->points[i].loss, 1e-6), 1e9); // finite on any scale
    least = fmin(least, loss);
    most = fmax(most, loss);
    lowest = fmin(lowest, 100 * plot->points[i].accuracy);
  }
  struct panel loss = {.name = "loss", .color = "#c2410c", .unit = "", .top = 90, .bottom = 290};
  struct panel accuracy = {
      .name = "accuracy", .color = "#1d4ed8", .unit = " %", .top = 360, .bottom = 550};
  set_logarithmic(&loss, fmin(least, most / 4), most);
  set_linear(&accuracy, fmin(lowest, 95), 100);

  svg_begin(file, WIDTH, HEIGHT);
  svg_text(file, LEFT, 38, "class=\"title\"", plot->title);
  char test[32];
  snprintf(test, sizeof test, "test: %.2f %%", 100 * plot->test);
  const struct panel *panels[] = {&loss, &accuracy};
  for (int i = 0; i < 2; i++) {
    draw_axes(file, panels[i], last);
    draw_curve(file, plot, panels[i], last, i == 1, false);
    draw_curve(file, plot, panels[i], last, i == 1, true);
    draw_legend(file, panels[i], i == 1 && tested ? test : NULL);
  }
  if (tested) {
    const double y = place_y(&accuracy, 100 * plot->test);
    fprintf(file,
            "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
            "stroke-dasharray=\"5 4\" stroke-width=\"1.5\"/>\n",
            LEFT, WIDTH - RIGHT, y, y, accuracy.color);
  }
  svg_text(file, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 8, "class=\"middle\"", "step");
  fputs("</svg>\n", file);
}

void plot_add(struct plot *plot, double step, double loss, double accuracy) {
  if (plot->count == plot->capacity) {
    plot->capacity = plot->capacity != 0 ? 2 * plot->capacity : 256;
    plot->points = realloc(plot->points, plot->capacity * sizeof *plot->points);
    if (plot->points == NULL)
      die("no memory for the plot's %zu points", plot->capacity);
  }
  plot->points[plot->count++] = (struct plot_point){step, loss, accuracy};
}

void plot_free(struct plot *plot) {
  free(plot->points);
  plot->points = NULL;
  plot->count = plot->capacity = 0;
}
