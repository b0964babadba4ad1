/// Attention of one head over one sequence, blockwise with online softmax; backward recomputes the probabilities
/// (Dao et al. 2022, 2023). Memory linear in the length. Included by `body.h` once a class.
#pragma once
#include "dropout.h"
#include "tiles.h"

#define QUERIES 32              // rows of a block of scores
#define KEYS RETORT_KEYS        // columns of a block of scores
#define TILE RETORT_TILE        // padding of lengths and widths

/// out[m, n] (+)= Σ_k a[m·am + k·ak] · b[k·bs + n]; m a multiple of 8, n of TILE.
INLINE void gemm(size_t m, size_t n, size_t k, const float *a, size_t am, size_t ak, const float *b, size_t bs,
                 float *out, size_t os, int accumulate) {
  for (size_t j = 0; j < n; j += 2 * NATIVE)
    for (size_t i = 0; i < m; i += ROWS) {
      vn c[ROWS][2];
      for (int r = 0; r < ROWS; r++)
        for (int s = 0; s < 2; s++)
          c[r][s] = accumulate ? load_native(out + (i + r) * os + j + s * NATIVE) : (vn){0};
      for (size_t l = 0; l < k; l++) {
        vn left = load_native(b + l * bs + j), right = load_native(b + l * bs + j + NATIVE);
        for (int r = 0; r < ROWS; r++) {
          float x = a[(i + r) * am + l * ak];
          c[r][0] += left * x;
          c[r][1] += right * x;
        }
      }
      for (int r = 0; r < ROWS; r++)
        for (int s = 0; s < 2; s++) memcpy(out + (i + r) * os + j + s * NATIVE, &c[r][s], sizeof(vn));
    }
}

/// Copies [length, width] at `stride` to [padded length, padded width], scaled, zeros around.
INLINE void pack(const float *x, size_t length, size_t width, size_t stride, float scale, float *out, size_t rows,
                 size_t columns) {
  memset(out, 0, rows * columns * sizeof *out);
  for (size_t r = 0; r < length; r++)
    for (size_t c = 0; c < width; c += LANES)
      store(out + r * columns + c, load(x + r * stride + c, width - c) * scale, width - c);
}

/// out[c, r] = x[r, c]
INLINE void transpose(const float *x, float *out, size_t rows, size_t columns) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < columns; c++) out[c * rows + r] = x[r * columns + c];
}

INLINE void unpack(const float *x, size_t columns, float *out, size_t length, size_t width, size_t stride) {
  for (size_t r = 0; r < length; r++)
    for (size_t c = 0; c < width; c += LANES)
      store(out + r * stride + c, load(x + r * columns + c, width - c), width - c);
}

/// Scores minus infinity past the sequence's end.
INLINE vf masked(const float *scores, size_t n) {
  vf s = load(scores, LANES);
  for (size_t lane = n; lane < LANES; lane++) s[lane] = -__builtin_inff();
  return s;
}

static void attention(const retort_head *head, float *out, float *lse, size_t lse_stride, float *scratch) {
  const size_t length = head->length, rows = RETORT_PADDED(length), width = RETORT_PADDED(head->width);
  float *q = scratch, *kt = q + rows * width, *v = kt + rows * width, *o = v + rows * width;
  float *scores = o + rows * width;
  pack(head->k, length, head->width, head->stride, 1, q, rows, width);
  transpose(q, kt, rows, width);
  pack(head->q, length, head->width, head->stride, head->scale, q, rows, width);
  pack(head->v, length, head->width, head->stride, 1, v, rows, width);
  for (size_t first = 0; first < length; first += QUERIES) {
    const size_t m = least(QUERIES, length - first), mp = (m + 7) / 8 * 8;
    float peak[QUERIES], total[QUERIES];
    for (size_t i = 0; i < m; i++) peak[i] = -__builtin_inff(), total[i] = 0;
    for (size_t start = 0; start < length; start += KEYS) {
      const size_t n = least(KEYS, length - start);
      gemm(mp, RETORT_PADDED(n), width, q + first * width, width, 1, kt + start, rows, scores, KEYS, 0);
      for (size_t i = 0; i < m; i++) {
        float *row = scores + i * KEYS;
        vf high = splat(peak[i]);
        for (size_t j = 0; j < n; j += LANES) {
          vf s = masked(row + j, least(LANES, n - j));
          high = choose(s > high, s, high);
        }
        const float highest = largest(high);
        vf add = {0};
        for (size_t j = 0; j < n; j += LANES) {
          vf p = exponential(masked(row + j, least(LANES, n - j)) - highest);
          add += p;
          store(row + j, p, LANES);
        }
        const float fade = exponential(splat(peak[i] - highest))[0];
        total[i] = total[i] * fade + sum(add);
        peak[i] = highest;
        if (start)
          for (size_t c = 0; c < width; c += LANES)
            store(o + (first + i) * width + c, load(o + (first + i) * width + c, LANES) * fade, LANES);
        if (head->dropout)
          drop(head->dropout, head->sequence, (uint32_t)(first + i), length, start, row, row, 0, n);
      }
      gemm(mp, width, n, scores, KEYS, 1, v + start * width, width, o + first * width, width, start != 0);
    }
    for (size_t i = 0; i < m; i++) {
      for (size_t c = 0; c < width; c += LANES)
        store(o + (first + i) * width + c, load(o + (first + i) * width + c, LANES) / total[i], LANES);
      if (lse) lse[(first + i) * lse_stride] = peak[i] + __builtin_logf(total[i]);
    }
  }
  unpack(o, width, out, length, head->width, head->stride);
}

