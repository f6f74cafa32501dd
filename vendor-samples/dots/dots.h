/* dots.h - v1.0 - draw with dots into text, with Braille characters

   Copyright (c) 2026 the fromsource authors, MIT licence

   Do this:
      #define DOTS_IMPLEMENTATION
   before you include this file in *one* C or C++ file to create the
   implementation. Everywhere else just include it.

   You can #define DOTS_STATIC to make every function static to that file,
   and DOTS_MALLOC(bytes), DOTS_FREE(pointer) to avoid malloc and free.

   WHAT IT DOES
      A character cell of a terminal holds eight dots, two wide and four high
      (U+2800 to U+28FF). A canvas of W x H dots prints as W/2 x H/4 characters,
      which is enough to recognise a picture or read a curve from a log file.

   QUICK START
      dots_canvas *canvas = dots_create(120, 40);
      dots_plot(canvas, samples, sample_count, -1, 1);
      char *text = (char *)malloc(dots_text_size(canvas));
      dots_text(canvas, text, dots_text_size(canvas));
      puts(text);
      dots_free(canvas);

   RULES
      (0, 0) is the upper left dot. What lies outside of the canvas is clipped.
      A canvas belongs to one thread at a time. Only dots_create allocates.

   HISTORY
      1.0  first release
*/
#ifndef DOTS_INCLUDE_DOTS_H
#define DOTS_INCLUDE_DOTS_H

#include <stddef.h>

#ifdef DOTS_STATIC
#define DOTSDEF static
#else
#define DOTSDEF extern
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct dots_canvas dots_canvas;

/* NULL unless 1 <= width, height <= 32768, or when memory ran out. The caller
   frees it. */
DOTSDEF dots_canvas *dots_create(int width, int height);
DOTSDEF void dots_free(dots_canvas *canvas);
DOTSDEF void dots_clear(dots_canvas *canvas);

/* Sets a dot to 1 or 0. */
DOTSDEF void dots_set(dots_canvas *canvas, int x, int y, int on);
/* 1 or 0; 0 outside. */
DOTSDEF int dots_get(const dots_canvas *canvas, int x, int y);
/* How many dots are set. */
DOTSDEF int dots_count(const dots_canvas *canvas);

/* A line with both its ends, for coordinates up to a million either way:
   beyond that nothing is drawn. */
DOTSDEF void dots_line(dots_canvas *canvas, int x0, int y0, int x1, int y1);
/* An outline, for radii from 0 to 32768. */
DOTSDEF void dots_circle(dots_canvas *canvas, int x, int y, int radius);
/* A curve over the full width: sample 0 at the left, the last at the right,
   `low` at the bottom, `high` at the top. A sample that is not finite leaves a
   gap. */
DOTSDEF void dots_plot(dots_canvas *canvas, const float *samples, int count,
                       float low, float high);
/* An 8-bit grey image, scaled to the whole canvas (each dot the mean of what
   it covers) and dithered by error diffusion, serpentine. Overwrites what was
   there. Does nothing for an empty image. */
DOTSDEF void dots_image(dots_canvas *canvas, const unsigned char *pixels,
                        int width, int height, int stride);

/* Bytes that dots_text needs, the final 0 included. */
DOTSDEF size_t dots_text_size(const dots_canvas *canvas);
/* Writes UTF-8, a newline between rows and a 0 at the end. Returns the length
   without the 0; or 0, with nothing written, when `size` is too small. */
DOTSDEF size_t dots_text(const dots_canvas *canvas, char *out, size_t size);

#ifdef __cplusplus
}
#endif
#endif /* DOTS_INCLUDE_DOTS_H */

#ifdef DOTS_IMPLEMENTATION

#include <string.h>

#ifndef DOTS_MALLOC
#include <stdlib.h>
#define DOTS_MALLOC(bytes) malloc(bytes)
#define DOTS_FREE(pointer) free(pointer)
#endif

enum { DOTS__MAX_SIDE = 32768, DOTS__FAR = 1000000 };

/* `cells` holds one byte per character, row by row. `errors` is what
   dots_image carries from one row of dots to the next, one margin entry at
   each end. */
struct dots_canvas {
  int width, height, columns, rows;
  unsigned char *cells;
  float *errors;
};

