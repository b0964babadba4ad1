/// Attention of query heads over one sequence, blockwise with online softmax; backward recomputes the probabilities
/// (Dao et al. 2022, 2023). Memory linear in the length. A block holds the scores of QUERIES rows with KEYS columns, in
/// units of ln 2. Queries are read where they lie; what stands on the right of products is laid out in strips.
/// Where a class multiplies pairs of bf16 and the head's numbers are bf16, `how` is PAIRS: everything that products read
/// is made into pairs along their depth, probabilities and gradients rounded. Included by `body.h` once a class.
#pragma once
#include "dropout.h"
#include "gemm.h"

#define QUERIES RETORT_QUERIES
#define KEYS RETORT_KEYS
_Static_assert(KEYS == GROUP && QUERIES % LANES == 0, "one group of dropout's numbers for a row of a block");

static const float log2_e = 1.44269504f, ln_2 = 0.69314718f;

typedef struct {
  size_t first, rows, start, keys;  // queries at first ≤ i < first + rows, keys start ≤ j < start + keys
  size_t before, after;             // as in the head
} block;

/// a - b, or 0 where that is less.
INLINE size_t beyond(size_t a, size_t b) { return a > b ? a - b : 0; }

/// The first of the block's keys that its row `r` sees, and the one behind the last; the second may be less.
INLINE size_t unseen(block b, size_t r) { return beyond(b.first + r, b.start + b.before); }
INLINE size_t seen(block b, size_t r) { return least(b.keys, beyond(b.first + r + b.after + 1, b.start)); }

/// The first of the block's rows that sees its key `j`, and the one behind the last; the second may be less.
INLINE size_t seeing(block b, size_t j) { return beyond(b.start + j, b.first + b.after); }
INLINE size_t seeing_end(block b, size_t j) { return least(b.rows, beyond(b.start + j + b.before + 1, b.first)); }