static void attention_backward(const retort_head *head, const float *out, const float *lse, size_t lse_stride,
                               const float *dout, float *dq, float *dk, float *dv, float *scratch) {
  const size_t length = head->length, rows = RETORT_PADDED(length), width = RETORT_PADDED(head->width);
  const size_t size = rows * width;
  float *q = scratch, *k = q + size, *kt = k + size, *vt = kt + size, *g = vt + size;
  float *gq = g + size, *gk = gq + size, *gv = gk + size;
  float *p = gv + size, *dp = p + QUERIES * KEYS, *dropped = dp + QUERIES * KEYS, *delta = dropped + QUERIES * KEYS;
  pack(head->v, length, head->width, head->stride, 1, gv, rows, width);
  transpose(gv, vt, rows, width);
  pack(head->k, length, head->width, head->stride, 1, k, rows, width);
  transpose(k, kt, rows, width);
  pack(head->q, length, head->width, head->stride, head->scale, q, rows, width);
  pack(dout, length, head->width, head->stride, 1, g, rows, width);
  memset(gq, 0, 3 * size * sizeof *gq);
  for (size_t i = 0; i < length; i++) {
    vf s = {0};
    for (size_t c = 0; c < head->width; c += LANES)
      s += load(dout + i * head->stride + c, head->width - c) * load(out + i * head->stride + c, head->width - c);
    delta[i] = sum(s);
  }
  for (size_t start = 0; start < length; start += KEYS) {
    const size_t n = least(KEYS, length - start), np = RETORT_PADDED(n);
    for (size_t first = 0; first < length; first += QUERIES) {
      const size_t m = least(QUERIES, length - first), mp = (m + 7) / 8 * 8;
      gemm(mp, np, width, q + first * width, width, 1, kt + start, rows, p, KEYS, 0);
      gemm(mp, np, width, g + first * width, width, 1, vt + start, rows, dp, KEYS, 0);
      for (size_t i = 0; i < m; i++) {
        float *row = p + i * KEYS, *slope = dp + i * KEYS, *kept = head->dropout ? dropped + i * KEYS : row;
        for (size_t j = n / LANES * LANES; j < np; j += LANES)
          store(row + j, masked(row + j, j < n ? n - j : 0), LANES);
        for (size_t j = 0; j < np; j += LANES)
          store(row + j, exponential(load(row + j, LANES) - lse[(first + i) * lse_stride]), LANES);
        if (head->dropout) {
          const uint32_t position = (uint32_t)(first + i);
          memset(kept, 0, KEYS * sizeof *kept);
          drop(head->dropout, head->sequence, position, length, start, row, kept, 0, n);
          drop(head->dropout, head->sequence, position, length, start, slope, slope, 0, n);
        }
        for (size_t j = 0; j < np; j += LANES)
          store(slope + j, load(row + j, LANES) * (load(slope + j, LANES) - delta[first + i]), LANES);
      }
      for (size_t i = m; i < mp; i++) {  // rows past the end add nothing
        memset(p + i * KEYS, 0, KEYS * sizeof *p);
        memset(dp + i * KEYS, 0, KEYS * sizeof *dp);
      }
      const float *kept = head->dropout ? dropped : p;
      gemm(np, width, m, kept, 1, KEYS, g + first * width, width, gv + start * width, width, 1);
      gemm(np, width, m, dp, 1, KEYS, q + first * width, width, gk + start * width, width, 1);
      gemm(mp, width, n, dp, KEYS, 1, k + start * width, width, gq + first * width, width, 1);
    }
  }
  for (size_t i = 0; i < length * width; i += LANES) store(gq + i, load(gq + i, LANES) * head->scale, LANES);
  unpack(gq, width, dq, length, head->width, head->stride);
  unpack(gk, width, dk, length, head->width, head->stride);
  unpack(gv, width, dv, length, head->width, head->stride);
}
