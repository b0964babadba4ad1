/// Layer normalisation (Ba et al. 2016) and by root mean square (Zhang and Sennrich 2019). Included by `body.h` once a
/// class.
#pragma once
#include "vectors.h"

/// The factors of 16 columns.
INLINE vf factors(const retort_norm *norm, size_t c, size_t columns) {
  return load(norm->gamma + c, columns - c) + norm->shift;
}

/// `centred` is constant where this is inlined.
INLINE void norm_each(int centred, const retort_norm *norm, const float *x, const float *residual, float *y,
                      retort_rounded normalized, float *inverse, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++) {
    const float *in = x + r * columns, *also = residual ? residual + r * columns : NULL;
    float *out = y + r * columns;
    vf total = {0}, squares = {0};
    for (size_t c = 0; c < columns; c += LANES) {
      vf v = load(in + c, columns - c);
      if (also) v += load(also + c, columns - c);
      if (centred)
        total += v;
      else
        squares += v * v;
      store(out + c, v, columns - c);
    }
    const float mean = centred ? sum(total) / columns : 0;
    for (size_t c = 0; centred && c < columns; c += LANES) {
      vf v = load(out + c, columns - c) - mean;
      if (columns - c < LANES)  // lanes past the end hold -mean
        for (size_t lane = columns - c; lane < LANES; lane++) v[lane] = 0;
      squares += v * v;
    }
    float scale = 1.f / __builtin_sqrtf(sum(squares) / columns + norm->eps);
    if (inverse) inverse[r] = scale;
    for (size_t c = 0; c < columns; c += LANES) {
      vf v = (load(out + c, columns - c) - mean) * scale;
      if (normalized.values) store_rounded(normalized, r * columns + c, v, columns - c);
      const vf shift = norm->beta ? load(norm->beta + c, columns - c) : splat(0);
      store(out + c, v * factors(norm, c, columns) + shift, columns - c);
    }
  }
}

static void norm_rows(const retort_norm *norm, const float *x, const float *residual, float *y,
                      retort_rounded normalized, float *inverse, size_t rows, size_t columns) {
  if (norm->centred) return norm_each(1, norm, x, residual, y, normalized, inverse, rows, columns);
  norm_each(0, norm, x, residual, y, normalized, inverse, rows, columns);
}

static void norm_backward(const retort_norm *norm, const float *dy, retort_rounded normalized, const float *inverse,
                          float *dx, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++) {
    const float *in = dy + r * columns;
    const retort_rounded n = retort_from(normalized, r * columns);
    vf total = {0}, along = {0};
    for (size_t c = 0; c < columns; c += LANES) {
      vf g = load(in + c, columns - c) * factors(norm, c, columns);
      total += g;
      along += g * load_rounded(n, c, columns - c);
    }
    const float mean = norm->centred ? sum(total) / columns : 0, slope = sum(along) / columns;
    for (size_t c = 0; c < columns; c += LANES) {
      vf g = load(in + c, columns - c) * factors(norm, c, columns);
      store(dx + r * columns + c, (g - mean - load_rounded(n, c, columns - c) * slope) * inverse[r], columns - c);
    }
  }
}

static void norm_weights(const float *dy, retort_rounded normalized, float *dgamma, float *dbeta, size_t rows,
                         size_t columns, size_t from, size_t to) {
  for (size_t c = from; c < to; c += LANES) {
    vf slope = {0}, shift = {0};
    for (size_t r = 0; r < rows; r++) {
      vf g = load(dy + r * columns + c, to - c);
      slope += g * load_rounded(normalized, r * columns + c, to - c);
      shift += g;
    }
    store(dgamma + c, load(dgamma + c, to - c) + slope, to - c);
    if (dbeta) store(dbeta + c, load(dbeta + c, to - c) + shift, to - c);
  }
}
