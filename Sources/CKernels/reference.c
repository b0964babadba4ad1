/// The loops that define the results: plain, in double, one element after another. Tests hold every class to them.
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"

static float brain(float x) {
  if (!isfinite(x)) return x;
  int exponent;
  frexpf(x, &exponent);
  const int least = -133;  // of subnormals
  const float unit = ldexpf(1, exponent - 8 > least ? exponent - 8 : least);
  return (float)nearbyint(x / unit) * unit;
}

static void round_floats(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = brain(x[i]);
}

static void narrow(const float *x, uint16_t *out, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const float nearest = brain(x[i]);
    uint32_t bits;
    memcpy(&bits, &nearest, 4);
    out[i] = (uint16_t)(bits >> 16 | (isnan(nearest) ? 0x40 : 0));
  }
}

/// x rounded to binary16.
static float half(float x) {
  if (!isfinite(x)) return x;
  int exponent;
  frexpf(x, &exponent);
  const float unit = ldexpf(1, exponent - 11 > -24 ? exponent - 11 : -24), y = (float)nearbyint(x / unit) * unit;
  return fabsf(y) > 65504 ? copysignf(INFINITY, x) : y;
}

/// A number where it lies.
static float number(retort_type type, const void *numbers, size_t place) {
  if (type == RETORT_CODED) {
    const retort_coded *w = numbers;
    if (!w->levels) return (int8_t)w->codes[place] * (w->absmax[place / w->row] * (1 / 127.f));
    return w->levels[w->codes[place / 2] >> (place % 2 ? 0 : 4) & 15] * w->absmax[place >> w->block_bits];
  }
  const char *from = (const char *)numbers + place * (type == RETORT_F32 ? 4 : 2);
  float x;
  uint32_t bits = 0;
  memcpy(&bits, from, type == RETORT_F32 ? 4 : 2);
  if (type == RETORT_BF16) bits <<= 16;
  if (type == RETORT_F16) {
    const uint32_t exponent = bits >> 10 & 31, fraction = bits & 1023, sign = bits >> 15 << 31;
    const float size = ldexpf((float)(exponent ? 1024 + fraction : fraction), (int)(exponent ? exponent : 1) - 25);
    memcpy(&bits, &size, sizeof bits);
    bits = sign | (exponent < 31 ? bits : 255u << 23 | fraction << 13);
  }
  memcpy(&x, &bits, sizeof x);
  return x;
}

static float rounded_at(retort_rounded x, size_t i) { return number(x.type, x.values, i); }

static void round_to(retort_rounded x, size_t i, float value) {
  if (x.type == RETORT_F32)
    ((float *)x.values)[i] = value;
  else
    narrow(&value, (uint16_t *)x.values + i, 1);
}

static void exponential(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = (float)exp(x[i]);
}

static void activate(retort_activation f, float *z, const float *bias, retort_rounded derivative, size_t rows,
                     size_t columns) {
  for (size_t i = 0; i < rows * columns; i++) {
    double x = z[i] + (bias ? bias[i % columns] : 0), y = x, d = 1;
    if (f == RETORT_GELU) {
      const double phi = 0.5 * erfc(-x / sqrt(2));
      y = x * phi;
      d = phi + x * exp(-x * x / 2) / sqrt(2 * M_PI);
    } else if (f == RETORT_TANH) {
      y = tanh(x);
      d = 1 - y * y;
    } else if (f == RETORT_SILU) {
      const double sigma = 1 / (1 + exp(-x));
      y = x * sigma;
      d = sigma + y * (1 - sigma);
    } else if (f == RETORT_GELU_TANH) {
      const double slope = 2 * sqrt(2 / M_PI), sigma = 1 / (1 + exp(-slope * (x + 0.044715 * x * x * x)));
      y = x * sigma;
      d = sigma + x * sigma * (1 - sigma) * slope * (1 + 3 * 0.044715 * x * x);
    }
    z[i] = (float)y;
    if (derivative.values) round_to(derivative, i, (float)d);
  }
}

static void multiply(const float *a, retort_rounded b, float *out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = a[i] * rounded_at(b, i);
}

static void add(const float *x, float *to, size_t n) {
  for (size_t i = 0; i < n; i++) to[i] += x[i];
}

static void add_scaled(const float *x, float scale, float *to, size_t n) {
  for (size_t i = 0; i < n; i++) to[i] = (float)(to[i] + (double)x[i] * scale);
}

static void gate(retort_activation f, const float *z, const float *u, float *out, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float y = z[i];
    activate(f, &y, NULL, (retort_rounded){0}, 1, 1);
    out[i] = y * u[i];
  }
}

static void gate_backward(retort_activation f, const float *dy, retort_rounded z, retort_rounded u, float *dz,
                          float *du, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float y = rounded_at(z, i), slope;
    activate(f, &y, NULL, (retort_rounded){&slope, RETORT_F32}, 1, 1);
    dz[i] = dy[i] * rounded_at(u, i) * slope;
    du[i] = dy[i] * y;
  }
}

