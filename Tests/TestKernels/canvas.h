/// Matrices whose surroundings show what reads or writes beyond them.
#pragma once
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#ifndef MARGIN
#define MARGIN 80  // floats around each buffer; 0 where a sanitizer looks after them
#endif

/// A matrix with gaps between its rows and margins around, all of which hold NaN or infinities.
typedef struct {
  float *memory, *values;
  size_t rows, columns, stride;
} canvas;

static inline float canary(size_t i) { return i % 3 ? NAN : i % 2 ? INFINITY : -INFINITY; }

static inline canvas make(size_t rows, size_t columns, size_t gap, uint64_t seed, uint64_t stream) {
  const size_t stride = columns + gap, size = rows * stride + 2 * MARGIN;
  canvas c = {malloc(size * sizeof(float)), NULL, rows, columns, stride};
  c.values = c.memory + MARGIN;
  for (size_t i = 0; i < size; i++) c.memory[i] = canary(i);
  for (size_t r = 0; r < rows; r++) retort_uniform(seed, stream << 32 | r, -1, 1, c.values + r * stride, columns);
  return c;
}

static inline size_t overwritten(canvas c) {
  size_t count = 0;
  for (size_t i = 0; i < c.rows * c.stride + 2 * MARGIN; i++) {
    const size_t place = i - MARGIN;
    const int inside = i >= MARGIN && place < c.rows * c.stride && place % c.stride < c.columns;
    const float expected = canary(i);
    count += !inside && memcmp(c.memory + i, &expected, sizeof expected) != 0;
  }
  return count;
}

static inline float difference(canvas found, canvas expected) {
  float worst = 0;
  for (size_t r = 0; r < found.rows; r++)
    for (size_t c = 0; c < found.columns; c++) {
      const float d = fabsf(found.values[r * found.stride + c] - expected.values[r * expected.stride + c]);
      if (!(d <= worst)) worst = isnan(d) ? INFINITY : d;
    }
  return worst;
}
