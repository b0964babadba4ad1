/// The loops that define the results: plain, in double, one element after another. Tests hold every class to them.
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "classes.h"

static void exponential(float *x, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] = (float)exp(x[i]);
}

static void activate(retort_activation f, float *z, const float *bias, float *derivative, size_t rows,
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
    }
    z[i] = (float)y;
    if (derivative) derivative[i] = (float)d;
  }
}

static void multiply(const float *a, const float *b, float *out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = a[i] * b[i];
}

static void add(const float *x, float *to, size_t n) {
  for (size_t i = 0; i < n; i++) to[i] += x[i];
}

static void add_scaled(const float *x, float scale, float *to, size_t n) {
  for (size_t i = 0; i < n; i++) to[i] = (float)(to[i] + (double)x[i] * scale);
}

static void layer_norm(const float *x, const float *residual, const float *gamma, const float *beta, float eps,
                       float *y, float *normalized, float *inverse, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++) {
    const size_t row = r * columns;
    double mean = 0, variance = 0;
    for (size_t c = 0; c < columns; c++) mean += (double)x[row + c] + (residual ? residual[row + c] : 0);
    mean /= (double)columns;
    for (size_t c = 0; c < columns; c++) {
      const double d = (double)x[row + c] + (residual ? residual[row + c] : 0) - mean;
      variance += d * d / (double)columns;
    }
    const double scale = 1 / sqrt(variance + eps);
    if (inverse) inverse[r] = (float)scale;
    for (size_t c = 0; c < columns; c++) {
      const double n = ((double)x[row + c] + (residual ? residual[row + c] : 0) - mean) * scale;
      if (normalized) normalized[row + c] = (float)n;
      y[row + c] = (float)(gamma[c] * n + beta[c]);
    }
  }
}

static void layer_norm_backward(const float *dy, const float *n, const float *inverse, const float *gamma, float *dx,
                                size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++) {
    const size_t row = r * columns;
    double mean = 0, slope = 0;
    for (size_t c = 0; c < columns; c++) {
      const double g = (double)gamma[c] * dy[row + c];
      mean += g / (double)columns;
      slope += g * n[row + c] / (double)columns;
    }
    for (size_t c = 0; c < columns; c++)
      dx[row + c] = (float)(inverse[r] * ((double)gamma[c] * dy[row + c] - mean - n[row + c] * slope));
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

static void layer_norm_weights(const float *dy, const float *n, float *dgamma, float *dbeta, size_t rows,
                               size_t columns, size_t from, size_t to) {
  column_sums(dy, 1, dbeta, rows, columns, from, to);
  for (size_t c = from; c < to; c++) {
    double s = 0;
    for (size_t r = 0; r < rows; r++) s += (double)dy[r * columns + c] * n[r * columns + c];
    dgamma[c] = (float)(dgamma[c] + s);
  }
}

static void embed(const int32_t *ids, const int32_t *positions, const int32_t *types, const float *word,
                  const float *position, const float *type, float *out, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++)
      out[r * columns + c] = (word[ids[r] * columns + c] + type[types[r] * columns + c]) +
                             position[positions[r] * columns + c];
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

/// p[j] = softmax of the scores of query i; returns their ln Σ exp.
static double probabilities(const retort_head *h, size_t i, double *p) {
  double peak = -INFINITY, total = 0;
  for (size_t j = 0; j < h->length; j++) {
    p[j] = 0;
    for (size_t c = 0; c < h->width; c++)
      p[j] += (double)h->q[i * h->stride + c] * h->k[j * h->kv_stride + c] * h->scale;
    if (h->causal && j > i) p[j] = -INFINITY;
    peak = fmax(peak, p[j]);
  }
  for (size_t j = 0; j < h->length; j++) total += p[j] = exp(p[j] - peak);
  for (size_t j = 0; j < h->length; j++) p[j] /= total;
  return peak + log(total);
}

static double kept(const retort_head *h, size_t i, size_t j) {
  if (!h->dropout) return 1;
  return stays(h->dropout, h->sequence, (uint32_t)i, h->length, j) ? h->dropout->scale : 0;
}

static void attention(const retort_head *h, float *out, float *lse, size_t lse_stride, float *scratch) {
  (void)scratch;
  double *p = malloc(h->length * sizeof *p);
  for (size_t i = 0; i < h->length; i++) {
    const double total = probabilities(h, i, p);
    if (lse) lse[i * lse_stride] = (float)total;
    for (size_t c = 0; c < h->width; c++) {
      double s = 0;
      for (size_t j = 0; j < h->length; j++) s += kept(h, i, j) * p[j] * h->v[j * h->kv_stride + c];
      out[i * h->stride + c] = (float)s;
    }
  }
  free(p);
}

static void attention_backward(const retort_head *h, const float *out, const float *lse, size_t lse_stride,
                               const float *dout, float *dq, float *dk, float *dv, int accumulate, float *scratch) {
  (void)out, (void)lse, (void)lse_stride, (void)scratch;
  const size_t size = h->length * h->width;
  double *sums = calloc(3 * size + 2 * h->length, sizeof *sums);
  double *gq = sums, *gk = gq + size, *gv = gk + size, *p = gv + size, *dp = p + h->length;
  for (size_t i = 0; i < h->length; i++) {
    double delta = 0;
    probabilities(h, i, p);
    for (size_t j = 0; j < h->length; j++) {
      dp[j] = 0;
      for (size_t c = 0; c < h->width; c++) {
        dp[j] += kept(h, i, j) * (double)dout[i * h->stride + c] * h->v[j * h->kv_stride + c];
        gv[j * h->width + c] += kept(h, i, j) * p[j] * dout[i * h->stride + c];
      }
      delta += p[j] * dp[j];
    }
    for (size_t j = 0; j < h->length; j++)
      for (size_t c = 0; c < h->width; c++) {
        const double slope = p[j] * (dp[j] - delta) * h->scale;
        gq[i * h->width + c] += slope * h->k[j * h->kv_stride + c];
        gk[j * h->width + c] += slope * h->q[i * h->stride + c];
      }
  }
  for (size_t i = 0; i < h->length; i++)
    for (size_t c = 0; c < h->width; c++) {
      dq[i * h->stride + c] = (float)gq[i * h->width + c];
      const size_t place = i * h->kv_stride + c;
      dk[place] = (float)((accumulate ? dk[place] : 0) + gk[i * h->width + c]);
      dv[place] = (float)((accumulate ? dv[place] : 0) + gv[i * h->width + c]);
    }
  free(sums);
}

/// The nearest bf16, ties to even, as a float.
static float brain(float x) {
  if (!isfinite(x)) return x;
  int exponent;
  frexpf(x, &exponent);
  const int least = -133;  // of subnormals
  const float unit = ldexpf(1, exponent - 8 > least ? exponent - 8 : least);
  return (float)nearbyint(x / unit) * unit;
}

static void narrow(const float *x, uint16_t *out, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const float nearest = brain(x[i]);
    uint32_t bits;
    memcpy(&bits, &nearest, 4);
    out[i] = (uint16_t)(bits >> 16 | (isnan(nearest) ? 0x40 : 0));
  }
}