/* Unicode numbers the dots column by column, except for the last row. */
static const unsigned char dots__bits[4][2] = {
    {0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};

static size_t dots__cell_count(const dots_canvas *canvas) {
  return (size_t)canvas->columns * (size_t)canvas->rows;
}

DOTSDEF dots_canvas *dots_create(int width, int height) {
  if (width < 1 || height < 1 || width > DOTS__MAX_SIDE ||
      height > DOTS__MAX_SIDE)
    return NULL;
  int columns = (width + 1) / 2, rows = (height + 3) / 4;
  size_t errors = 2 * ((size_t)width + 2) * sizeof(float);
  size_t cells = (size_t)columns * (size_t)rows;
  /* One block: the errors stand before the cells because they need the
     alignment. */
  char *block = (char *)DOTS_MALLOC(sizeof(dots_canvas) + errors + cells);
  if (block == NULL)
    return NULL;
  dots_canvas *canvas = (dots_canvas *)(void *)block;
  canvas->width = width;
  canvas->height = height;
  canvas->columns = columns;
  canvas->rows = rows;
  canvas->errors = (float *)(void *)(block + sizeof(dots_canvas));
  canvas->cells = (unsigned char *)block + sizeof(dots_canvas) + errors;
  dots_clear(canvas);
  return canvas;
}

DOTSDEF void dots_free(dots_canvas *canvas) { DOTS_FREE(canvas); }

DOTSDEF void dots_clear(dots_canvas *canvas) {
  memset(canvas->cells, 0, dots__cell_count(canvas));
}

static int dots__inside(const dots_canvas *canvas, int x, int y) {
  return x >= 0 && y >= 0 && x < canvas->width && y < canvas->height;
}

DOTSDEF void dots_set(dots_canvas *canvas, int x, int y, int on) {
  if (!dots__inside(canvas, x, y))
    return;
  size_t cell = (size_t)(y / 4) * (size_t)canvas->columns + (size_t)(x / 2);
  unsigned char bit = dots__bits[y % 4][x % 2], old = canvas->cells[cell];
  canvas->cells[cell] = (unsigned char)(on ? old | bit : old & ~bit);
}

DOTSDEF int dots_get(const dots_canvas *canvas, int x, int y) {
  if (!dots__inside(canvas, x, y))
    return 0;
  size_t cell = (size_t)(y / 4) * (size_t)canvas->columns + (size_t)(x / 2);
  return (canvas->cells[cell] & dots__bits[y % 4][x % 2]) != 0;
}

DOTSDEF int dots_count(const dots_canvas *canvas) {
  int count = 0;
  for (size_t i = 0; i < dots__cell_count(canvas); i++)
    for (unsigned rest = canvas->cells[i]; rest != 0; rest &= rest - 1)
      count++;
  return count;
}

static int dots__far(int v) { return v < -DOTS__FAR || v > DOTS__FAR; }

DOTSDEF void dots_line(dots_canvas *canvas, int x0, int y0, int x1, int y1) {
  if (dots__far(x0) || dots__far(y0) || dots__far(x1) || dots__far(y1))
    return;
  int dx = x1 > x0 ? x1 - x0 : x0 - x1, step_x = x1 > x0 ? 1 : -1;
  int dy = y1 > y0 ? y1 - y0 : y0 - y1, step_y = y1 > y0 ? 1 : -1;
  /* Bresenham: `error` says by how much the dot lies off the line, times
     dx + dy. */
  int error = dx - dy;
  for (;;) {
    dots_set(canvas, x0, y0, 1);
    if (x0 == x1 && y0 == y1)
      return;
    int twice = 2 * error;
    if (twice > -dy) {
      error -= dy;
      x0 += step_x;
    }
    if (twice < dx) {
      error += dx;
      y0 += step_y;
    }
  }
}

DOTSDEF void dots_circle(dots_canvas *canvas, int x, int y, int radius) {
  if (dots__far(x) || dots__far(y) || radius < 0 || radius > DOTS__MAX_SIDE)
    return;
  /* One eighth of the circle is walked, the others are its mirror images. */
  int dx = radius, dy = 0, error = 1 - radius;
  while (dx >= dy) {
    for (int mirror = 0; mirror < 8; mirror++) {
      int a = mirror & 4 ? dy : dx, b = mirror & 4 ? dx : dy;
      dots_set(canvas, x + (mirror & 1 ? -a : a), y + (mirror & 2 ? -b : b), 1);
    }
    dy++;
    if (error < 0) {
      error += 2 * dy + 1;
    } else {
      dx--;
      error += 2 * (dy - dx) + 1;
    }
  }
}

DOTSDEF void dots_plot(dots_canvas *canvas, const float *samples, int count,
                       float low, float high) {
  int had = 0, last_x = 0, last_y = 0;
  for (int i = 0; i < count; i++) {
    float at = (samples[i] - low) / (high - low);
    /* Also false for NaN; keeps the coordinate far inside of an int. */
    if (!(at >= -8.0f && at <= 8.0f)) {
      had = 0;
      continue;
    }
    double along = count > 1 ? (double)i / (count - 1) : 0.0;
    int x = (int)(along * (canvas->width - 1) + 0.5);
    float up = (1.0f - at) * (float)(canvas->height - 1);
    int y = (int)(up < 0 ? up - 0.5f : up + 0.5f);
    dots_line(canvas, had ? last_x : x, had ? last_y : y, x, y);
    had = 1;
    last_x = x;
    last_y = y;
  }
}

/* The mean of the pixels that a dot covers; at least one, for images smaller
   than the canvas. */
static float dots__mean(const dots_canvas *canvas, const unsigned char *pixels,
                        int width, int height, int stride, int x, int y) {
  int x0 = (int)((long long)x * width / canvas->width);
  int x1 = (int)((long long)(x + 1) * width / canvas->width);
  int y0 = (int)((long long)y * height / canvas->height);
  int y1 = (int)((long long)(y + 1) * height / canvas->height);
  if (x1 == x0)
    x1++;
  if (y1 == y0)
    y1++;
  double sum = 0;
  for (int row = y0; row < y1; row++)
    for (int column = x0; column < x1; column++)
      sum += pixels[(ptrdiff_t)row * stride + column];
  return (float)(sum / ((double)(x1 - x0) * (y1 - y0)));
}

DOTSDEF void dots_image(dots_canvas *canvas, const unsigned char *pixels,
                        int width, int height, int stride) {
  if (width < 1 || height < 1)
    return;
  size_t row_size = (size_t)canvas->width + 2;
  float *here = canvas->errors, *below = canvas->errors + row_size;
  memset(canvas->errors, 0, 2 * row_size * sizeof(float));
  for (int y = 0; y < canvas->height; y++) {
    /* Every other row runs backwards: the error would drift to one side. */
    int step = y % 2 ? -1 : 1, x = y % 2 ? canvas->width - 1 : 0;
    for (int i = 0; i < canvas->width; i++, x += step) {
      float grey =
          dots__mean(canvas, pixels, width, height, stride, x, y) + here[x + 1];
      int on = grey >= 127.5f;
      float error = (grey - (on ? 255.0f : 0.0f)) / 16.0f;
      dots_set(canvas, x, y, on);
      here[x + 1 + step] += error * 7;
      below[x + 1 - step] += error * 3;
      below[x + 1] += error * 5;
      below[x + 1 + step] += error;
    }
    float *done = here;
    here = below;
    below = done;
    memset(below, 0, row_size * sizeof(float));
  }
}

DOTSDEF size_t dots_text_size(const dots_canvas *canvas) {
  /* Three bytes a character, one newline or 0 a row. */
  return 3 * dots__cell_count(canvas) + (size_t)canvas->rows;
}

DOTSDEF size_t dots_text(const dots_canvas *canvas, char *out, size_t size) {
  if (size < dots_text_size(canvas))
    return 0;
  char *at = out;
  for (int row = 0; row < canvas->rows; row++) {
    const unsigned char *cell =
        canvas->cells + (size_t)row * (size_t)canvas->columns;
    for (int column = 0; column < canvas->columns; column++, cell++) {
      *at++ = (char)0xE2;
      *at++ = (char)(0xA0 | *cell >> 6);
      *at++ = (char)(0x80 | (*cell & 0x3F));
    }
    *at++ = row + 1 < canvas->rows ? '\n' : '\0';
  }
  return (size_t)(at - out) - 1;
}

#endif /* DOTS_IMPLEMENTATION */
