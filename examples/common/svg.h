/// The beginnings of a drawing in SVG, and its texts.
#ifndef EXAMPLES_SVG_H
#define EXAMPLES_SVG_H

#include <stdio.h>

/// Begins a drawing on white. Texts can have the classes title, name, end and middle, lines grid
/// and axis. To be ended with `</svg>`.
void svg_begin(FILE *file, int width, int height);

/// A text whose `x` is its left end, unless `attributes` says otherwise.
void svg_text(FILE *file, double x, double y, const char *attributes, const char *text);

#endif
