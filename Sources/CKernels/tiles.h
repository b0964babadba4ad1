/// The innermost products: a few rows by one strip of columns, in registers. Included by `gemm.h` once a class.
/// The including file sets NATIVE, HEIGHT (rows that fit into registers), maybe REGISTER (the assembler's letter for the
/// registers of sums, where the compiler must be kept from spilling them) and, where the class multiplies bf16 in pairs,
/// DOT(sums, pairs, pair), maybe also BRAIN_TILES and the `_tile_…` instructions; then also NARROW(floats), 16 rounded to
/// bf16, subnormal ones to zero if it likes: as factors they would be zero anyway.
#pragma once
#include "vectors.h"

#define STRIP (2 * NATIVE)

typedef float vn __attribute__((vector_size(4 * NATIVE)));

INLINE vn load_native(const float *p) {
  vn v;
  memcpy(&v, p, sizeof v);
  return v;
}

/// Rounds to bf16, ties to even; NaN stays NaN.
INLINE uint16_t brain(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return (uint16_t)(x == x ? (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 : bits >> 16 | 0x40);
}

#ifndef NARROW
#define NARROW narrowed
#endif

/// out (+)= scale·sums for one row of `columns`, at most a strip; `halves` of it were summed.
INLINE void put(size_t halves, const vn sums[2], float scale, float *out, size_t columns, int accumulate) {
  if (columns == halves * NATIVE) {
    for (size_t s = 0; s < halves; s++) {
      vn v = sums[s] * scale;
      if (accumulate) v = load_native(out + s * NATIVE) + v;
      memcpy(out + s * NATIVE, &v, sizeof v);
    }
    return;
  }
  float row[STRIP];
  for (size_t s = 0; s < halves; s++) {
    const vn v = sums[s] * scale;
    memcpy(row + s * NATIVE, &v, sizeof v);
  }
  for (size_t c = 0; c < columns; c++) out[c] = accumulate ? out[c] + row[c] : row[c];
}

/// The first `columns` of each row, at most a strip, zeros after them.
INLINE void copy_strip(const float *x, size_t stride, size_t rows, size_t columns, float *out) {
  for (size_t r = 0; r < rows; r++, x += stride, out += STRIP) {
    if (columns >= STRIP)
      memcpy(out, x, STRIP * sizeof *out);
    else
      for (size_t c = 0; c < STRIP; c++) out[c] = c < columns ? x[c] : 0;
  }
}

/// Calls `body(row, count)` for groups of rows of equal height, or nearly.
#define EACH_GROUP(rows, height)                                                                             \
  for (size_t row = 0, groups = ((rows) + (height)-1) / (height), group = 0, count;                          \
       group < groups && (count = (rows) / groups + (group < (rows) % groups), 1); row += count, group++)

/// The same for groups of `height`, all but the last.
#define EACH_FULL_GROUP(rows, height)                                               \
  for (size_t row = 0, groups = ((rows) + (height)-1) / (height), group = 0, count; \
       row < (rows) && (count = least(height, (rows) - row), 1); row += count, group++)

/// Asks the second cache for a group's share of some floats, or of NULL. A single group reads as fast as they come.
INLINE void fetch_share(const float *x, size_t floats, size_t group, size_t groups) {
  const size_t line = 64 / sizeof *x, lines = x && groups > 1 ? floats / line : 0;
  for (size_t i = lines * group / groups; i < lines * (group + 1) / groups; i++)
    __builtin_prefetch(x + i * line, 0, 2);
}

// Keep values in registers, and the compiler from foreseeing them: otherwise it adds up an address for each row and lets
// sums spill. Where another thread shares the core, instructions are what is scarce. A processor adds once or twice the
// rows' distance to an address while it loads, so that one address serves three rows.
#define HOLD_ADDRESS(p) __asm__("" : "+r"(p))
#ifdef REGISTER
#define HOLD_SUM(sum) __asm__ volatile("" : "+" REGISTER(sum) : : "memory")
#else
#define HOLD_SUM(sum)
#endif
#define UNROLLED _Pragma("clang loop unroll(full)")

#define THIRD 3
#define EACH_THIRD(height) UNROLLED for (size_t t = 0; t < ((height) + THIRD - 1) / THIRD; t++)

/// sums[r] += a·b[k], a the element or the pair `at` of row r; every third row has an address.
INLINE void tile_line(size_t height, size_t halves, int pairs, vn sums[][2], const float *const thirds[], size_t a_row,
                      size_t at, const float *b) {
  (void)pairs;
  vn right[2];
  UNROLLED for (size_t s = 0; s < halves; s++) right[s] = load_native(b + s * NATIVE);
  UNROLLED for (size_t r = 0; r < height; r++) {
    const float *x = thirds[r / THIRD] + r % THIRD * a_row + at;
    UNROLLED for (size_t s = 0; s < halves; s++) {
#ifdef DOT
      if (pairs) {
        sums[r][s] = DOT(sums[r][s], right[s], x);
        continue;
      }
#endif
      sums[r][s] += right[s] * *x;
    }
    if (!pairs) UNROLLED for (size_t s = 0; s < halves; s++) HOLD_SUM(sums[r][s]);
  }
}

/// out[r][c] (+)= scale·Σ_k a[r·a_row + k·a_step]·b[k][c], a_row or a_step being 1; of pairs, an element is two bf16
/// and their products' sum is added. `height`, `pairs` and how many halves of a strip the columns need are constant where
/// this is inlined.
INLINE void tile(size_t height, size_t halves, int pairs, size_t depth, const float *a, size_t a_row, size_t a_step,
                 const float *b, float scale, float *out, size_t stride, size_t columns, int accumulate) {
  vn sums[HEIGHT][2];
  const float *thirds[HEIGHT / THIRD];
  UNROLLED for (size_t r = 0; r < height; r++) sums[r][0] = sums[r][1] = (vn){0};
  if (a_step == 1) {
    EACH_THIRD(height) thirds[t] = a + t * THIRD * a_row;
    size_t k = 0;
    for (; k + 4 <= depth; k += 4, b += 4 * STRIP) {
      UNROLLED for (size_t i = 0; i < 4; i++) tile_line(height, halves, pairs, sums, thirds, a_row, i, b + i * STRIP);
      EACH_THIRD(height) {
        thirds[t] += 4;
        HOLD_ADDRESS(thirds[t]);
      }
    }
    for (size_t i = 0; k + i < depth; i++) tile_line(height, halves, pairs, sums, thirds, a_row, i, b + i * STRIP);
  } else {
#pragma clang loop unroll_count(2)
    for (size_t k = 0; k < depth; k++, a += a_step, b += STRIP) {
      EACH_THIRD(height) thirds[t] = a + t * THIRD;
      tile_line(height, halves, pairs, sums, thirds, 1, 0, b);
    }
  }
  UNROLLED for (size_t r = 0; r < height; r++) put(halves, sums[r], scale, out + r * stride, columns, accumulate);
}

#define TILE_CASE(height, halves)                                                                     \
  case height:                                                                                        \
    tile(height, halves, pairs, depth, a, a_row, a_step, b, scale, out, stride, columns, accumulate); \
    break;
#define TILE_CASES_3(from, halves) TILE_CASE(from, halves) TILE_CASE(from + 1, halves) TILE_CASE(from + 2, halves)
#if HEIGHT == 6
#define TILE_CASES(halves) TILE_CASES_3(1, halves) TILE_CASES_3(4, halves)
#else
#define TILE_CASES(halves) \
  TILE_CASES_3(1, halves) TILE_CASES_3(4, halves) TILE_CASES_3(7, halves) TILE_CASES_3(10, halves)
#endif
#define TILE_BODY                     \
  if (columns <= NATIVE) {            \
    switch (height) { TILE_CASES(1) } \
  } else {                            \
    switch (height) { TILE_CASES(2) } \
  }

static void tile_floats(size_t height, size_t depth, const float *a, size_t a_row, size_t a_step, const float *b,
                        float scale, float *out, size_t stride, size_t columns, int accumulate) {
  const int pairs = 0;
  TILE_BODY
}

#ifdef DOT
/// The same of pairs, `depth` of them.
static void tile_dots(size_t height, size_t depth, const float *a, size_t a_row, size_t a_step, const float *b,
                      float scale, float *out, size_t stride, size_t columns, int accumulate) {
  const int pairs = 1;
  TILE_BODY
}
#endif

#ifdef BRAIN_TILES
/// Eight tiles of 16 rows, 64 bytes each.
static void configure_tiles(void) {
  struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
  } config = {.palette = 1};
  _Static_assert(sizeof config == 64, "the processor's layout");
  for (int i = 0; i < 8; i++) config.bytes[i] = 64, config.rows[i] = 16;
  _tile_loadconfig(&config);
}

/// Up to 32 rows, which lie in tiles, by a strip of 32 columns; `depth` counts pairs, a multiple of 16.
static void tile_pairs(size_t height, size_t depth, const float *a, size_t a_row, const float *b, float scale,
                       float *out, size_t stride, size_t columns, int accumulate) {
  _Static_assert(STRIP == 32, "two tiles");
  float product[32 * STRIP];
  const size_t line = STRIP * sizeof *b;
  const int both = height > 16;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (size_t k = 0; k < depth; k += 16, a += 256, b += 16 * STRIP) {
    _tile_loadd(6, b, line);
    _tile_loadd(4, a, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + 16, line);
    _tile_dpbf16ps(1, 4, 7);
    if (!both) continue;
    _tile_loadd(5, a + 16 * a_row, 64);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, product, line);
  _tile_stored(1, product + 16, line);
  if (both) {
    _tile_stored(2, product + 16 * STRIP, line);
    _tile_stored(3, product + 16 * STRIP + 16, line);
  }
  for (size_t r = 0; r < height; r++) {
    const vn sums[2] = {load_native(product + r * STRIP), load_native(product + r * STRIP + NATIVE)};
    put(2, sums, scale, out + r * stride, columns, accumulate);
  }
}
#endif