/// Queries from `first` and keys from `start`, as many as there are and see each other; without keys, if none do.
INLINE block make_block(const retort_head *head, size_t first, size_t start) {
  block b = {first + head->past, least(QUERIES, head->queries - first), start, least(KEYS, head->length - start),
             head->before,       head->after};
  b.keys = seen(b, b.rows - 1);
  if (b.keys) b.rows = seeing_end(b, b.keys - 1);
  if (!b.rows) b.keys = 0;
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

/// Elements of a row or a column of `n`, pairs counted as one.
INLINE size_t elements(meeting how, size_t n) { return how == PAIRS ? (n + 1) / 2 : n; }

INLINE void tile_of(meeting how, size_t height, size_t depth, const float *a, size_t a_row, size_t a_step,
                    const float *b, float scale, float *out, size_t stride, size_t columns, int accumulate) {
#ifdef DOT
  if (how == PAIRS) return tile_dots(height, depth, a, a_row, a_step, b, scale, out, stride, columns, accumulate);
#endif
  (void)how;
  tile_floats(height, depth, a, a_row, a_step, b, scale, out, stride, columns, accumulate);
}

#ifdef DOT
/// Rows of pairs, [length, width/2].
INLINE void pair_along(const float *x, size_t stride, size_t length, size_t width, float *out) {
  const size_t deep = 2 * elements(PAIRS, width);
  for (size_t r = 0; r < length; r++)
    for (size_t c = 0; c < width; c += LANES)
      store_halves((uint16_t *)out + r * deep + c, NARROW(load(x + r * stride + c, width - c)), deep - c);
}

/// Strips of pairs of rows, [length/2, width].
INLINE void pack_pairs_of_rows(const float *x, size_t stride, size_t length, size_t width, float *out) {
  for (size_t c = 0; c < width; c += STRIP)
    for (size_t r = 0; r < length; r += 2)
      for (size_t j = c; j < c + STRIP; j += LANES, out += LANES) {
        const size_t left = j < width ? width - j : 0;
        const float *row = x + r * stride + j;
        const vf low = load(row, left), high = load(row + stride, r + 1 < length ? left : 0);
        const vu pairs = rounded_pairs(low, high);
        memcpy(out, &pairs, sizeof pairs);
      }
}
#endif

/// A matrix's rows as the left side of products along them: where they lie, or pairs in `out`.
INLINE const float *left_rows(meeting how, const float *x, size_t *stride, size_t length, size_t width, float *out) {
#ifdef DOT
  if (how == PAIRS) {
    pair_along(x, *stride, length, width, out);
    *stride = elements(PAIRS, width);
    return out;
  }
#endif
  (void)how, (void)length, (void)width, (void)out;
  return x;
}

/// Strips for products along the length.
INLINE void right_rows(meeting how, const float *x, size_t stride, size_t length, size_t width, float *out) {
#ifdef DOT
  if (how == PAIRS) return pack_pairs_of_rows(x, stride, length, width, out);
#endif
  (void)how;
  pack_rows(x, stride, length, width, out);
}

/// Strips of the transpose, for products along the width; `spare` holds the matrix's pairs meanwhile.
INLINE void right_columns(meeting how, const float *x, size_t stride, size_t length, size_t width, float *out,
                          float *spare) {
  x = left_rows(how, x, &stride, length, width, spare);
  pack_columns(x, stride, length, elements(how, width), out);
}

/// scores[r][j] = scale·x[r]·y[j] where row r sees key j, and some more; yt are the strips of yᵀ from key `start` on.
INLINE void multiply_transposed(meeting how, block b, const float *x, size_t stride, const float *yt, size_t width,
                                float scale, float *scores) {
  const size_t deep = elements(how, width);
  for (size_t j = 0; j < b.keys; j += STRIP) {
    const size_t skipped = seeing(b, j / LANES * LANES);
    const size_t end = seeing_end(b, least(b.keys, round_up(j + STRIP, LANES)) - 1);
    EACH_GROUP(beyond(end, skipped), HEIGHT) {
      const size_t r = skipped + row;
      tile_of(how, count, deep, x + r * stride, stride, 1, yt + j * deep, scale, scores + r * KEYS + j, KEYS,
              least(STRIP, round_up(b.keys - j, LANES)), 0);
    }
  }
}

/// out[r] (+)= scale·Σ_j scores[r][j]·y[j], rows of scores being `across` floats apart; y are strips `deep` deep, from
/// key `start` on.
INLINE void multiply_rows(meeting how, block b, const float *scores, size_t across, const float *y, size_t deep,
                          size_t width, float scale, float *out, size_t stride, int accumulate) {
  const size_t skipped = seeing(b, 0);
  for (size_t c = 0; c < width; c += STRIP)
    EACH_GROUP(b.rows - skipped, HEIGHT) {
      const size_t r = skipped + row;
      tile_of(how, count, elements(how, seen(b, r + count - 1)), scores + r * across, across, 1,
              y + c * deep, scale, out + r * stride + c, stride, least(STRIP, width - c), accumulate);
    }
}

/// out[j] (+)= scale·Σ_r scores[r][j]·x[r] for `from` ≤ j < `to`; x are strips `deep` deep, from row `first` on. Of
/// pairs, those of rows r and r + 1 lie in the place of row r.
INLINE void multiply_columns(meeting how, block b, size_t from, size_t to, const float *scores, const float *x,
                             size_t deep, size_t width, float scale, float *out, size_t stride, int accumulate) {
  const size_t group_rows = how == PAIRS ? 2 : 1;
  for (size_t c = 0; c < width; c += STRIP)
    EACH_GROUP(to - from, HEIGHT) {
      const size_t j = from + row, skipped = seeing(b, j) / group_rows * group_rows;
      const size_t deep_rows = beyond(seeing_end(b, j + count - 1), skipped);
      tile_of(how, count, elements(how, deep_rows), scores + skipped * KEYS + j, 1, group_rows * KEYS,
              x + c * deep + skipped / group_rows * STRIP, scale, out + j * stride + c, stride,
              least(STRIP, width - c), accumulate);
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

/// Those of 16 scores from key `j` on that are from `from` ≤ key < `to`, minus infinity in the other lanes.
INLINE vf visible(const float *scores, size_t j, size_t from, size_t to) {
  const vf s = load(scores + j, LANES);
  const vi key = (vi){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} + (int32_t)j;
  if (from <= j && to >= j + LANES) return s;
  return choose((key >= (int32_t)from) & (key < (int32_t)to), s, splat(-__builtin_inff()));
}

/// Which of the block's keys dropout leaves row `r`.
INLINE vu row_bits(const retort_head *head, block b, size_t r) {
  return kept_bits(head->dropout, head->sequence, (uint32_t)(b.first + r), head->length, b.start / GROUP);
}

/// 16 elements of a row of scores from `j` on, as the left side of products reads them.
INLINE void put_scores(meeting how, float *row, size_t j, vf x) {
#ifdef DOT
  if (how == PAIRS) return store_halves((uint16_t *)row + j, NARROW(x), LANES);
#endif
  (void)how;
  store(row + j, x, LANES);
}

/// Scores become 2^(score - peak), dropped out; each row's running peak, total and factor for what came before.
INLINE void soften(meeting how, const retort_head *head, block b, float *scores, float *peak, float *total,
                   float *fade) {
  for (size_t r = seeing(b, 0); r < b.rows; r++) {
    const size_t from = unseen(b, r), n = seen(b, r);
    vf high = splat(peak[r]);
    for (size_t j = from / LANES * LANES; j < n; j += LANES) {
      const vf s = visible(scores + r * KEYS, j, from, n);
      high = choose(s > high, s, high);
    }
    fade[r] = peak[r];
    peak[r] = largest(high);
  }
  for (size_t r = 0; r < QUERIES; r += LANES)
    store(fade + r, power_of_two(load(fade + r, LANES) - load(peak + r, LANES)), LANES);
  for (size_t r = seeing(b, 0); r < b.rows; r++) {
    const size_t from = unseen(b, r), n = seen(b, r);
    float *row = scores + r * KEYS;
    if (!b.start) fetch_next(head, b.first - head->past + r);
    vf add = {0};
    const vu bits = head->dropout ? row_bits(head, b, r) : (vu){0};
    size_t j = 0;
    for (; j + LANES <= from; j += LANES) put_scores(how, row, j, splat(0));
    for (; j < n; j += LANES) {
      const vf p = power_of_two(visible(row, j, from, n) - peak[r]);
      add += p;
      put_scores(how, row, j, head->dropout ? keep(bits, j / LANES, head->dropout->scale, p) : p);
    }
    for (; j < b.keys; j += LANES) put_scores(how, row, j, splat(0));
    total[r] = total[r] * fade[r] + sum(add);
  }
}

INLINE void scale_row(float *x, size_t width, float scale) {
  for (size_t c = 0; c < width; c += LANES) store(x + c, load(x + c, width - c) * scale, width - c);
}

/// Whether a query may see none of a block of keys that others of its rows see, which then have more to add to.
INLINE int sees_part(const retort_head *head) { return head->before + 1 < head->length; }

INLINE void attend(meeting how, const retort_head *head, float *out, float *lse, size_t lse_stride, float *scratch) {
  const size_t length = head->length, width = head->width, stride = head->stride, deep = elements(how, length);
  size_t across = stride;
  float *kt = scratch, *v = kt + round_up(length, STRIP) * width, *scores = v + deep * round_up(width, STRIP);
  float *spare = scores + QUERIES * KEYS;
  right_columns(how, head->k, head->kv_stride, length, width, kt, spare);
  right_rows(how, head->v, head->kv_stride, length, width, v);
  const float *q = left_rows(how, head->q, &across, head->queries, width, spare);
  for (size_t first = 0; first < head->queries; first += QUERIES) {
    float peak[QUERIES], total[QUERIES] = {0}, fade[QUERIES] = {0}, *to = out + first * stride;
    const size_t rows = least(QUERIES, head->queries - first);
    const size_t begin = beyond(first + head->past, head->before) / KEYS * KEYS;
    for (size_t r = 0; r < QUERIES; r++) peak[r] = -__builtin_inff();
    const int partly = sees_part(head);
    for (size_t r = 0; partly && r < rows; r++) memset(to + r * stride, 0, width * sizeof *to);
    for (size_t start = begin; start < length; start += KEYS) {
      const block b = make_block(head, first, start);
      if (!b.keys) break;
      multiply_transposed(how, b, q + first * across, across, kt + start * elements(how, width), width,
                          head->scale * log2_e, scores);
      add_bias(head, b, scores);
      soften(how, head, b, scores, peak, total, fade);
      for (size_t r = seeing(b, 0); start > begin && r < b.rows; r++) scale_row(to + r * stride, width, fade[r]);
      multiply_rows(how, b, scores, KEYS, v + elements(how, start) * STRIP, deep, width, 1, to, stride,
                    partly || start > begin);
    }
    for (size_t r = 0; r < rows; r++) {
      scale_row(to + r * stride, width, 1 / total[r]);
      if (lse) lse[(first + r) * lse_stride] = peak[r] * ln_2 + __builtin_logf(total[r]);
    }
  }
}

static void attention(const retort_head *head, float *out, float *lse, size_t lse_stride, float *scratch) {
#ifdef DOT
  if (head->brains) return attend(PAIRS, head, out, lse, lse_stride, scratch);
#endif
  attend(FLOATS, head, out, lse, lse_stride, scratch);
}
