/// Products as the reference computes them. Included by `reference.c`.
#pragma once

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

static size_t packed_bytes(size_t depth, size_t columns, retort_type type) {
  (void)type;
  return depth * columns * sizeof(float);
}

static size_t scratch_bytes(size_t depth, retort_type type) {
  (void)depth, (void)type;
  return 0;
}

static void pack_floats(const retort_matrix *w, void *strips, size_t from, size_t to) {
  for (size_t c = from; c < to; c++)
    for (size_t k = 0; k < w->depth; k++)
      ((float *)strips)[c * w->depth + k] = number(w->type, w->values, k * w->depth_step + c * w->column_step);
}

static void pack_brains(const retort_matrix *w, void *strips, size_t from, size_t to) {
  pack_floats(w, strips, from, to);
  for (size_t i = from * w->depth; i < to * w->depth; i++) ((float *)strips)[i] = brain(((float *)strips)[i]);
}

static float round_if(int rounds, float x) { return rounds ? brain(x) : x; }

/// Adds the low-rank product to a product, and puts the element of row r and column c in its place.
static void finish(const retort_linear *job, size_t r, size_t c, double product, int rounds) {
  double low = 0;
  for (size_t k = 0; job->low && k < job->low_w.depth; k++)
    low += (double)round_if(rounds, job->low[r * job->low_stride + k]) *
           ((const float *)job->low_w.strips)[c * job->low_w.depth + k];
  const size_t place = r * job->out_stride + c;
  float *out = job->out + place;
  *out = (float)((job->accumulate ? *out : 0) + job->scale * product + job->low_scale * low);
  activate(job->activation, out, job->bias ? job->bias + c : NULL, retort_from(job->derivative, place), 1, 1);
}

static void linear(const retort_linear *job, size_t rows, size_t from, size_t to, int rounds) {
  float *x = malloc(job->w.depth * sizeof *x);
  for (size_t r = 0; r < rows; r++) {
    for (size_t k = 0; k < job->w.depth; k++) x[k] = round_if(rounds, job->x[r * job->stride + k]);
    for (size_t c = from; c < to; c++) {
      const float *w = (const float *)job->w.strips + c * job->w.depth;
      double product = 0;
      for (size_t k = 0; k < job->w.depth; k++) product += (double)x[k] * w[k];
      finish(job, r, c, product, rounds);
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
    of_rows[i] = quantize_row(job->x + r * job->stride + k, least(block, depth - k), u + r * depth + k);
  }
  for (size_t c = from; c < to; c++) {
    for (size_t b = 0, k = 0; b < blocks; b++, k += block)
      of_column[b] = quantize_column((const float *)job->w.strips + c * depth + k, least(block, depth - k), v + k);
    for (size_t r = 0; r < rows; r++) {
      float product = 0;
      for (size_t b = 0, k = 0; b < blocks; b++) {
        const quantization row = of_rows[r * blocks + b];
        int sum = 0;
        for (; k < depth && k < (b + 1) * block; k++) sum += (u[r * depth + k] - row.zero) * v[k];
        const float scaled = (float)sum * of_column[b].scale * row.scale;
        product = product + scaled;
      }
      finish(job, r, c, product, 0);
    }
  }
  free(u), free(of_rows);
}

static double spin(size_t rounds) {
  volatile double sum = 0;
  for (size_t i = 0; i < rounds; i++) sum += 1.0 * 1.0;
  return 2.0 * (double)rounds;
}

static void add_outer(const retort_outer *job, size_t first, size_t rows, size_t from, size_t to, float *scratch) {
  (void)scratch;
  for (size_t i = first; i < first + rows; i++)
    for (size_t j = from; j < to; j++) {
      double s = 0;
      for (size_t k = 0; k < job->depth; k++) {
        const size_t byte = k * RETORT_MASK_BYTES(job->b_stride) + j / 128 * 16 + j % 16;
        const double mask = job->kept ? job->kept_scale * (job->kept[byte] >> j % 128 / 16 & 1) : 1;
        if (mask != 0) s += (double)job->a[k * job->a_stride + i] * (mask * rounded_at(job->b, k * job->b_stride + j));
      }
      job->sum[i * job->stride + j] = (float)(job->sum[i * job->stride + j] + job->scale * s);
    }
}
