#include "digits.h"

#include <math.h>
#include <stdbool.h>

enum { MAX_POINTS = 12, MAX_STROKES = 3, PIECES = 6 };

struct point {
  float x, y;
};

/// A smooth curve through its points, or straight lines between them.
struct stroke {
  int count;
  bool smooth;
  struct point points[MAX_POINTS];
};

struct glyph {
  int digit, count;
  struct stroke strokes[MAX_STROKES];
};

/// The ways to write each digit: in a box from (-1, -1), top left, to (1, 1).
// clang-format off
static const struct glyph glyphs[] = {
    {0, 1, {{9, true, {{.1f, -1}, {-.5f, -.7f}, {-.7f, 0}, {-.5f, .7f}, {0, 1}, {.5f, .7f},
                       {.7f, 0}, {.5f, -.7f}, {0, -1}}}}},
    {1, 1, {{2, false, {{.05f, -1}, {-.05f, 1}}}}},
    {1, 1, {{3, false, {{-.4f, -.6f}, {.1f, -1}, {.05f, 1}}}}},
    {1, 2, {{3, false, {{-.35f, -.65f}, {.05f, -1}, {0, 1}}}, {2, false, {{-.4f, 1}, {.4f, 1}}}}},
    {2, 1, {{8, true, {{-.6f, -.6f}, {-.2f, -1}, {.4f, -.9f}, {.55f, -.4f}, {.1f, .2f},
                       {-.6f, .95f}, {0, .9f}, {.65f, .95f}}}}},
    {2, 1, {{9, true, {{-.55f, -.7f}, {0, -1}, {.5f, -.7f}, {.4f, -.1f}, {-.1f, .6f},
                       {-.5f, .95f}, {-.55f, .6f}, {-.1f, .7f}, {.65f, 1}}}}},
    {3, 1, {{9, true, {{-.55f, -.8f}, {0, -1}, {.5f, -.7f}, {.35f, -.2f}, {-.1f, -.05f},
                       {.45f, .2f}, {.55f, .65f}, {.1f, 1}, {-.6f, .8f}}}}},
    {3, 2, {{3, false, {{-.5f, -.95f}, {.5f, -.95f}, {-.05f, -.15f}}},
            {5, true, {{-.05f, -.15f}, {.5f, .1f}, {.5f, .7f}, {0, 1}, {-.6f, .8f}}}}},
    {4, 2, {{3, false, {{-.3f, -1}, {-.6f, .2f}, {.65f, .15f}}},
            {2, false, {{.3f, -.8f}, {.2f, 1}}}}},
    {4, 1, {{4, false, {{.25f, 1}, {.3f, -1}, {-.65f, .3f}, {.65f, .3f}}}}},
    {5, 2, {{2, false, {{-.4f, -.95f}, {.55f, -.95f}}},
            {8, true, {{-.4f, -.95f}, {-.45f, -.5f}, {-.5f, -.1f}, {.1f, -.25f}, {.55f, .1f},
                       {.5f, .7f}, {0, 1}, {-.6f, .85f}}}}},
    {6, 1, {{10, true, {{.4f, -1}, {-.2f, -.6f}, {-.55f, .1f}, {-.5f, .75f}, {0, 1}, {.5f, .75f},
                        {.45f, .2f}, {0, .05f}, {-.4f, .3f}, {-.5f, .5f}}}}},
    {7, 1, {{4, false, {{-.6f, -.9f}, {.6f, -.95f}, {.15f, 0}, {-.2f, 1}}}}},
    {7, 2, {{3, false, {{-.6f, -.9f}, {.6f, -.95f}, {-.15f, 1}}},
            {2, false, {{-.25f, .05f}, {.5f, 0}}}}},
    {8, 1, {{12, true, {{.4f, -.7f}, {0, -1}, {-.45f, -.7f}, {-.3f, -.25f}, {.2f, .1f}, {.5f, .6f},
                        {0, 1}, {-.5f, .65f}, {-.25f, .15f}, {.25f, -.2f}, {.45f, -.6f},
                        {.1f, -1}}}}},
    {9, 1, {{10, true, {{.5f, -.6f}, {.1f, -1}, {-.45f, -.8f}, {-.5f, -.3f}, {-.1f, -.05f},
                        {.4f, -.3f}, {.5f, -.7f}, {.5f, 0}, {.35f, .6f}, {.15f, 1}}}}},
    {9, 2, {{7, true, {{.45f, -.7f}, {0, -1}, {-.5f, -.65f}, {-.35f, -.15f}, {.1f, -.1f},
                       {.45f, -.45f}, {.45f, -.8f}}},
            {2, false, {{.45f, -.8f}, {.35f, 1}}}}},
};
// clang-format on
enum { GLYPHS = sizeof glyphs / sizeof glyphs[0] };