static void widen(const uint16_t *x, float *out, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const uint32_t bits = (uint32_t)x[i] << 16;
    memcpy(out + i, &bits, 4);
  }
}

static size_t packed_bytes(size_t depth, size_t columns) { return depth * columns * sizeof(float); }

static size_t scratch_bytes(size_t depth) { return 0 * depth; }

static void pack_floats(const float *w, size_t depth, size_t columns, size_t depth_step, size_t column_step,
                        void *strips, size_t from, size_t to) {
  (void)columns;
  for (size_t c = from; c < to; c++)
    for (size_t k = 0; k < depth; k++) ((float *)strips)[c * depth + k] = w[k * depth_step + c * column_step];
}

static void pack_brains(const float *w, size_t depth, size_t columns, size_t depth_step, size_t column_step,
                        void *strips, size_t from, size_t to) {
  pack_floats(w, depth, columns, depth_step, column_step, strips, from, to);
  for (size_t i = from * depth; i < to * depth; i++) ((float *)strips)[i] = brain(((float *)strips)[i]);
}

/// Adds the low-rank product to a product, and puts the element of row r and column c in its place.
static void finish(const retort_linear *job, size_t r, size_t c, double product) {
  double low = 0;
  for (size_t k = 0; job->low && k < job->low_w.depth; k++)
    low += (double)job->low[r * job->low_stride + k] * ((const float *)job->low_w.strips)[c * job->low_w.depth + k];
  const size_t place = r * job->out_stride + c;
  float *out = job->out + place;
  *out = (float)((job->accumulate ? *out : 0) + job->scale * product + job->low_scale * low);
  activate(job->activation, out, job->bias ? job->bias + c : NULL, job->derivative ? job->derivative + place : NULL, 1,
           1);
}

static void linear(const retort_linear *job, size_t rows, size_t from, size_t to, int narrow) {
  float *x = malloc(job->w.depth * sizeof *x);
  for (size_t r = 0; r < rows; r++) {
    for (size_t k = 0; k < job->w.depth; k++) {
      const float value = job->x[r * job->stride + k];
      x[k] = narrow ? brain(value) : value;
    }
    for (size_t c = from; c < to; c++) {
      const float *w = (const float *)job->w.strips + c * job->w.depth;
      double product = 0;
      for (size_t k = 0; k < job->w.depth; k++) product += (double)x[k] * w[k];
      finish(job, r, c, product);
    }
  }
  free(x);
}

