/// Handwritten-looking digits, drawn by a program: for trying things where MNIST is not at hand.
#ifndef EXAMPLES_DIGITS_H
#define EXAMPLES_DIGITS_H

#include <stddef.h>
#include <stdint.h>

enum { DIGITS_SIDE = 28, DIGITS_PIXELS = DIGITS_SIDE * DIGITS_SIDE };

/// Draws `count` digits, white on black, one after the other into `images` (DIGITS_PIXELS bytes
/// each), and writes what they are to `labels`. Shape, slant, size, place, thickness, contrast and
/// noise vary. The same seed gives the same digits.
void digits_draw(uint64_t seed, size_t count, uint8_t *images, uint8_t *labels);

#endif