/// SplitMix64 (Steele, Lea and Flood, 2014): small, and the same on every machine.
static uint64_t next(uint64_t *state) {
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

static float uniform(uint64_t *state, float low, float high) {
  return low + (high - low) * ((float)(next(state) >> 40) * 0x1p-24f);
}

/// Nearly normal, with deviation 1: the sum of four uniform numbers, which needs no function of
/// libm.
static float normal(uint64_t *state) {
  const uint64_t bits = next(state);
  float sum = 0;
  for (int i = 0; i < 4; i++)
    sum += (float)(bits >> 16 * i & 0xFFFF) * 0x1p-16f - 0.5f;
  return sum * 1.7320508f;
}

/// Catmull-Rom: a curve that passes through b and c, on its way from a to d.
static float spline(float a, float b, float c, float d, float t) {
  return b + 0.5f * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

/// Adds a line from p to q with soft edges; what is brighter already stays.
static void draw_line(float *canvas, struct point p, struct point q, float radius) {
  const float reach = radius + 1, dx = q.x - p.x, dy = q.y - p.y, length = dx * dx + dy * dy;
  const int left = (int)fmaxf(0, fminf(p.x, q.x) - reach);
  const int right = (int)fminf(DIGITS_SIDE - 1, fmaxf(p.x, q.x) + reach);
  const int top = (int)fmaxf(0, fminf(p.y, q.y) - reach);
  const int bottom = (int)fminf(DIGITS_SIDE - 1, fmaxf(p.y, q.y) + reach);
  for (int y = top; y <= bottom; y++)
    for (int x = left; x <= right; x++) {
      const float px = (float)x - p.x, py = (float)y - p.y;
      const float along = length > 0 ? fminf(1, fmaxf(0, (px * dx + py * dy) / length)) : 0;
      const float ex = px - along * dx, ey = py - along * dy;
      const float light = fminf(1, fmaxf(0, radius + 0.5f - sqrtf(ex * ex + ey * ey)));
      float *pixel = &canvas[y * DIGITS_SIDE + x];
      *pixel = fmaxf(*pixel, light);
    }
}

static void draw_stroke(float *canvas, const struct stroke *stroke, const struct point *points,
                        float radius) {
  const int last = stroke->count - 1;
  for (int i = 0; i < last; i++) {
    const struct point a = points[i > 0 ? i - 1 : 0], b = points[i], c = points[i + 1];
    const struct point d = points[i + 2 <= last ? i + 2 : last];
    struct point from = b;
    const int pieces = stroke->smooth ? PIECES : 1;
    for (int k = 1; k <= pieces; k++) {
      const float t = (float)k / (float)pieces;
      struct point to = c;
      if (k < pieces)
        to = (struct point){spline(a.x, b.x, c.x, d.x, t), spline(a.y, b.y, c.y, d.y, t)};
      draw_line(canvas, from, to, radius);
      from = to;
    }
  }
}

static void draw_digit(uint64_t *state, const struct glyph *glyph, uint8_t *image) {
  float canvas[DIGITS_PIXELS] = {0};

  // A rotation by half-angle tangents: exact arithmetic on every machine, unlike sin and cos.
  const float u = 0.11f * normal(state), scale = 1 / (1 + u * u);
  const float cosine = (1 - u * u) * scale, sine = 2 * u * scale;
  const float shear = 0.18f * normal(state);
  const float width = uniform(state, 5.5f, 9.5f), height = uniform(state, 7.0f, 10.0f);
  const float x0 = 13.5f + 1.2f * normal(state), y0 = 13.5f + 1.2f * normal(state);
  const float radius = uniform(state, 0.6f, 1.7f);
  for (int s = 0; s < glyph->count; s++) {
    struct point points[MAX_POINTS];
    for (int i = 0; i < glyph->strokes[s].count; i++) {
      const struct point p = glyph->strokes[s].points[i];
      const float y = (p.y + 0.09f * normal(state)) * height;
      const float x = (p.x + 0.09f * normal(state)) * width - shear * y;
      points[i] = (struct point){x0 + cosine * x - sine * y, y0 + sine * x + cosine * y};
    }
    draw_stroke(canvas, &glyph->strokes[s], points, radius);
  }

  const float contrast = uniform(state, 0.55f, 1.0f), noise = uniform(state, 0.0f, 0.12f);
  for (int i = 0; i < DIGITS_PIXELS; i++) {
    const float light = contrast * canvas[i] + noise * normal(state);
    image[i] = (uint8_t)(255 * fminf(1, fmaxf(0, light)) + 0.5f);
  }
}

void digits_draw(uint64_t seed, size_t count, uint8_t *images, uint8_t *labels) {
  uint64_t state = seed;
  for (size_t i = 0; i < count; i++) {
    // A digit first and a way to write it then, so that all digits are equally frequent.
    const int digit = (int)(next(&state) % 10);
    const struct glyph *glyph;
    do
      glyph = &glyphs[next(&state) % GLYPHS];
    while (glyph->digit != digit);
    draw_digit(&state, glyph, images + i * DIGITS_PIXELS);
    labels[i] = (uint8_t)digit;
  }
}
