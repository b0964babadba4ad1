/// Products of rows with packed matrices in numbers of 8 bits. Every RETORT_INT8_DEPTH elements along the depth are
/// quantized alone: x ≈ scale·(u - zero), 0 ≤ u ≤ 255, of each row, and w ≈ scale·v, |v| ≤ 127, of each column. Then
///   out = Σ over blocks, in their order, of (Σ_k u·v - zero·Σ_k v)·scale of the column·scale of the row,
/// the inner sums exact. Scales of weights leave room for two neighbours, |v| + |v'| ≤ 128 where their signs are equal,
/// so that u·v + u'·v' fits 16 bits: processors without VNNI add pairs in 16 bits, which is twice as fast as widening
/// them first, and every class gets the same integers. Beyond the sums nothing is contracted: the same bits, too.
/// The including file may set QUAD(sums, x, w), what its class adds four products at once with, or BYTE_TILES with the
/// `_tile_…` instructions. Included by `body.h` once a class.
#pragma once
#include "gemm.h"

#include <float.h>

#define DEPTH8 RETORT_INT8_DEPTH
#ifdef BYTE_TILES
#define HEIGHT8 32
#define STEP8 64   // of the depth, that one instruction sums; depths are filled up with zeros to it
#define PIECE 1024 // distance along the depth of every 64 bytes of a row: rows lie in tiles of 16
#define EACH_GROUP8 EACH_FULL_GROUP
#else
#define STEP8 4
#define PIECE 64
#define EACH_GROUP8 EACH_GROUP
#endif
#ifndef HEIGHT8
#define HEIGHT8 HEIGHT
#endif

typedef int32_t vq __attribute__((vector_size(4 * NATIVE)));
typedef uint8_t vbytes __attribute__((vector_size(LANES)));

/// How a block of a row was quantized.
typedef struct {
  float scale;
  int32_t zero;
} row_range;

/// Before a block of a strip.
typedef struct {
  float scales[STRIP];
  int32_t sums[STRIP];  // Σ v
} block_head;

INLINE size_t blocks8(size_t depth) { return (depth + DEPTH8 - 1) / DEPTH8; }
INLINE size_t deep8(size_t depth) { return round_up(depth, STEP8); }
INLINE size_t strip_bytes8(size_t depth) { return blocks8(depth) * sizeof(block_head) + deep8(depth) * STRIP; }
#ifdef BYTE_TILES
INLINE size_t row_bytes8(size_t depth) { return deep8(depth); }
INLINE size_t row_place8(size_t row, size_t depth) { return row / 16 * 16 * row_bytes8(depth) + row % 16 * 64; }
#else
/// Distance of quantized rows: a cache line more than they need, so that rows do not share sets of a cache.
INLINE size_t row_bytes8(size_t depth) { return round_up(deep8(depth), 64) + 64; }
INLINE size_t row_place8(size_t row, size_t depth) { return row * row_bytes8(depth); }
#endif
/// Bytes of a panel's rows; their ranges lie behind them, `blocks8` a row.
INLINE size_t panel_bytes8(size_t depth) { return round_up(RETORT_PANEL, HEIGHT8) * row_bytes8(depth); }

static size_t int8_bytes(size_t depth, size_t columns, retort_type type) {
  (void)type;
  return strip_bytes8(depth) * (round_up(columns, STRIP) / STRIP);
}

static size_t int8_scratch(size_t depth, retort_type type) {
  (void)type;
  return panel_bytes8(depth) + RETORT_PANEL * blocks8(depth) * sizeof(row_range);
}

/// The nearest integer, ties to even, of |x| < 2²²; anything of NaN.
INLINE int32_t nearest(float x) {
  const float sum = x + 12582912.f;  // 1.5·2²³
  int32_t bits;
  memcpy(&bits, &sum, sizeof bits);
  return (int32_t)((uint32_t)bits - 0x4B400000u);
}

