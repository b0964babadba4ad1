/// Attention as the reference computes it. Included by `reference.c`.
#pragma once

/// p[j] = softmax of the scores of the query in row i; returns their ln Σ exp.
static double probabilities(const retort_head *h, size_t row, double *p) {
  const size_t i = row + h->past;
  double peak = -INFINITY, total = 0;
  for (size_t j = 0; j < h->length; j++) {
    p[j] = 0;
    for (size_t c = 0; c < h->width; c++)
      p[j] += (double)h->q[row * h->stride + c] * h->k[j * h->kv_stride + c] * h->scale;
    if (h->bias) p[j] += h->bias[(ptrdiff_t)j - (ptrdiff_t)i];
    if (j > i + h->after || j + h->before < i) p[j] = -INFINITY;
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
  for (size_t i = 0; i < h->queries; i++) {
    const double total = probabilities(h, i, p);
    if (lse) lse[i * lse_stride] = (float)total;
    for (size_t c = 0; c < h->width; c++) {
      double s = 0;
      for (size_t j = 0; j < h->length; j++) s += kept(h, i + h->past, j) * p[j] * h->v[j * h->kv_stride + c];
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
  for (size_t i = 0; i < h->queries; i++) {
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
    for (size_t j = 0; j < h->length; j++) {
      const double slope = p[j] * (dp[j] - delta);
      if (h->bias_gradient) h->bias_gradient[(ptrdiff_t)j - (ptrdiff_t)i] += (float)slope;
      for (size_t c = 0; c < h->width; c++) {
        gq[i * h->width + c] += slope * h->scale * h->k[j * h->kv_stride + c];
        gk[j * h->width + c] += slope * h->scale * h->q[i * h->stride + c];
      }
    }
  }
  for (size_t i = 0; i < h->length; i++)
    for (size_t c = 0; c < h->width; c++) {
      if (i < h->queries) dq[i * h->stride + c] = (float)gq[i * h->width + c];
      const size_t place = i * h->kv_stride + c;
      dk[place] = (float)((accumulate ? dk[place] : 0) + gk[i * h->width + c]);
      dv[place] = (float)((accumulate ? dv[place] : 0) + gv[i * h->width + c]);
    }
  free(sums);
}
