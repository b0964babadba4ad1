/// Attention of query heads over one sequence, blockwise with online softmax; backward recomputes the probabilities
/// (Dao et al. 2022, 2023). Memory linear in the length. A block holds the scores of QUERIES rows with KEYS columns, in
/// units of ln 2. Queries are read where they lie; what stands on the right of products is laid out in strips.
/// Included by `body.h` once a class.
#pragma once
#include "dropout.h"
#include "gemm.h"

#define QUERIES RETORT_QUERIES
#define KEYS RETORT_KEYS
_Static_assert(KEYS == GROUP && QUERIES % LANES == 0, "one group of dropout's numbers for a row of a block");

static const float log2_e = 1.44269504f, ln_2 = 0.69314718f;

typedef struct {
  size_t first, rows, start, keys;  // queries first ≤ i < first + rows, keys start ≤ j < start + keys
  int causal;
} block;

/// Those of the block's keys that its row `r` sees.
INLINE size_t seen(block b, size_t r) {
  if (!b.causal) return b.keys;
  return b.first + r < b.start ? 0 : least(b.keys, b.first + r + 1 - b.start);
}

/// The first of the block's rows that sees its key `j`.
INLINE size_t seeing(block b, size_t j) { return b.causal && b.start + j > b.first ? b.start + j - b.first : 0; }

/// Queries from `first` and keys from `start`, as many as there are and one of the rows sees.
INLINE block make_block(const retort_head *head, size_t first, size_t start) {
  block b = {first, least(QUERIES, head->queries - first), start, least(KEYS, head->length - start), head->causal};
  b.keys = seen(b, b.rows - 1);
  return b;
}

/// Asks the second cache for a row of the next head, which lies beside this one: the processor does not foresee rows
/// that are so far apart.
INLINE void fetch_beside(const float *x, size_t width) {
  for (size_t c = 0; c < width; c += 16) __builtin_prefetch(x + width + c, 0, 2);
}

INLINE void fetch_next(const retort_head *head, size_t r) {
  fetch_beside(head->q + r * head->stride, head->width);
  fetch_beside(head->k + r * head->kv_stride, head->width);
  fetch_beside(head->v + r * head->kv_stride, head->width);
}

/// Strips of [length, width].
INLINE void pack_rows(const float *x, size_t stride, size_t length, size_t width, float *out) {
  for (size_t c = 0; c < width; c += STRIP) copy_strip(x + c, stride, length, width - c, out + c * length);
}

/// Strips of the transpose, [width, length].
INLINE void pack_columns(const float *x, size_t stride, size_t length, size_t width, float *out) {
  typedef float v4 __attribute__((vector_size(16)));
  for (size_t r = 0; r < round_up(length, STRIP); r += 4) {
    float *to = out + r / STRIP * STRIP * width + r % STRIP;
    size_t c = 0;
    for (; c + 4 <= width; c += 4) {
      v4 rows[4] = {{0}};
      for (size_t i = 0; i < 4 && r + i < length; i++) memcpy(rows + i, x + (r + i) * stride + c, sizeof *rows);
      const v4 a = __builtin_shufflevector(rows[0], rows[1], 0, 4, 1, 5);
      const v4 b = __builtin_shufflevector(rows[2], rows[3], 0, 4, 1, 5);
      const v4 d = __builtin_shufflevector(rows[0], rows[1], 2, 6, 3, 7);
      const v4 e = __builtin_shufflevector(rows[2], rows[3], 2, 6, 3, 7);
      const v4 columns[4] = {__builtin_shufflevector(a, b, 0, 1, 4, 5), __builtin_shufflevector(a, b, 2, 3, 6, 7),
                             __builtin_shufflevector(d, e, 0, 1, 4, 5), __builtin_shufflevector(d, e, 2, 3, 6, 7)};
      for (size_t i = 0; i < 4; i++) memcpy(to + (c + i) * STRIP, columns + i, sizeof *columns);
    }
    for (; c < width; c++)
      for (size_t i = 0; i < 4; i++) to[c * STRIP + i] = r + i < length ? x[(r + i) * stride + c] : 0;
  }
}

