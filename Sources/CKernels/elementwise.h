/// Activations, gates, rotations, sums and the embedding's lookups. Included by `body.h` once a class.
#pragma once
#include "vectors.h"

static void exponential_all(float *x, size_t n) {
  for (size_t i = 0; i < n; i += LANES) store(x + i, exponential(load(x + i, n - i)), n - i);
}

/// f(x), and f'(x) in `d`; `f` is constant where this is inlined.
INLINE vf activated(retort_activation f, vf x, vf *d) {
  vf y = x;
  *d = splat(1);
  if (f == RETORT_GELU) {
    vf e = exponential(x * x * -0.5f);
    vf tail = normal_tail(choose(x < 0.f, -x, x), e);
    vf phi = choose(x < 0.f, tail, 1.f - tail);
    y = x * phi;
    *d = phi + x * e * 0.398942280401432678f;  // 1/√(2π)
  } else if (f == RETORT_TANH) {
    y = hyperbolic_tangent(x);
    *d = 1.f - y * y;
  } else if (f == RETORT_GELU_TANH) {
    const float slope = 1.59576912160573081f, cubic = 0.0713548162726008667f;  // 2√(2/π), and 0.044715 of it
    vf u = x * (x * x * cubic + slope);
    vf e = exponential(choose(u < 0.f, u, -u));
    vf s = 1.f / (1.f + e);
    vf phi = choose(u < 0.f, e * s, s);
    y = x * phi;
    *d = phi + (e * s * s * x) * (x * x * (3.f * cubic) + slope);
  } else if (f == RETORT_SILU) {
    vf e = exponential(choose(x < 0.f, x, -x));
    vf s = 1.f / (1.f + e);
    vf sigma = choose(x < 0.f, e * s, s);
    y = x * sigma;
    *d = sigma + e * s * s * x;
  }
  return y;
}

/// Calls `body(f)` with a constant for each activation.
#define EACH_ACTIVATION(f, body)                        \
  switch (f) {                                          \
    case RETORT_IDENTITY: body(RETORT_IDENTITY); break; \
    case RETORT_GELU: body(RETORT_GELU); break;         \
    case RETORT_TANH: body(RETORT_TANH); break;         \
    case RETORT_GELU_TANH: body(RETORT_GELU_TANH); break; \
    case RETORT_SILU: body(RETORT_SILU); break;         \
  }

/// One row of `activate`.
INLINE void activate_row(retort_activation f, float *z, const float *bias, retort_rounded derivative, size_t n) {
  for (size_t i = 0; i < n; i += LANES) {
    vf x = load(z + i, n - i), d;
    if (bias) x = x + load(bias + i, n - i);
    store(z + i, activated(f, x, &d), n - i);
    if (derivative.values) store_rounded(derivative, i, d, n - i);
  }
}

static void activate(retort_activation f, float *z, const float *bias, retort_rounded derivative, size_t rows,
                     size_t columns) {
  for (size_t r = 0; r < rows; r++) {
    float *row = z + r * columns;
    const retort_rounded slope = retort_from(derivative, r * columns);
#define ROW(f) activate_row(f, row, bias, slope, columns)
    EACH_ACTIVATION(f, ROW)
#undef ROW
  }
}

INLINE void gate_row(retort_activation f, const float *z, const float *u, float *out, size_t n) {
  for (size_t i = 0; i < n; i += LANES) {
    vf d;
    store(out + i, activated(f, load(z + i, n - i), &d) * load(u + i, n - i), n - i);
  }
}

static void gate(retort_activation f, const float *z, const float *u, float *out, size_t n) {
#define ROW(f) gate_row(f, z, u, out, n)
  EACH_ACTIVATION(f, ROW)
#undef ROW
}

INLINE void gate_row_backward(retort_activation f, const float *dy, retort_rounded z, retort_rounded u, float *dz,
                              float *du, size_t n) {
  for (size_t i = 0; i < n; i += LANES) {
    vf d, g = load(dy + i, n - i), y = activated(f, load_rounded(z, i, n - i), &d);
    store(dz + i, g * load_rounded(u, i, n - i) * d, n - i);
    store(du + i, g * y, n - i);
  }
}

static void gate_backward(retort_activation f, const float *dy, retort_rounded z, retort_rounded u, float *dz,
                          float *du, size_t n) {
#define ROW(f) gate_row_backward(f, dy, z, u, dz, du, n)
  EACH_ACTIVATION(f, ROW)
#undef ROW
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

static void rotate(const float *x, const retort_row *rows, const float *cosines, const float *sines, int backwards,
                   float *out, size_t count, size_t heads, size_t width) {
  const size_t half = width / 2;
  for (size_t r = 0; r < count * heads; r++, x += width, out += width) {
    const size_t place = rows[r / heads].position * half;
    for (size_t c = 0; c < half; c += LANES) {
      const size_t n = half - c;
      const vf a = load(x + c, n), b = load(x + half + c, n), cosine = load(cosines + place + c, n);
      const vf angle = load(sines + place + c, n), sine = backwards ? -angle : angle;
      store(out + c, a * cosine - b * sine, n);
      store(out + half + c, b * cosine + a * sine, n);
    }
  }
}

static void add_exponentials(const float *z, size_t rows, size_t columns, size_t from, size_t to, float *peak,
                             float *total) {
  for (size_t c = from; c < to; c += LANES) {
    const size_t n = to - c;
    const vf before = load(peak + c, n);
    vf high = before, sums = {0};
    for (size_t r = 0; r < rows; r++) {
      const vf v = load(z + r * columns + c, n);
      high = choose(v > high, v, high);
    }
    for (size_t r = 0; r < rows; r++) sums += exponential(load(z + r * columns + c, n) - high);
    store(total + c, load(total + c, n) * exponential(before - high) + sums, n);
    store(peak + c, high, n);
  }
}

static void spread_exponentials(float *z, size_t rows, size_t columns, size_t from, size_t to, const float *log_sum,
                                const float *factor) {
  for (size_t c = from; c < to; c += LANES) {
    const size_t n = to - c;
    const vf shift = load(log_sum + c, n), scale = -load(factor + c, n);
    for (size_t r = 0; r < rows; r++) {
      float *place = z + r * columns + c;
      store(place, exponential(load(place, n) - shift) * scale, n);
    }
  }
}