/// 1/scale, and a finite number where that is none.
INLINE float reciprocal(float scale) {
  const float x = 1 / scale;
  return x < FLT_MAX ? x : FLT_MAX;
}

INLINE float magnitude(float x) { return x < 0 ? -x : x; }

/// Of each strip, of each block: its head, and lines of four elements along the depth, column by column.
static void int8_pack(const retort_matrix *w, void *strips, size_t from, size_t to) {
  for (size_t start = from; start < to; start += STRIP) {
    char *place = (char *)strips + start / STRIP * strip_bytes8(w->depth);
    for (size_t k = 0; k < w->depth; k += DEPTH8) {
      const size_t n = least(DEPTH8, w->depth - k), deep = deep8(n);
      block_head head = {{0}, {0}};
      int8_t *lines = (int8_t *)place + sizeof head;
      memset(lines, 0, deep * STRIP);
      for (size_t c = 0; c < least(STRIP, w->columns - start); c++) {
        float x[DEPTH8], most = 0, poison = 0;
        const size_t corner = k * w->depth_step + (start + c) * w->column_step;
        gather_floats(w->type, w->values, corner, w->depth_step, n, DEPTH8, x);
        for (size_t i = 0; i < n; i += 2) {
          const float sizes[] = {magnitude(x[i]), magnitude(x[i + 1]), magnitude(x[i] + x[i + 1])};
          for (int j = 0; j < 3; j++) most = sizes[j] > most ? sizes[j] : most;
          poison += sizes[2] * 0;  // NaN if something is not finite
        }
        const float scale = most / 127, inverse = reciprocal(scale);
        head.scales[c] = scale + poison;
        for (size_t i = 0; i < n; i++) {
          const float scaled = x[i] * inverse;
          const int8_t v = (int8_t)nearest(scaled);
          lines[i / 4 * 4 * STRIP + c * 4 + i % 4] = v;
          head.sums[c] += v;
        }
      }
      memcpy(place, &head, sizeof head);
      place += sizeof head + deep * STRIP;
    }
  }
}

/// A block of a row: `n` elements. The range holds 0, and its scale is NaN if something is not finite.
INLINE row_range quantize_block(const float *x, size_t n, uint8_t *out) {
  vf low = {0}, high = {0}, poison = {0};
  for (size_t k = 0; k < n; k += LANES) {
    const vf v = load(x + k, n - k);
    low = choose(v < low, v, low);
    high = choose(v > high, v, high);
    poison += v * 0.f;
  }
  const float bottom = -largest(-low), scale = largest(high) / 254 - bottom / 254, inverse = reciprocal(scale);
  const float lowest = bottom * inverse;
  const int32_t zero = -nearest(lowest);
  for (size_t k = 0; k < n; k += LANES) {
    const vf scaled = load(x + k, n - k) * inverse;
    const vf rounded = scaled + 12582912.f;
    const vbytes u = __builtin_convertvector((vu)rounded + (uint32_t)zero - 0x4B400000u, vbytes);
    memcpy(out + k / 64 * PIECE + k % 64, &u, least(n - k, LANES));
  }
  return (row_range){scale + sum(poison), zero};
}

static void quantize_rows(const float *x, size_t stride, size_t rows, size_t depth, uint8_t *out, row_range *ranges) {
  const size_t deep = deep8(depth);
  for (size_t r = 0; r < rows; r++, x += stride) {
    uint8_t *row = out + row_place8(r, depth);
    memset(row + depth / 64 * PIECE + depth % 64, 0, deep - depth);
    for (size_t b = 0; b < blocks8(depth); b++, ranges++)
      *ranges = quantize_block(x + b * DEPTH8, least(DEPTH8, depth - b * DEPTH8), row + b * DEPTH8 / 64 * PIECE);
  }
}

/// A block's sums as floats, added to those of the blocks before.
INLINE void settle(vq sums, const float *scales, float row_scale, vn *total) {
  const vn scaled = __builtin_convertvector(sums, vn) * load_native(scales) * row_scale;
  *total = *total + scaled;
}

