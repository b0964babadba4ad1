/// The backward pass of attention, which recomputes the probabilities of `attention.h`. Included by `body.h`.
#pragma once
#include "attention.h"

/// What the backward pass reads and writes besides the head.
typedef struct {
  const float *out, *dout, *lse;
  size_t lse_stride;
  float *dq, *dk, *dv;
  int accumulate;
} retort_gradients;

/// Makes, of 16 scores of row `r` from key `j` on and gradients of probabilities, the probabilities, dropped out, and the
/// gradients of scores; zeros where the row does not see the key.
INLINE void row_gradients(const retort_head *head, block b, size_t r, size_t j, vu bits, float total, float along,
                          const float *row, const float *slope, vf *kept, vf *slopes) {
  const size_t n = r < b.rows ? seen(b, r) : 0, from = unseen(b, r);
  *kept = *slopes = splat(0);
  if (j >= n || j + LANES <= from) return;
  const vf p = power_of_two(visible(row, j, from, n) - total);
  vf dp = load(slope + j, LANES);
  *kept = p;
  if (head->dropout) {
    *kept = keep(bits, j / LANES, head->dropout->scale, p);
    dp = keep(bits, j / LANES, head->dropout->scale, dp);
  }
  *slopes = p * (dp - along);
  if (!head->bias_gradient) return;
  float *to = head->bias_gradient + distance(b, r) + j;
  store(to, load(to, n - j) + *slopes, n - j);
}

/// Scores become probabilities, dropped out, and `slopes`, the gradients of those, the gradients of scores: floats where
/// they lie; or pairs of rows, for products along the rows, and in `along_keys` pairs along the keys.
INLINE void soften_backward(meeting how, const retort_head *head, block b, const retort_gradients *g,
                            const float *delta, float *scores, float *slopes, float *along_keys) {
  const size_t group_rows = how == PAIRS ? 2 : 1;
  for (size_t r = seeing(b, 0) / group_rows * group_rows; r < b.rows; r += group_rows) {
    float total[2] = {0}, along[2] = {0};
    vu bits[2] = {{0}};
    for (size_t i = 0; i < group_rows && r + i < b.rows; i++) {
      const size_t query = b.first - head->past + r + i;
      total[i] = g->lse[query * g->lse_stride] * log2_e, along[i] = delta[query];
      if (head->dropout) bits[i] = row_bits(head, b, r + i);
      if (b.start) continue;
      fetch_next(head, query);
      fetch_beside(g->out + query * head->stride, head->width);
      fetch_beside(g->dout + query * head->stride, head->width);
    }
    for (size_t j = 0; j < b.keys; j += LANES) {
      vf kept[2], slope[2];
      for (size_t i = 0; i < group_rows; i++)
        row_gradients(head, b, r + i, j, bits[i], total[i], along[i], scores + (r + i) * KEYS, slopes + (r + i) * KEYS,
                      kept + i, slope + i);
#ifdef DOT
      if (how == PAIRS) {
        const vu pairs[2] = {rounded_pairs(kept[0], kept[1]), rounded_pairs(slope[0], slope[1])};
        memcpy(scores + r * KEYS + j, pairs, sizeof *pairs);
        memcpy(slopes + r * KEYS + j, pairs + 1, sizeof *pairs);
        for (size_t i = 0; i < 2; i++) put_scores(PAIRS, along_keys + (r + i) * KEYS / 2, j, slope[i]);
        continue;
      }
#endif
      store(scores + r * KEYS + j, kept[0], LANES);
      store(slopes + r * KEYS + j, slope[0], LANES);
    }
  }
}

INLINE void attend_backward(meeting how, const retort_head *head, const retort_gradients *gradients, float *scratch) {
  const size_t length = head->length, width = head->width, stride = head->stride, across = head->kv_stride;
  const size_t queries = head->queries, deep = elements(how, length), rows_deep = elements(how, queries);
  const size_t wide = round_up(width, STRIP), transposed = round_up(length, STRIP) * elements(how, width);
  float *kt = scratch, *vt = kt + transposed, *k = vt + transposed, *q = k + deep * wide, *g = q + rows_deep * wide;
  float *scores = g + rows_deep * wide, *slopes = scores + QUERIES * KEYS, *delta = slopes + QUERIES * KEYS;
  float *along_keys = delta + queries, *spare = along_keys + QUERIES * KEYS / 2;
  if (!head->again) {
    right_columns(how, head->k, across, length, width, kt, spare);
    right_columns(how, head->v, across, length, width, vt, spare);
    right_rows(how, head->k, across, length, width, k);
  }
  right_rows(how, head->q, stride, queries, width, q);
  right_rows(how, gradients->dout, stride, queries, width, g);
  for (size_t r = 0; r < queries; r++) {
    vf s = {0};
    for (size_t c = 0; c < width; c += LANES)
      s += load(gradients->dout + r * stride + c, width - c) * load(gradients->out + r * stride + c, width - c);
    delta[r] = sum(s);
  }
  size_t q_stride = stride, g_stride = stride;
  const float *q_rows = left_rows(how, head->q, &q_stride, queries, width, spare);
  spare += queries * elements(how, width);
  const float *g_rows = left_rows(how, gradients->dout, &g_stride, queries, width, spare);
  const int partly = sees_part(head);
  for (size_t r = 0; partly && r < queries; r++) memset(gradients->dq + r * stride, 0, width * sizeof(float));
  for (size_t start = 0; start < length; start += KEYS) {
    float *gk = gradients->dk + start * across, *gv = gradients->dv + start * across;
    size_t begun = gradients->accumulate ? KEYS : 0;  // keys whose gradients hold something to add to
    for (size_t first = 0; first < queries; first += QUERIES) {
      const block b = make_block(head, first, start);
      if (!b.keys) continue;
      const size_t place = start * elements(how, width), strip = elements(how, first) * STRIP;
      multiply_transposed(how, b, q_rows + first * q_stride, q_stride, kt + place, width, head->scale * log2_e, scores);
      multiply_transposed(how, b, g_rows + first * g_stride, g_stride, vt + place, width, 1, slopes);
      add_bias(head, b, scores);
      soften_backward(how, head, b, gradients, delta, scores, slopes, along_keys);
      const size_t old = least(begun, b.keys);
      for (int new = 0; new < 2; new++) {
        const size_t from = new ? old : 0, to = new ? b.keys : old;
        multiply_columns(how, b, from, to, scores, g + strip, rows_deep, width, 1, gv, across, !new);
        multiply_columns(how, b, from, to, slopes, q + strip, rows_deep, width, head->scale, gk, across, !new);
      }
      if (begun < b.keys) begun = b.keys;
      const float *left = how == PAIRS ? along_keys : slopes;
      multiply_rows(how, b, left, how == PAIRS ? KEYS / 2 : KEYS, k + elements(how, start) * STRIP, deep, width,
                    head->scale, gradients->dq + first * stride, stride, partly || start != 0);
    }
    for (size_t j = begun; j < least(KEYS, length - start); j++) {  // that no query saw
      memset(gk + j * across, 0, width * sizeof *gk);
      memset(gv + j * across, 0, width * sizeof *gv);
    }
  }
}

static void attention_backward(const retort_head *head, const float *out, const float *lse, size_t lse_stride,
                               const float *dout, float *dq, float *dk, float *dv, int accumulate, float *scratch) {
  const retort_gradients gradients = {out, dout, lse, lse_stride, dq, dk, dv, accumulate};
#ifdef DOT
  if (head->brains) return attend_backward(PAIRS, head, &gradients, scratch);
#endif
  attend_backward(FLOATS, head, &gradients, scratch);
}