/// scores[r][j] = scale·x[r]·y[j] where row r sees key j, and some more; yt are the strips of yᵀ from key `start` on.
INLINE void multiply_transposed(block b, const float *x, size_t stride, const float *yt, size_t width, float scale,
                                float *scores) {
  for (size_t j = 0; j < b.keys; j += STRIP) {
    const size_t skipped = seeing(b, j / LANES * LANES);
    EACH_GROUP(b.rows - skipped, HEIGHT) {
      const size_t r = skipped + row;
      tile_floats(count, width, x + r * stride, stride, 1, yt + j * width, scale,
                  scores + r * KEYS + j, KEYS, least(STRIP, round_up(b.keys - j, LANES)), 0);
    }
  }
}

/// out[r] (+)= scale·Σ_j scores[r][j]·y[j]; y are strips `deep` deep, from key `start` on.
INLINE void multiply_rows(block b, const float *scores, const float *y, size_t deep, size_t width, float scale,
                          float *out, size_t stride, int accumulate) {
  const size_t skipped = seeing(b, 0);
  for (size_t c = 0; c < width; c += STRIP)
    EACH_GROUP(b.rows - skipped, HEIGHT) {
      const size_t r = skipped + row;
      tile_floats(count, seen(b, r + count - 1), scores + r * KEYS, KEYS, 1, y + c * deep, scale,
                  out + r * stride + c, stride, least(STRIP, width - c), accumulate);
    }
}

/// out[j] (+)= scale·Σ_r scores[r][j]·x[r] for `from` ≤ j < `to`; x are strips `deep` deep, from row `first` on.
INLINE void multiply_columns(block b, size_t from, size_t to, const float *scores, const float *x, size_t deep,
                             size_t width, float scale, float *out, size_t stride, int accumulate) {
  for (size_t c = 0; c < width; c += STRIP)
    EACH_GROUP(to - from, HEIGHT) {
      const size_t j = from + row, skipped = seeing(b, j);
      tile_floats(count, b.rows - skipped, scores + skipped * KEYS + j, 1, KEYS, x + c * deep + skipped * STRIP, scale,
                  out + j * stride + c, stride, least(STRIP, width - c), accumulate);
    }
}

/// How far the block's first key lies behind its row `r`: where in the biases that row begins.
INLINE ptrdiff_t distance(block b, size_t r) { return (ptrdiff_t)b.start - (ptrdiff_t)(b.first + r); }

INLINE void add_bias(const retort_head *head, block b, float *scores) {
  if (!head->bias) return;
  for (size_t r = seeing(b, 0); r < b.rows; r++) {
    const float *bias = head->bias + distance(b, r);
    float *row = scores + r * KEYS;
    for (size_t n = seen(b, r), j = 0; j < n; j += LANES)
      store(row + j, load(row + j, LANES) + load(bias + j, n - j) * log2_e, LANES);
  }
}

/// Adds the gradients of scores, a row at a time.
INLINE void add_bias_gradient(const retort_head *head, block b, const float *slopes) {
  if (!head->bias_gradient) return;
  for (size_t r = seeing(b, 0); r < b.rows; r++) {
    float *to = head->bias_gradient + distance(b, r);
    for (size_t n = seen(b, r), j = 0; j < n; j += LANES)
      store(to + j, load(to + j, n - j) + load(slopes + r * KEYS + j, LANES), n - j);
  }
}

/// The first `n` scores, minus infinity in the other lanes.
INLINE vf visible(const float *scores, size_t n) {
  const vf s = load(scores, LANES);
  const vi lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return n >= LANES ? s : choose(lane < (int32_t)n, s, splat(-__builtin_inff()));
}

