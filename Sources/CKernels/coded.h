/// Numbers in codes of 4 or 8 bits: decoded where products read them, in either direction, and found. A class that looks
/// 16 levels up in its registers sets LOOKUP(levels, codes). Included by `gemm.h` once a class.
#pragma once
#include "vectors.h"

typedef uint64_t vl __attribute__((vector_size(4 * LANES)));
typedef uint8_t veight __attribute__((vector_size(8)));
typedef int8_t vsigned __attribute__((vector_size(LANES)));

/// levels[codes]
INLINE vf look_up(const float *levels, vu codes) {
  vf out;
#ifdef LOOKUP
  typedef float vn __attribute__((vector_size(4 * NATIVE)));
  typedef uint32_t vcodes __attribute__((vector_size(4 * NATIVE)));
  for (size_t i = 0; i < LANES; i += NATIVE) {
    vcodes some;
    memcpy(&some, (const uint32_t *)&codes + i, sizeof some);
    const vn found = LOOKUP(levels, some);
    memcpy((float *)&out + i, &found, sizeof found);
  }
#else
  for (size_t i = 0; i < LANES; i++) out[i] = levels[codes[i]];
#endif
  return out;
}

/// x rounded to binary16, of two the even one; infinity begins at 65520.
INLINE vf halves_of(vf x) {
  const vu bits = (vu)x, sign = bits & 0x80000000u, magnitude = bits & 0x7FFFFFFFu;
  // Numbers of [½, 1) are 2^-24 apart, as subnormal halves are.
  const vu large = (magnitude + 0xFFF + (magnitude >> 13 & 1)) & ~0x1FFFu;
  const vf small = ((vf)magnitude + 0.5f) - 0.5f;
  vf y = choose((vi)(magnitude < 0x38800000u), small, (vf)large);
  y = choose((vi)(magnitude >= 0x477FF000u), (vf)((vu){0} + 0x7F800000u), y);
  return choose((vi)(magnitude > 0x7F800000u), x, (vf)((vu)y | sign));
}

/// The `n` numbers from `place` on, zeros after them; `n` may exceed the lanes.
INLINE vf coded_at(const retort_coded *w, size_t place, size_t n) {
  vf x = {0};
  const size_t row = w->levels ? 0 : place / w->row;
  if (n < LANES || (w->levels ? place % LANES != 0 : place + LANES > (row + 1) * w->row)) {
    for (size_t i = 0; i < least(n, LANES); i++) x[i] = coded_number(w, place + i);
    return x;
  }
  if (!w->levels) {
    vsigned codes;
    memcpy(&codes, w->codes + place, sizeof codes);
    return __builtin_convertvector(codes, vf) * (w->absmax[row] * (1 / 127.f));
  }
  veight bytes;
  memcpy(&bytes, w->codes + place / 2, sizeof bytes);
  const vl wide = __builtin_convertvector(bytes, vl);
  return look_up(w->levels, (vu)(wide >> 4 | wide << 32) & 15) * w->absmax[place >> w->block_bits];
}

// Lanes with bit `s` of their number set change places with those of the row `s` further that have it not.
#define FIRST_LANE(i, s) ((i) & (s) ? (i) - (s) + LANES : (i))
#define SECOND_LANE(i, s) ((i) & (s) ? (i) + LANES : (i) + (s))
#define LANES_BY(f, s)                                                                                            \
  f(0, s), f(1, s), f(2, s), f(3, s), f(4, s), f(5, s), f(6, s), f(7, s), f(8, s), f(9, s), f(10, s), f(11, s), \
      f(12, s), f(13, s), f(14, s), f(15, s)
#define SWAP_ROWS(s)                                                                   \
  for (size_t i = 0; i < LANES; i++)                                                   \
    if (!(i & (s))) {                                                                  \
      const vf a = rows[i], b = rows[i + (s)];                                         \
      rows[i] = __builtin_shufflevector(a, b, LANES_BY(FIRST_LANE, s));                \
      rows[i + (s)] = __builtin_shufflevector(a, b, LANES_BY(SECOND_LANE, s));         \
    }

/// Sixteen rows become sixteen columns.
INLINE void transpose(vf rows[LANES]) {
  _Pragma("clang loop unroll(full)") SWAP_ROWS(1)
  _Pragma("clang loop unroll(full)") SWAP_ROWS(2)
  _Pragma("clang loop unroll(full)") SWAP_ROWS(4)
  _Pragma("clang loop unroll(full)") SWAP_ROWS(8)
}

