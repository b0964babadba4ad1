/// Layer normalisation (Ba et al. 2016). Included by `body.h` once a class.
#pragma once
#include "vectors.h"

static void layer_norm(const float *x, const float *residual, const float *gamma, const float *beta, float eps,
                       float *y, retort_rounded normalized, float *inverse, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++) {
    const float *in = x + r * columns, *also = residual ? residual + r * columns : NULL;
    float *out = y + r * columns;
    vf total = {0};
    for (size_t c = 0; c < columns; c += LANES) {
      vf v = load(in + c, columns - c);
      if (also) v += load(also + c, columns - c);
      total += v;
      store(out + c, v, columns - c);
    }
    float mean = sum(total) / columns;
    vf squares = {0};
    for (size_t c = 0; c < columns; c += LANES) {
      vf v = load(out + c, columns - c) - mean;
      if (columns - c < LANES)  // lanes past the end hold -mean
        for (size_t lane = columns - c; lane < LANES; lane++) v[lane] = 0;
      squares += v * v;
    }
    float scale = 1.f / __builtin_sqrtf(sum(squares) / columns + eps);
    if (inverse) inverse[r] = scale;
    for (size_t c = 0; c < columns; c += LANES) {
      vf v = (load(out + c, columns - c) - mean) * scale;
      if (normalized.values) store_rounded(normalized, r * columns + c, v, columns - c);
      store(out + c, v * load(gamma + c, columns - c) + load(beta + c, columns - c), columns - c);
    }
  }
}

static void layer_norm_backward(const float *dy, retort_rounded normalized, const float *inverse, const float *gamma,
                                float *dx, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++) {
    const float *in = dy + r * columns;
    const retort_rounded n = retort_from(normalized, r * columns);
    vf total = {0}, along = {0};
    for (size_t c = 0; c < columns; c += LANES) {
      vf g = load(in + c, columns - c) * load(gamma + c, columns - c);
      total += g;
      along += g * load_rounded(n, c, columns - c);
    }
    float mean = sum(total) / columns, slope = sum(along) / columns;
    for (size_t c = 0; c < columns; c += LANES) {
      vf g = load(in + c, columns - c) * load(gamma + c, columns - c);
      store(dx + r * columns + c, (g - mean - load_rounded(n, c, columns - c) * slope) * inverse[r], columns - c);
    }
  }
}

static void layer_norm_weights(const float *dy, retort_rounded normalized, float *dgamma, float *dbeta, size_t rows,
                               size_t columns, size_t from, size_t to) {
  for (size_t c = from; c < to; c += LANES) {
    vf slope = {0}, shift = {0};
    for (size_t r = 0; r < rows; r++) {
      vf g = load(dy + r * columns + c, to - c);
      slope += g * load_rounded(normalized, r * columns + c, to - c);
      shift += g;
    }
    store(dgamma + c, load(dgamma + c, to - c) + slope, to - c);
    store(dbeta + c, load(dbeta + c, to - c) + shift, to - c);
  }
}
