/// Checks of attention against the reference, in C because debug builds of Swift are slow.
#include <math.h>

#include "canvas.h"
#include "test_kernels.h"

enum { Q, K, V, DOUT, BIAS, OUT, DQ, DK, DV, SUMS, DBIAS, COUNT };

/// The canvases of one class: heads of queries lie side by side, and so do their sums.
static void fill(canvas *c, attention_case p) {
  for (int i = 0; i < COUNT; i++) {
    if (i == BIAS || i == DBIAS) {
      c[i] = make(p.heads, 2 * p.length - 1, p.seed % 4, p.seed, (uint64_t)i);
      continue;
    }
    const size_t width = i == SUMS ? p.heads : i == K || i == V || i == DK || i == DV ? p.width : p.heads * p.width;
    const size_t rows = i == K || i == V || i == DK || i == DV ? p.length : p.queries;
    c[i] = make(rows, width, p.seed % 4, p.seed, (uint64_t)i);
    for (size_t r = 0; r < rows && p.brains && i <= V; r++)
      retort_kernels_named("reference")->round(c[i].values + r * c[i].stride, width);
  }
}

/// Where a head's bias of distance 0 lies.
static float *at(canvas c, size_t head, size_t length) { return c.values + head * c.stride + length - 1; }

/// Of the first `length` tokens; with `past`, those of the queries from there on, forward alone.
static size_t compute(const retort_kernels *kernels, attention_case p, size_t length, size_t past, canvas *c) {
  const size_t size = retort_attention_scratch(length, p.width);
  canvas scratch = make(1, size, 0, 0, 0);
  for (size_t i = 0; i < size; i++) scratch.values[i] = NAN;
  for (size_t i = 0; i < 2 * p.heads; i++) {
    const size_t h = i % p.heads;
    const retort_dropout dropout = {99, 3 + (uint32_t)h, p.threshold, 65536 / (float)(65536 - p.threshold)};
    const size_t to = h * p.width;
    float *out = c[OUT].values + past * c[OUT].stride + to, *sums = c[SUMS].values + past * c[SUMS].stride + h;
    const retort_head head = {.q = c[Q].values + past * c[Q].stride + to, .k = c[K].values, .v = c[V].values,
                              .queries = (p.queries < length ? p.queries : length) - past, .past = p.past + past,
                              .length = length, .width = p.width,
                              .stride = c[Q].stride, .kv_stride = c[K].stride, .brains = p.brains,
                              .before = p.before < length ? p.before : length,
                              .after = p.after < length ? p.after : length, .scale = p.scale,
                              .sequence = 1ull << 40, .dropout = p.threshold ? &dropout : NULL,
                              .bias = p.bias ? at(c[BIAS], h, p.length) : NULL,
                              .bias_gradient = p.bias ? at(c[DBIAS], h, p.length) : NULL, .again = h > 0};
    if (i < p.heads)
      kernels->attention(&head, out, sums, c[SUMS].stride, scratch.values);
    else if (!past)
      kernels->attention_backward(&head, out, sums, c[SUMS].stride, c[DOUT].values + to, c[DQ].values + to,
                                  c[DK].values, c[DV].values, h > 0, scratch.values);
  }
  const size_t changed = overwritten(scratch);
  free(scratch.memory);
  return changed;
}

static void reverse(canvas c) {
  for (size_t r = 0; r < c.rows / 2; r++)
    for (size_t i = 0; i < c.columns; i++) {
      float *above = c.values + r * c.stride + i, *below = c.values + (c.rows - 1 - r) * c.stride + i, kept = *above;
      *above = *below, *below = kept;
    }
}

/// How many of the rows differ in a bit.
static size_t unlike(canvas x, canvas y, size_t from, size_t to) {
  size_t count = 0;
  for (size_t r = from; r < to; r++)
    count += memcmp(x.values + r * x.stride, y.values + r * y.stride, x.columns * sizeof(float)) != 0;
  return count;
}

product_check check_attention(const retort_kernels *kernels, const retort_kernels *reference, attention_case p) {
  canvas expected[COUNT], found[COUNT], other[COUNT];
  fill(expected, p), fill(found, p), fill(other, p);
  compute(reference, p, p.length, 0, expected);
  product_check check = {0, compute(kernels, p, p.length, 0, found), 0};
  for (int i = OUT; i < COUNT; i++) check.error = fmaxf(check.error, difference(found[i], expected[i]));
  for (int i = 0; i < COUNT; i++) check.overwritten += overwritten(found[i]);
  const int causal = !p.after, all = p.before >= p.length && p.after >= p.length;
  if (!p.threshold && !p.past && (causal || (all && !p.bias))) {  // masks depend on positions and the length, biases on positions
    const size_t length = causal ? (p.length + 1) / 2 : p.length;
    if (!causal) reverse(other[Q]);
    check.overwritten += compute(kernels, p, length, 0, other);
    if (!causal) reverse(other[OUT]), reverse(other[Q]);
    check.variant += unlike(found[OUT], other[OUT], 0, length < p.queries ? length : p.queries);
  }
  const size_t past = p.queries / 2;
  check.overwritten += compute(kernels, p, p.length, past, other);
  check.variant += unlike(found[OUT], other[OUT], past, p.queries);
  for (int i = 0; i < COUNT; i++) free(expected[i].memory), free(found[i].memory), free(other[i].memory);
  return check;
}
