#include "pictures.h"

#include "output.h"
#include "progress.h"

#include <math.h>
#include <stdbool.h>

/// The beginning of the page, which a browser loads again every second as long as it is not the
/// last.
static void begin_page(FILE *file, const char *title, bool is_last) {
  fprintf(file,
          "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n%s<title>%s</title>\n"
          "<style>body{margin:2rem;font:14px system-ui,sans-serif;color:#475569}"
          "svg{max-width:100%%;height:auto;margin:0 2rem 2rem 0}</style>\n",
          is_last ? "" : "<meta http-equiv=\"refresh\" content=\"1\">\n", title);
}

/// The page of a training that goes on.
static void write_page(struct pictures *pictures) {
  const struct plot *plot = &pictures->plot;
  struct output output = output_open(pictures->paths.watch);
  begin_page(output.file, plot->title, false);
  const double step = plot->count > 0 ? plot->points[plot->count - 1].step + 1 : 0;
  fprintf(output.file, "<p>Step %.0f of %.0f. <progress max=\"%.0f\" value=\"%.0f\"></progress>\n",
          step, plot->steps, plot->steps, step);
  plot_draw(output.file, plot);
  output_close(&output);
  pictures->watched = seconds();
}

struct pictures pictures_begin(struct pictures_paths paths, const char *title, int64_t steps) {
  output_check(paths.plot);
  output_check(paths.confusion);
  output_check(paths.mistakes);
  struct pictures pictures = {.paths = paths,
                              .plot = {.title = title, .steps = (double)steps, .test = NAN}};
  if (paths.watch != NULL)
    write_page(&pictures);
  return pictures;
}

void pictures_add(struct pictures *pictures, int64_t step, double loss, double accuracy) {
  plot_add(&pictures->plot, (double)step, loss, accuracy);
  if (pictures->paths.watch != NULL && seconds() - pictures->watched >= 1)
    write_page(pictures);
}

void pictures_end(struct pictures *pictures, double accuracy, mnist_confusion confusion,
                  const struct mnist_set *set, struct mistakes *mistakes) {
  const struct pictures_paths *paths = &pictures->paths;
  struct output output;
  pictures->plot.test = accuracy;
  if (paths->plot != NULL) {
    output = output_open(paths->plot);
    plot_draw(output.file, &pictures->plot);
    output_close(&output);
  }
  if (paths->confusion != NULL) {
    output = output_open(paths->confusion);
    sheets_draw_confusion(output.file, confusion);
    output_close(&output);
  }
  if (paths->mistakes != NULL) {
    output = output_open(paths->mistakes);
    sheets_draw_mistakes(output.file, set, mistakes);
    output_close(&output);
  }
  if (paths->watch != NULL) {
    output = output_open(paths->watch);
    begin_page(output.file, pictures->plot.title, true);
    fprintf(output.file, "<p>Test accuracy %.2f %%.</p>\n", 100 * accuracy);
    plot_draw(output.file, &pictures->plot);
    sheets_draw_confusion(output.file, confusion);
    sheets_draw_mistakes(output.file, set, mistakes);
    output_close(&output);
  }
  plot_free(&pictures->plot);
}