/// Which of the block's keys dropout leaves row `r`.
INLINE vu row_bits(const retort_head *head, block b, size_t r) {
  return kept_bits(head->dropout, head->sequence, (uint32_t)(b.first + r), head->length, b.start / GROUP);
}

/// Scores become 2^(score - peak), dropped out; each row's running peak, total and factor for what came before.
INLINE void soften(const retort_head *head, block b, float *scores, float *peak, float *total, float *fade) {
  for (size_t r = seeing(b, 0); r < b.rows; r++) {
    const size_t n = seen(b, r);
    vf high = splat(peak[r]);
    for (size_t j = 0; j < n; j += LANES) {
      const vf s = visible(scores + r * KEYS + j, n - j);
      high = choose(s > high, s, high);
    }
    fade[r] = peak[r];
    peak[r] = largest(high);
  }
  for (size_t r = 0; r < QUERIES; r += LANES)
    store(fade + r, power_of_two(load(fade + r, LANES) - load(peak + r, LANES)), LANES);
  for (size_t r = seeing(b, 0); r < b.rows; r++) {
    const size_t n = seen(b, r);
    float *row = scores + r * KEYS;
    if (!b.start) fetch_next(head, b.first + r);
    vf add = {0};
    const vu bits = head->dropout ? row_bits(head, b, r) : (vu){0};
    size_t j = 0;
    for (; j < n; j += LANES) {
      const vf p = power_of_two(visible(row + j, n - j) - peak[r]);
      add += p;
      store(row + j, head->dropout ? keep(bits, j / LANES, head->dropout->scale, p) : p, LANES);
    }
    for (; j < b.keys; j += LANES) store(row + j, splat(0), LANES);
    total[r] = total[r] * fade[r] + sum(add);
  }
}

INLINE void scale_row(float *x, size_t width, float scale) {
  for (size_t c = 0; c < width; c += LANES) store(x + c, load(x + c, width - c) * scale, width - c);
}

static void attention(const retort_head *head, float *out, float *lse, size_t lse_stride, float *scratch) {
  const size_t length = head->length, width = head->width, stride = head->stride;
  float *kt = scratch, *v = kt + round_up(length, STRIP) * width, *scores = v + length * round_up(width, STRIP);
  pack_columns(head->k, head->kv_stride, length, width, kt);
  pack_rows(head->v, head->kv_stride, length, width, v);
  for (size_t first = 0; first < head->queries; first += QUERIES) {
    float peak[QUERIES], total[QUERIES] = {0}, fade[QUERIES] = {0}, *to = out + first * stride;
    for (size_t r = 0; r < QUERIES; r++) peak[r] = -__builtin_inff();
    size_t rows = 0;
    for (size_t start = 0; start < length; start += KEYS) {
      const block b = make_block(head, first, start);
      if (!b.keys) break;
      rows = b.rows;
      multiply_transposed(b, head->q + first * stride, stride, kt + start * width, width, head->scale * log2_e, scores);
      add_bias(head, b, scores);
      soften(head, b, scores, peak, total, fade);
      for (size_t r = seeing(b, 0); start && r < b.rows; r++) scale_row(to + r * stride, width, fade[r]);
      multiply_rows(b, scores, v + start * STRIP, length, width, 1, to, stride, start != 0);
    }
    for (size_t r = 0; r < rows; r++) {
      scale_row(to + r * stride, width, 1 / total[r]);
      if (lse) lse[(first + r) * lse_stride] = peak[r] * ln_2 + __builtin_logf(total[r]);
    }
  }
}