static void linear_floats(const retort_linear *job, size_t rows, size_t from, size_t to, void *scratch) {
  (void)scratch;
  linear(job, rows, from, to, 0);
}

static void linear_brains(const retort_linear *job, size_t rows, size_t from, size_t to, void *scratch) {
  (void)scratch;
  linear(job, rows, from, to, 1);
}

/// x ≈ scale·(q - zero).
typedef struct {
  float scale;
  int zero;
} quantization;

/// 1/scale, or what takes the place of infinity.
static float reciprocal(float scale) { return fminf(1 / scale, FLT_MAX); }

/// A block of a row; NaN as the scale where something is not finite.
static quantization quantize_row(const float *x, size_t n, int *q) {
  float low = 0, high = 0;
  for (size_t k = 0; k < n; k++) {
    q[k] = 0;
    if (!isfinite(x[k])) return (quantization){NAN, 0};
    low = fminf(low, x[k]), high = fmaxf(high, x[k]);
  }
  const float scale = high / 254 - low / 254;
  const int zero = -(int)nearbyintf(low * reciprocal(scale));
  for (size_t k = 0; k < n; k++) q[k] = (int)nearbyintf(x[k] * reciprocal(scale)) + zero;
  return (quantization){scale, zero};
}

/// The same of a column, symmetric, such that neighbours of one sign have 128 together at most.
static quantization quantize_column(const float *w, size_t n, int *q) {
  float most = 0;
  for (size_t k = 0; k < n; k++) {
    q[k] = 0;
    if (!isfinite(w[k])) return (quantization){NAN, 0};
    most = fmaxf(most, fmaxf(fabsf(w[k]), k % 2 ? fabsf(w[k - 1] + w[k]) : 0));
  }
  const float scale = most / 127;
  for (size_t k = 0; k < n; k++) q[k] = (int)nearbyintf(w[k] * reciprocal(scale));
  return (quantization){scale, 0};
}

/// Sums of products are whole numbers; each block's is scaled in fp32, so that no class may differ in a bit.
static void linear_int8(const retort_linear *job, size_t rows, size_t from, size_t to, void *scratch) {
  (void)scratch;
  const size_t depth = job->w.depth, block = RETORT_INT8_DEPTH, blocks = (depth + block - 1) / block;
  int *u = malloc((rows + 1) * depth * sizeof *u), *v = u + rows * depth;
  quantization *of_rows = malloc((rows + 1) * blocks * sizeof *of_rows), *of_column = of_rows + rows * blocks;
  for (size_t i = 0; i < rows * blocks; i++) {
    const size_t r = i / blocks, k = i % blocks * block;
    of_rows[i] = quantize_row(job->x + r * job->stride + k, depth - k < block ? depth - k : block, u + r * depth + k);
  }
  for (size_t c = from; c < to; c++) {
    for (size_t b = 0, k = 0; b < blocks; b++, k += block)
      of_column[b] = quantize_column((const float *)job->w.strips + c * depth + k, depth - k < block ? depth - k : block,
                                     v + k);
    for (size_t r = 0; r < rows; r++) {
      float product = 0;
      for (size_t b = 0, k = 0; b < blocks; b++) {
        const quantization row = of_rows[r * blocks + b];
        int sum = 0;
        for (; k < depth && k < (b + 1) * block; k++) sum += (u[r * depth + k] - row.zero) * v[k];
        const float scaled = (float)sum * of_column[b].scale * row.scale;
        product = product + scaled;
      }
      finish(job, r, c, product);
    }
  }
  free(u), free(of_rows);
}

static double spin(size_t rounds) {
  volatile double sum = 0;
  for (size_t i = 0; i < rounds; i++) sum += 1.0 * 1.0;
  return 2.0 * (double)rounds;
}

static void add_outer(const float *a, size_t a_stride, const float *b, size_t b_stride, size_t depth, size_t rows,
                      size_t columns, float scale, float *sum, size_t stride, float *scratch) {
  (void)scratch;
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < columns; j++) {
      double s = 0;
      for (size_t k = 0; k < depth; k++) s += (double)a[k * a_stride + i] * b[k * b_stride + j];
      sum[i * stride + j] = (float)(sum[i * stride + j] + scale * s);
    }
}

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
    .narrow = narrow,
    .widen = widen,
    .multiply = multiply,
    .add = add,
    .add_scaled = add_scaled,
    .layer_norm = layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .layer_norm_weights = layer_norm_weights,
    .column_sums = column_sums,
    .embed = embed,
    .scatter = scatter,
    .dropout_mask = dropout_mask,
    .dropout = dropout_rows,
    .attention = attention,
    .attention_backward = attention_backward,
};
