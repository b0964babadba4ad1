/// Sums of outer products, which gradients of weights are: of floats; or, where a class multiplies pairs of bf16 and the
/// right side is bf16, of pairs along the summed rows. Summed in blocks as products are. Included by `body.h`.
#pragma once
#include "dropout.h"
#include "gemm.h"

/// b's rows `start` ≤ k < `start` + `depth`, columns `c` ≤ j < `to`, at most a strip, as floats, dropped out, zeros
/// after them. The strip after it is asked for: the processor does not foresee rows that are so far apart.
INLINE void copy_right(const retort_outer *job, size_t start, size_t depth, size_t c, size_t to, float *out) {
  const size_t mask_stride = RETORT_MASK_BYTES(job->b_stride), step = least(STRIP, LANES);
  for (size_t k = start; k < start + depth; k++) {
    const retort_rounded row = retort_from(job->b, k * job->b_stride);
    const char *next = retort_from(row, c + STRIP).values;
    for (size_t line = 0; line < STRIP * type_bytes(row.type); line += 64) __builtin_prefetch(next + line, 0, 2);
    for (size_t j = c; j < c + STRIP; j += step, out += step) {
      if (!job->kept) {
        store(out, load_rounded(row, j, j < to ? to - j : 0), step);
        continue;
      }
      const size_t first = j / LANES * LANES, left = first < job->b_stride ? job->b_stride - first : 0;
      const vu bits = left ? mask_bits(job->kept + k * mask_stride, first) : (vu){0};
      const vf x = keep(bits, first % GROUP / LANES, job->kept_scale, load_rounded(row, first, left));
      if (step == LANES) {
        store(out, x, LANES);
        continue;
      }
      float lanes[LANES];
      store(lanes, x, LANES);
      memcpy(out, lanes + j % LANES, step * sizeof *out);
    }
  }
}

/// `rows` columns of a, in groups as tiles read them.
INLINE void lay_out(const float *a, size_t stride, size_t depth, size_t rows, float *out) {
  EACH_GROUP(rows, HEIGHT)
  for (size_t k = 0; k < depth; k++, out += count) {
    const float *x = a + k * stride + row;
    if (count == HEIGHT)
      memcpy(out, x, HEIGHT * sizeof *out);
    else
      for (size_t i = 0; i < count; i++) out[i] = x[i];
  }
}

#ifdef DOT
/// `rows` columns of a as pairs along the depth, zeros after it, as tiles of pairs read them.
INLINE void lay_out_pairs(const float *a, size_t stride, size_t depth, size_t rows, float *out) {
  const size_t deep = packed_depth(PAIRS, depth) / 2;
  EACH_PAIRS_GROUP(rows, PAIRS_HEIGHT)
  for (size_t k = 0; k < deep; k++)
    for (size_t i = 0; i < count; i += LANES) {
      const float *x = a + 2 * k * stride + row + i;
      const vf low = load(x, 2 * k < depth ? count - i : 0), high = load(x + stride, 2 * k + 1 < depth ? count - i : 0);
      const vu pairs = rounded_pairs(low, high);
#ifdef BRAIN_TILES
      for (size_t lane = 0; lane < LANES; lane++)
        memcpy(out + pair_place(row + i + lane, k, deep), (const float *)&pairs + lane, sizeof *out);
#else
      memcpy(out + row * deep + k * count + i, &pairs, sizeof pairs);  // the next line overwrites what is too much
#endif
    }
}

/// Rows of b, bf16 numbers, as pairs along the depth, as `copy_right` has floats; what is dropped out is zero, what
/// stays is not scaled.
INLINE void copy_right_pairs(const retort_outer *job, size_t start, size_t depth, size_t c, size_t to, float *out) {
  const size_t deep = packed_depth(PAIRS, depth), mask_stride = RETORT_MASK_BYTES(job->b_stride);
  for (size_t k = 0; k < deep; k += 2)
    for (size_t j = c; j < c + STRIP; j += LANES, out += LANES) {
      vu both[2] = {{0}};
      for (size_t i = 0; i < 2 && k + i < depth; i++) {
        const size_t place = start + k + i;
        const uint16_t *row = (const uint16_t *)job->b.values + place * job->b_stride;
        if (j == c) __builtin_prefetch(row + c + STRIP, 0, 2);
        both[i] = __builtin_convertvector(load_halves(row + j, j < to ? to - j : 0), vu);
        if (!job->kept || j >= to) continue;
        const vu bits = mask_bits(job->kept + place * mask_stride, j);
        both[i] &= (vu)((bits & 1u << j % GROUP / LANES) != 0);
      }
      const vu pairs = both[0] | both[1] << 16;
      memcpy(out, &pairs, sizeof pairs);
    }
}

/// Both sides in bf16, which b is.
static void add_outer_pairs(const retort_outer *job, size_t first, size_t rows, size_t from, size_t to,
                            float *scratch) {
  float *right = scratch + (RETORT_OUTER_ROWS + LANES) * (DEPTH / 2);
  const float scale = job->scale * (job->kept ? job->kept_scale : 1);
#ifdef BRAIN_TILES
  configure_tiles();
#endif
  for (size_t start = 0; start < job->depth; start += DEPTH) {
    const size_t depth = least(DEPTH, job->depth - start), deep = packed_depth(PAIRS, depth) / 2;
    lay_out_pairs(job->a + start * job->a_stride + first, job->a_stride, depth, rows, scratch);
    for (size_t c = from; c < to; c += STRIP) {
      float *sum = job->sum + first * job->stride + c;
      copy_right_pairs(job, start, depth, c, to, right);
      EACH_PAIRS_GROUP(rows, PAIRS_HEIGHT) {
#ifdef BRAIN_TILES
        tile_pairs(count, deep, scratch + pair_place(row, 0, deep), deep, right, scale, sum + row * job->stride,
                   job->stride, least(STRIP, to - c), 1);
#else
        tile_dots(count, deep, scratch + row * deep, 1, count, right, scale, sum + row * job->stride, job->stride,
                  least(STRIP, to - c), 1);
#endif
      }
    }
  }
#ifdef BRAIN_TILES
  _tile_release();
#endif
}
#endif

/// Left columns that serve several strips are laid out first; of the right ones, a strip at a time.
static void add_outer(const retort_outer *job, size_t first, size_t rows, size_t from, size_t to, float *scratch) {
#ifdef DOT
  if (job->b.type == RETORT_BF16) return add_outer_pairs(job, first, rows, from, to, scratch);
#endif
  float *right = scratch + RETORT_OUTER_ROWS * DEPTH;
  const int serves = to - from > 2 * STRIP;
  for (size_t start = 0; start < job->depth; start += DEPTH) {
    const size_t depth = least(DEPTH, job->depth - start);
    const float *a = job->a + start * job->a_stride + first;
    if (serves) lay_out(a, job->a_stride, depth, rows, scratch);
    for (size_t c = from; c < to; c += STRIP) {
      const size_t width = least(STRIP, to - c);
      float *sum = job->sum + first * job->stride + c;
      copy_right(job, start, depth, c, to, right);
      EACH_GROUP(rows, HEIGHT)
      tile_floats(count, depth, serves ? scratch + row * depth : a + row, 1, serves ? count : job->a_stride, right,
                  job->scale, sum + row * job->stride, job->stride, width, 1);
    }
  }
}