#ifdef BYTE_TILES
/// Up to 32 rows, which lie in tiles, by a strip of 32 columns.
static void tile8(size_t height, size_t depth, const uint8_t *x, const row_range *ranges, const char *strip, float scale,
                  float *out, size_t stride, size_t columns, int accumulate) {
  _Static_assert(STRIP == 32, "two tiles");
  const size_t line = 4 * STRIP;
  const int both = height > 16;
  vn total[32][2] = {{{0}}};
  for (size_t k = 0; k < depth; k += DEPTH8) {
    const char *w = strip + sizeof(block_head);
    const size_t deep = deep8(least(DEPTH8, depth - k));
    int32_t product[32][STRIP];
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t i = 0; i < deep; i += STEP8, x += PIECE) {
      _tile_loadd(6, w + i * STRIP, line);
      _tile_loadd(4, x, 64);
      _tile_dpbusd(0, 4, 6);
      _tile_loadd(7, w + i * STRIP + 64, line);
      _tile_dpbusd(1, 4, 7);
      if (!both) continue;
      _tile_loadd(5, x + row_place8(16, depth), 64);
      _tile_dpbusd(2, 5, 6);
      _tile_dpbusd(3, 5, 7);
    }
    _tile_stored(0, product, line);
    _tile_stored(1, product[0] + 16, line);
    if (both) {
      _tile_stored(2, product[16], line);
      _tile_stored(3, product[16] + 16, line);
    }
    const block_head *head = (const block_head *)strip;
    for (size_t r = 0; r < height; r++) {
      const row_range range = ranges[r * blocks8(depth) + k / DEPTH8];
      for (int s = 0; s < 2; s++) {
        vq sums, v;
        memcpy(&sums, product[r] + s * NATIVE, sizeof sums);
        memcpy(&v, head->sums + s * NATIVE, sizeof v);
        settle(sums - v * range.zero, head->scales + s * NATIVE, range.scale, &total[r][s]);
      }
    }
    strip = w + deep * STRIP;
  }
  for (size_t r = 0; r < height; r++) put(2, total[r], scale, out + r * stride, columns, accumulate);
}
#else

#ifndef QUAD
/// Adds, of each lane, the products of four unsigned bytes with four signed ones, of which neighbours fit 16 bits.
INLINE vq quad(vq sums, vq x, vq w) {
  typedef int16_t halves __attribute__((vector_size(4 * NATIVE)));
  typedef uint16_t unsigned_halves __attribute__((vector_size(4 * NATIVE)));
  const unsigned_halves even = (unsigned_halves)x & 255, odd = (unsigned_halves)x >> 8;
  const halves pairs = (halves)even * ((halves)w << 8 >> 8) + (halves)odd * ((halves)w >> 8);
  return sums + ((vq)pairs << 16 >> 16) + ((vq)pairs >> 16);
}
#define QUAD quad
#endif

