/// Activations, sums and the embedding's lookups. Included by `body.h` once a class.
#pragma once
#include "vectors.h"

static void exponential_all(float *x, size_t n) {
  for (size_t i = 0; i < n; i += LANES) store(x + i, exponential(load(x + i, n - i)), n - i);
}

/// One row of `activate`; `f` is constant where this is inlined.
INLINE void activate_row(retort_activation f, float *z, const float *bias, retort_rounded derivative, size_t n) {
  for (size_t i = 0; i < n; i += LANES) {
    vf x = load(z + i, n - i), y = x, d = splat(1);
    if (bias) y = x = x + load(bias + i, n - i);
    if (f == RETORT_GELU) {
      vf e = exponential(x * x * -0.5f);
      vf tail = normal_tail(choose(x < 0.f, -x, x), e);
      vf phi = choose(x < 0.f, tail, 1.f - tail);
      y = x * phi;
      d = phi + x * e * 0.398942280401432678f;  // 1/√(2π)
    } else if (f == RETORT_TANH) {
      y = hyperbolic_tangent(x);
      d = 1.f - y * y;
    } else if (f == RETORT_GELU_TANH) {
      const float slope = 1.59576912160573081f, cubic = 0.0713548162726008667f;  // 2√(2/π), and 0.044715 of it
      vf u = x * (x * x * cubic + slope);
      vf e = exponential(choose(u < 0.f, u, -u));
      vf s = 1.f / (1.f + e);
      vf phi = choose(u < 0.f, e * s, s);
      y = x * phi;
      d = phi + (e * s * s * x) * (x * x * (3.f * cubic) + slope);
    }
    store(z + i, y, n - i);
    if (derivative.values) store_rounded(derivative, i, d, n - i);
  }
}

static void activate(retort_activation f, float *z, const float *bias, retort_rounded derivative, size_t rows,
                     size_t columns) {
  for (size_t r = 0; r < rows; r++) {
    float *row = z + r * columns;
    const retort_rounded slope = retort_from(derivative, r * columns);
    switch (f) {
      case RETORT_IDENTITY: activate_row(RETORT_IDENTITY, row, bias, slope, columns); break;
      case RETORT_GELU: activate_row(RETORT_GELU, row, bias, slope, columns); break;
      case RETORT_TANH: activate_row(RETORT_TANH, row, bias, slope, columns); break;
      case RETORT_GELU_TANH: activate_row(RETORT_GELU_TANH, row, bias, slope, columns); break;
    }
  }
}

static void multiply(const float *a, retort_rounded b, float *out, size_t n) {
  for (size_t i = 0; i < n; i += LANES) store(out + i, load(a + i, n - i) * load_rounded(b, i, n - i), n - i);
}

static void add(const float *x, float *to, size_t n) {
  for (size_t i = 0; i < n; i += LANES) store(to + i, load(to + i, n - i) + load(x + i, n - i), n - i);
}

static void add_scaled(const float *x, float scale, float *to, size_t n) {
  for (size_t i = 0; i < n; i += LANES) store(to + i, load(to + i, n - i) + load(x + i, n - i) * scale, n - i);
}

static void column_sums(const float *x, float scale, float *total, size_t rows, size_t columns, size_t from,
                        size_t to) {
  for (size_t c = from; c < to; c += LANES) {
    vf s = {0};
    for (size_t r = 0; r < rows; r++) s += load(x + r * columns + c, to - c);
    store(total + c, load(total + c, to - c) + s * scale, to - c);
  }
}

static void scatter(const int32_t *ids, const float *x, float *table, size_t rows, size_t columns, size_t from,
                    size_t to) {
  for (size_t r = 0; r < rows; r++) add(x + r * columns + from, table + ids[r] * columns + from, to - from);
}
