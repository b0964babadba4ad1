/// Dropout: masks from Philox4x32-10 (Salmon et al. 2011), 16 counters at once, and their use.
/// Included by `body.h` once a class.
#pragma once
#include "vectors.h"

#define GROUP (8 * LANES)  // elements for which 16 counters give a 16-bit lane each

/// Words of 32 bits in lanes of 64, whose upper halves hold anything: multiplication reads the lower ones alone.
typedef uint64_t vw __attribute__((vector_size(8 * NATIVE)));
typedef uint32_t vw_low __attribute__((vector_size(4 * NATIVE)));
typedef uint8_t vb __attribute__((vector_size(LANES)));

INLINE vw word_product(vw a, uint32_t b) { return (a & 0xFFFFFFFFu) * b; }

/// Philox's words for `LANES` counters from `first`.
INLINE void random_words(const retort_dropout *dropout, uint64_t sequence, uint32_t first, uint32_t words[4][LANES]) {
  const size_t step = NATIVE;
  for (size_t start = 0; start < LANES; start += step) {
    vw a = (vw){0} + (uint32_t)sequence, b = (vw){0} + (sequence >> 32), c = (vw){0} + dropout->site, d = {0};
    for (size_t i = 0; i < step; i++) d[i] = first + start + i;
    vw k0 = (vw){0} + (uint32_t)dropout->key, k1 = (vw){0} + (dropout->key >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
      const vw left = word_product(a, 0xD2511F53u), right = word_product(c, 0xCD9E8D57u);
      a = right >> 32 ^ b ^ k0;
      c = left >> 32 ^ d ^ k1;
      b = right;
      d = left;
    }
    const vw state[4] = {a, b, c, d};
    for (int i = 0; i < 4; i++) {
      const vw_low low = __builtin_convertvector(state[i], vw_low);
      memcpy(words[i] + start, &low, sizeof low);
    }
  }
}

/// Of each element of a group whether it stays: element e is bit e / 16 of lane e % 16.
INLINE vu kept_bits(const retort_dropout *dropout, uint64_t sequence, uint32_t position, size_t width, size_t group) {
  uint32_t words[4][LANES];
  const size_t groups = (width + GROUP - 1) / GROUP;
  random_words(dropout, sequence, (uint32_t)((position * groups + group) * LANES), words);
  vu bits = {0};
  for (int i = 0; i < 4; i++) {
    vu w;
    memcpy(&w, words[i], sizeof w);
    bits |= (vu)((w & 0xFFFF) >= dropout->threshold) & 1u << 2 * i;
    bits |= (vu)(w >> 16 >= dropout->threshold) & 2u << 2 * i;
  }
  return bits;
}

/// scale·x where bit `j` is set, 0 elsewhere.
INLINE vf keep(vu bits, size_t j, float scale, vf x) { return (vf)((vu)(x * scale) & (vu)((bits & 1u << j) != 0)); }

/// The bits of the group that element `e` of a row is in; it is a multiple of the lanes.
INLINE vu mask_bits(const uint8_t *kept, size_t e) {
  vb bytes;
  memcpy(&bytes, kept + e / GROUP * LANES, sizeof bytes);
  return __builtin_convertvector(bytes, vu);
}

static void dropout_mask(const retort_dropout *dropout, const retort_row *rows, uint8_t *kept, size_t count,
                         size_t columns) {
  const size_t groups = (columns + GROUP - 1) / GROUP;
  for (size_t r = 0; r < count; r++)
    for (size_t group = 0; group < groups; group++, kept += LANES) {
      const vu bits = kept_bits(dropout, rows[r].sequence, rows[r].position, columns, group);
      const vb bytes = __builtin_convertvector(bits, vb);
      memcpy(kept, &bytes, sizeof bytes);
    }
}

static void dropout_rows(const uint8_t *kept, float scale, const float *x, float *out, int accumulate, size_t count,
                         size_t columns) {
  for (size_t r = 0; r < count; r++, x += columns, out += columns)
    for (size_t c = 0; c < columns; c += GROUP, kept += LANES) {
      const vu bits = mask_bits(kept, 0);
      for (size_t j = 0, e = c; j < 8 && e < columns; j++, e += LANES) {
        const vf v = keep(bits, j, scale, load(x + e, columns - e));
        store(out + e, accumulate ? load(out + e, columns - e) + v : v, columns - e);
      }
    }
}