/// `height` is constant where this is inlined. Unrolled, as sums would lie in memory otherwise.
INLINE void tile_of8(size_t height, size_t depth, const uint8_t *x, const row_range *ranges, const char *strip,
                     float scale, float *out, size_t stride, size_t columns, int accumulate) {
  const size_t across = row_bytes8(depth), blocks = blocks8(depth);
  vn total[HEIGHT8][2];
  UNROLLED for (size_t r = 0; r < height; r++) total[r][0] = total[r][1] = (vn){0};
  for (size_t k = 0; k < depth; k += DEPTH8, ranges++) {
    const block_head *head = (const block_head *)strip;
    const size_t deep = deep8(least(DEPTH8, depth - k));
    const char *w = strip + sizeof *head;
    const uint8_t *thirds[(HEIGHT8 + THIRD - 1) / THIRD];
    EACH_THIRD(height) thirds[t] = x + t * THIRD * across + k;
    vq sums[HEIGHT8][2], v[2];
    memcpy(v, head->sums, sizeof v);
    UNROLLED for (size_t r = 0; r < height; r++)
      for (int s = 0; s < 2; s++) sums[r][s] = v[s] * -ranges[r * blocks].zero;
    for (size_t i = 0; i < deep; i += 4, w += 4 * STRIP) {
      vq lines[2];
      memcpy(lines, w, sizeof lines);
      UNROLLED for (size_t r = 0; r < height; r++) {
        int32_t four;
        memcpy(&four, thirds[r / THIRD] + r % THIRD * across, sizeof four);
        for (int s = 0; s < 2; s++) sums[r][s] = QUAD(sums[r][s], (vq){0} + four, lines[s]);
      }
      EACH_THIRD(height) {
        thirds[t] += 4;
        HOLD_ADDRESS(thirds[t]);
      }
    }
    UNROLLED for (size_t r = 0; r < height; r++)
      for (int s = 0; s < 2; s++)
        settle(sums[r][s], head->scales + s * NATIVE, ranges[r * blocks].scale, &total[r][s]);
    strip = w;
  }
  UNROLLED for (size_t r = 0; r < height; r++) put(2, total[r], scale, out + r * stride, columns, accumulate);
}

static void tile8(size_t height, size_t depth, const uint8_t *x, const row_range *ranges, const char *strip, float scale,
                  float *out, size_t stride, size_t columns, int accumulate) {
#define CASE8(height)                                                                   \
  case height:                                                                          \
    tile_of8(height, depth, x, ranges, strip, scale, out, stride, columns, accumulate); \
    break;
  switch (height) {
    CASE8(1) CASE8(2) CASE8(3) CASE8(4)
#if HEIGHT8 > 4
    CASE8(5) CASE8(6)
#endif
#if HEIGHT8 > 6
    CASE8(7) CASE8(8) CASE8(9) CASE8(10) CASE8(11) CASE8(12)
#endif
  }
}
#endif

static void int8_linear(const retort_linear *job, size_t rows, size_t from, size_t to, void *scratch) {
  const size_t depth = job->w.depth;
  const retort_linear low = low_product(job);
  uint8_t *x = scratch;
  row_range *ranges = (row_range *)(x + panel_bytes8(depth));
  quantize_rows(job->x, job->stride, rows, depth, x, ranges);
#ifdef BYTE_TILES
  configure_tiles();
#endif
  for (size_t start = from; start < to; start += BLOCK) {
    const size_t end = least(start + BLOCK, to);
    for (size_t c = start; c < end; c += STRIP) {
      const char *strip = (const char *)job->w.strips + c / STRIP * strip_bytes8(depth);
      EACH_GROUP8(rows, HEIGHT8)
      tile8(count, depth, x + row_place8(row, depth), ranges + row * blocks8(depth), strip, job->scale,
            job->out + c + row * job->out_stride, job->out_stride, least(STRIP, end - c), job->accumulate);
    }
    if (job->low) multiply_block(FLOATS, &low, rows, start, end, NULL);
    finish_block(job, rows, start, end);
  }
#ifdef BYTE_TILES
  _tile_release();
#endif
}

static double int8_spin(size_t rounds) {
#ifdef BYTE_TILES
  configure_tiles();
  for (size_t i = 0; i < rounds; i++) {
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
  _tile_release();
  return 2.0 * 4 * 16 * 16 * 64 * (double)rounds;
#else
  vq sums[HEIGHT8][2] = {{{0}}}, x = (vq){0} + (int32_t)rounds, total = {0};
  for (size_t i = 0; i < rounds; i++)
    for (size_t r = 0; r < HEIGHT8; r++)
      for (int s = 0; s < 2; s++) sums[r][s] = QUAD(sums[r][s], x, sums[r][s]);
  for (size_t r = 0; r < HEIGHT8; r++) total += sums[r][0] + sums[r][1];
  return 8.0 * HEIGHT8 * STRIP * (double)rounds + (total[0] == 1);
#endif
}