static void norm_rows(const retort_norm *norm, const float *x, const float *residual, float *y,
                      retort_rounded normalized, float *inverse, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++) {
    const size_t row = r * columns;
    double mean = 0, variance = 0;
    for (size_t c = 0; c < columns; c++) mean += (double)x[row + c] + (residual ? residual[row + c] : 0);
    mean = norm->centred ? mean / (double)columns : 0;
    for (size_t c = 0; c < columns; c++) {
      const double d = (double)x[row + c] + (residual ? residual[row + c] : 0) - mean;
      variance += d * d / (double)columns;
    }
    const double scale = 1 / sqrt(variance + norm->eps);
    if (inverse) inverse[r] = (float)scale;
    for (size_t c = 0; c < columns; c++) {
      const double n = ((double)x[row + c] + (residual ? residual[row + c] : 0) - mean) * scale;
      if (normalized.values) round_to(normalized, row + c, (float)n);
      y[row + c] = (float)(((double)norm->gamma[c] + norm->shift) * n + (norm->beta ? norm->beta[c] : 0));
    }
  }
}

static void norm_backward(const retort_norm *norm, const float *dy, retort_rounded n, const float *inverse, float *dx,
                          size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++) {
    const size_t row = r * columns;
    double mean = 0, slope = 0;
    for (size_t c = 0; c < columns; c++) {
      const double g = ((double)norm->gamma[c] + norm->shift) * dy[row + c];
      mean += g / (double)columns;
      slope += g * rounded_at(n, row + c) / (double)columns;
    }
    if (!norm->centred) mean = 0;
    for (size_t c = 0; c < columns; c++) {
      const double g = ((double)norm->gamma[c] + norm->shift) * dy[row + c];
      dx[row + c] = (float)(inverse[r] * (g - mean - rounded_at(n, row + c) * slope));
    }
  }
}

static void rotate(const float *x, const retort_row *rows, const float *cosines, const float *sines, int backwards,
                   float *out, size_t count, size_t heads, size_t width) {
  const size_t half = width / 2;
  for (size_t i = 0; i < count * heads * width; i++) {
    const size_t c = i % width, place = rows[i / width / heads].position * half + c % half;
    const double other = c < half ? -(double)x[i + half] : x[i - half];
    out[i] = (float)((double)x[i] * cosines[place] + other * (backwards ? -sines[place] : sines[place]));
  }
}

static void column_sums(const float *x, float scale, float *total, size_t rows, size_t columns, size_t from,
                        size_t to) {
  for (size_t c = from; c < to; c++) {
    double s = 0;
    for (size_t r = 0; r < rows; r++) s += x[r * columns + c];
    total[c] = (float)(total[c] + s * scale);
  }
}

static void norm_weights(const float *dy, retort_rounded n, float *dgamma, float *dbeta, size_t rows, size_t columns,
                         size_t from, size_t to) {
  if (dbeta) column_sums(dy, 1, dbeta, rows, columns, from, to);
  for (size_t c = from; c < to; c++) {
    double s = 0;
    for (size_t r = 0; r < rows; r++) s += (double)dy[r * columns + c] * rounded_at(n, r * columns + c);
    dgamma[c] = (float)(dgamma[c] + s);
  }
}

static void add_exponentials(const float *z, size_t rows, size_t columns, size_t from, size_t to, float *peak,
                             float *total) {
  for (size_t c = from; c < to; c++) {
    float high = peak[c];
    for (size_t r = 0; r < rows; r++) high = fmaxf(high, z[r * columns + c]);
    double sum = total[c] * exp((double)peak[c] - high);
    for (size_t r = 0; r < rows; r++) sum += exp((double)z[r * columns + c] - high);
    peak[c] = high, total[c] = (float)sum;
  }
}

static void spread_exponentials(float *z, size_t rows, size_t columns, size_t from, size_t to, const float *log_sum,
                                const float *factor) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = from; c < to; c++)
      z[r * columns + c] = (float)(-factor[c] * exp((double)z[r * columns + c] - log_sum[c]));
}

static void scatter(const int32_t *ids, const float *x, float *table, size_t rows, size_t columns, size_t from,
                    size_t to) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = from; c < to; c++) table[ids[r] * columns + c] += x[r * columns + c];
}

/// Whether element e of a row `width` wide stays.
static int stays(const retort_dropout *dropout, uint64_t sequence, uint32_t position, size_t width, size_t e) {
  const uint32_t groups = (uint32_t)((width + 127) / 128);
  const uint32_t counter[4] = {(uint32_t)sequence, (uint32_t)(sequence >> 32), dropout->site,
                               (position * groups + (uint32_t)(e / 128)) * 16 + (uint32_t)(e % 16)};
  const uint32_t key[2] = {(uint32_t)dropout->key, (uint32_t)(dropout->key >> 32)};
  uint32_t words[4];
  retort_philox(counter, key, words);
  const size_t lane = e / 16 % 8;
  return (words[lane / 2] >> (lane % 2 * 16) & 0xFFFF) >= dropout->threshold;
}