/// Scores become probabilities, dropped out, and `slopes`, the gradients of those, the gradients of scores.
INLINE void soften_backward(const retort_head *head, block b, const float *out, const float *dout, const float *lse,
                            size_t lse_stride, const float *delta, float *scores, float *slopes) {
  for (size_t r = seeing(b, 0); r < b.rows; r++) {
    const size_t n = seen(b, r);
    const float total = lse[(b.first + r) * lse_stride] * log2_e, along = delta[b.first + r];
    float *row = scores + r * KEYS, *slope = slopes + r * KEYS;
    if (!b.start) {
      fetch_next(head, b.first + r);
      fetch_beside(out + (b.first + r) * head->stride, head->width);
      fetch_beside(dout + (b.first + r) * head->stride, head->width);
    }
    const vu bits = head->dropout ? row_bits(head, b, r) : (vu){0};
    size_t j = 0;
    for (; j < n; j += LANES) {
      const vf p = power_of_two(visible(row + j, n - j) - total);
      vf kept = p, dp = load(slope + j, LANES);
      if (head->dropout) {
        kept = keep(bits, j / LANES, head->dropout->scale, p);
        dp = keep(bits, j / LANES, head->dropout->scale, dp);
      }
      store(row + j, kept, LANES);
      store(slope + j, p * (dp - along), LANES);
    }
    for (; j < b.keys; j += LANES) {
      store(row + j, splat(0), LANES);
      store(slope + j, splat(0), LANES);
    }
  }
}

static void attention_backward(const retort_head *head, const float *out, const float *lse, size_t lse_stride,
                               const float *dout, float *dq, float *dk, float *dv, int accumulate, float *scratch) {
  const size_t length = head->length, width = head->width, stride = head->stride, across = head->kv_stride;
  const size_t queries = head->queries;
  const size_t strips = length * round_up(width, STRIP), transposed = round_up(length, STRIP) * width;
  float *kt = scratch, *vt = kt + transposed, *k = vt + transposed, *q = k + strips, *g = q + strips;
  float *scores = g + strips, *slopes = scores + QUERIES * KEYS, *delta = slopes + QUERIES * KEYS;
  pack_columns(head->k, across, length, width, kt);
  pack_columns(head->v, across, length, width, vt);
  pack_rows(head->k, across, length, width, k);
  pack_rows(head->q, stride, queries, width, q);
  pack_rows(dout, stride, queries, width, g);
  for (size_t r = 0; r < queries; r++) {
    vf s = {0};
    for (size_t c = 0; c < width; c += LANES)
      s += load(dout + r * stride + c, width - c) * load(out + r * stride + c, width - c);
    delta[r] = sum(s);
  }
  for (size_t start = 0; start < length; start += KEYS) {
    float *gk = dk + start * across, *gv = dv + start * across;
    size_t begun = accumulate ? KEYS : 0;  // keys whose gradients hold something to add to
    for (size_t first = 0; first < queries; first += QUERIES) {
      const block b = make_block(head, first, start);
      if (!b.keys) continue;
      multiply_transposed(b, head->q + first * stride, stride, kt + start * width, width, head->scale * log2_e, scores);
      multiply_transposed(b, dout + first * stride, stride, vt + start * width, width, 1, slopes);
      add_bias(head, b, scores);
      soften_backward(head, b, out, dout, lse, lse_stride, delta, scores, slopes);
      add_bias_gradient(head, b, slopes);
      const size_t old = least(begun, b.keys);
      for (int new = 0; new < 2; new++) {
        const size_t from = new ? old : 0, to = new ? b.keys : old;
        multiply_columns(b, from, to, scores, g + first * STRIP, queries, width, 1, gv, across, !new);
        multiply_columns(b, from, to, slopes, q + first * STRIP, queries, width, head->scale, gk, across, !new);
      }
      if (begun < b.keys) begun = b.keys;
      multiply_rows(b, slopes, k + start * STRIP, length, width, head->scale, dq + first * stride, stride, start != 0);
    }
    for (size_t j = begun; j < least(KEYS, length - start); j++) {  // that no query saw
      memset(gk + j * across, 0, width * sizeof *gk);
      memset(gv + j * across, 0, width * sizeof *gv);
    }
  }
}