/// Lines k ≤ i < k + depth of a matrix in codes, of columns from ≤ c < from + width, filled up with zeros to `size`;
/// lines beyond the matrix are zeros. out [depth, size]
INLINE void decode_lines(const retort_packed *w, size_t k, size_t depth, size_t from, size_t width, size_t size,
                         float *out) {
  const retort_coded *coded = w->strips;
  const size_t lines = k < w->depth ? least(depth, w->depth - k) : 0;
  if (w->column_step == 1) {
    for (size_t i = 0; i < depth; i++)
      for (size_t c = 0; c < size; c += LANES) {
        const size_t n = i < lines && c < width ? width - c : 0;
        store(out + i * size + c, coded_at(coded, (k + i) * w->depth_step + from + c, n), size - c);
      }
    return;
  }
  for (size_t c = 0; c < size; c += LANES)
    for (size_t i = 0; i < depth; i += LANES) {
      vf rows[LANES];
      for (size_t j = 0; j < LANES; j++) {
        const size_t n = c + j < width && i < lines ? lines - i : 0;
        rows[j] = coded_at(coded, (from + c + j) * w->column_step + k + i, n);
      }
      transpose(rows);
      for (size_t j = 0; j < least(LANES, depth - i); j++) store(out + (i + j) * size + c, rows[j], size - c);
    }
}

/// The numbers from ≤ i < to.
static inline void decode_numbers(const retort_coded *w, size_t from, size_t to, float *out) {
  for (size_t i = from; i < to; i += LANES, out += LANES) store(out, coded_at(w, i, to - i), to - i);
}

/// The first 16 of `n` numbers: how many of the middles between levels lie below each.
INLINE vi codes_of(vf x, const float *levels) {
  vi codes = {0};
  for (size_t level = 0; level < 15; level++) codes -= x > splat((levels[level] + levels[level + 1]) / 2);
  return codes;
}

static inline void encode_numbers(const float *x, size_t n, const float *levels, unsigned block_bits, uint8_t *codes,
                                  float *absmax) {
  const size_t block = (size_t)1 << block_bits;
  for (size_t start = 0; start < n; start += block) {
    const size_t count = least(block, n - start);
    vf most = {0}, poison = {0};
    for (size_t i = 0; i < count; i += LANES) {
      const vf values = load(x + start + i, count - i), sizes = (vf)((vu)values & 0x7FFFFFFFu);
      most = choose(sizes > most, sizes, most);
      poison += values * 0;  // NaN if something is not finite
    }
    const float found = largest(most) + sum(poison), least_divisor = found > 1e-38f ? found : 1e-38f;
    absmax[start >> block_bits] = count < block ? least_divisor + sum(poison) : found;
    for (size_t i = 0; i < count; i += LANES) {
      const vf values = load(x + start + i, count - i);
      const vf scaled = count < block ? values / least_divisor : values * (1 / least_divisor);
      const vl pairs = (vl)codes_of(scaled, levels);
      const veight bytes = __builtin_convertvector(pairs << 4 | pairs >> 32, veight);
      memcpy(codes + (start + i) / 2, &bytes, (least(LANES, count - i) + 1) / 2);
    }
  }
}

static inline float encode_row(const float *x, size_t n, int8_t *codes) {
  vf most = {0}, poison = {0};
  for (size_t i = 0; i < n; i += LANES) {
    const vf values = halves_of(load(x + i, n - i)), sizes = (vf)((vu)values & 0x7FFFFFFFu);
    most = choose(sizes > most, sizes, most);
    poison += values * 0;  // NaN if something is not finite
  }
  const float found = largest(most), factor = found > 0 ? 127 / found : 0;
  for (size_t i = 0; i < n; i += LANES) {
    const vf scaled = halves_of(load(x + i, n - i)) * factor;
    const vi places = (vi)(scaled + splat(12582912.f)) - 0x4B400000;  // 1.5·2²³: the sum is the nearest integer
    const vsigned some = __builtin_convertvector(places, vsigned);
    memcpy(codes + i, &some, least(LANES, n - i));
  }
  return found + sum(poison);
}