static void dropout_mask(const retort_dropout *dropout, const retort_row *rows, uint8_t *kept, size_t count,
                         size_t columns) {
  memset(kept, 0, count * RETORT_MASK_BYTES(columns));
  for (size_t r = 0; r < count; r++, kept += RETORT_MASK_BYTES(columns))
    for (size_t e = 0; e < RETORT_MASK_BYTES(columns) * 8; e++)
      kept[e / 128 * 16 + e % 16] |=
          stays(dropout, rows[r].sequence, rows[r].position, columns, e) << (e / 16 % 8);
}

static void dropout_rows(const uint8_t *kept, float scale, const float *x, float *out, int accumulate, size_t count,
                         size_t columns) {
  for (size_t i = 0; i < count * columns; i++) {
    const size_t e = i % columns;
    const uint8_t byte = kept[i / columns * RETORT_MASK_BYTES(columns) + e / 128 * 16 + e % 16];
    const float y = byte >> (e / 16 % 8) & 1 ? scale * x[i] : 0;
    out[i] = accumulate ? out[i] + y : y;
  }
}

/// The nearest bf16, ties to even, as a float.
static void widen(const void *x, retort_type type, float *out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = number(type, x, i);
}

static void decode(const retort_coded *x, size_t from, size_t to, float *out) {
  for (size_t i = from; i < to; i++) out[i - from] = number(RETORT_CODED, x, i);
}

static void encode(const float *x, size_t n, const float *levels, unsigned block_bits, uint8_t *codes, float *absmax) {
  const size_t block = (size_t)1 << block_bits;
  memset(codes, 0, (n + 1) / 2);
  for (size_t i = 0; i < n + n % 2; i++) {
    const size_t start = i / block * block, end = start + block < n ? start + block : n;
    float most = 0;
    for (size_t j = start; j < end; j++) most = isfinite(x[j]) && !isnan(most) ? fmaxf(most, fabsf(x[j])) : NAN;
    const float divisor = fmaxf(most, 1e-38f), value = i < n ? x[i] : 0;
    const float scaled = end - start < block ? value / divisor : value * (1 / divisor);
    if (i == start) absmax[i >> block_bits] = end - start < block && !isnan(most) ? divisor : most;
    int code = 0;
    while (code < 15 && scaled > (levels[code] + levels[code + 1]) / 2) code++;
    codes[i / 2] |= (uint8_t)(code << (i % 2 ? 0 : 4));
  }
}

static float encode_row(const float *x, size_t n, int8_t *codes) {
  float most = 0;
  for (size_t i = 0; i < n; i++) most = isfinite(half(x[i])) && !isnan(most) ? fmaxf(most, fabsf(half(x[i]))) : NAN;
  for (size_t i = 0; i < n; i++) codes[i] = most > 0 ? (int8_t)nearbyintf(half(x[i]) * (127 / most)) : 0;
  return most;
}

#include "reference_attention.h"
#include "reference_products.h"

const retort_kernels retort_reference = {
    .name = "reference",
    .fp32 = {.name = "reference", .strip = 1, .height = 1, .packed_bytes = packed_bytes, .pack = pack_floats,
             .scratch_bytes = scratch_bytes, .linear = linear_floats, .spin = spin},
    .bf16 = {.name = "reference", .strip = 1, .height = 1, .packed_bytes = packed_bytes, .pack = pack_brains,
             .scratch_bytes = scratch_bytes, .linear = linear_brains, .spin = spin},
    .int8 = {.name = "reference", .strip = 1, .height = 1, .packed_bytes = packed_bytes, .pack = pack_floats,
             .scratch_bytes = scratch_bytes, .linear = linear_int8, .spin = spin},
    .add_outer = add_outer,
    .exponential = exponential,
    .activate = activate,
    .gate = gate,
    .gate_backward = gate_backward,
    .narrow = narrow,
    .round = round_floats,
    .widen = widen,
    .decode = decode,
    .encode = encode,
    .encode_row = encode_row,
    .multiply = multiply,
    .add = add,
    .add_scaled = add_scaled,
    .norm = norm_rows,
    .norm_backward = norm_backward,
    .norm_weights = norm_weights,
    .rotate = rotate,
    .column_sums = column_sums,
    .add_exponentials = add_exponentials,
    .spread_exponentials = spread_exponentials,
    .scatter = scatter,
    .dropout_mask = dropout_mask,
    .dropout = dropout_rows,
    .attention = attention,
    .attention_backward = attention_backward,
};
