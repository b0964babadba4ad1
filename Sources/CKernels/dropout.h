/// Dropout whose masks are computed, not kept: Philox4x32-10 (Salmon et al. 2011), 16 counters at once.
/// Included by `body.h` once a class.
#pragma once
#include "vectors.h"

#define GROUP (8 * LANES)  // elements for which 16 counters give a 16-bit lane each

typedef uint64_t vw __attribute__((vector_size(8 * LANES)));

/// The eight 16-bit lanes of the counters of group `group`: element e of the group has lane e / 16 of counter e % 16.
INLINE void random_lanes(uint64_t key, uint64_t sequence, uint32_t site, uint32_t position, uint32_t groups,
                         uint32_t group, vu lanes[8]) {
  vu block = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  vu a = (vu){0} + (uint32_t)sequence, b = (vu){0} + (uint32_t)(sequence >> 32), c = (vu){0} + site;
  vu d = block + (position * groups + group) * LANES;
  uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    vw left = __builtin_convertvector(a, vw) * 0xD2511F53u, right = __builtin_convertvector(c, vw) * 0xCD9E8D57u;
    a = __builtin_convertvector(right >> 32, vu) ^ b ^ k0;
    c = __builtin_convertvector(left >> 32, vu) ^ d ^ k1;
    b = __builtin_convertvector(right, vu);
    d = __builtin_convertvector(left, vu);
  }
  const vu words[4] = {a, b, c, d};
  for (int i = 0; i < 4; i++) {
    lanes[2 * i] = words[i] & 0xFFFF;
    lanes[2 * i + 1] = words[i] >> 16;
  }
}

/// out (+)= mask·scale·x for elements `from` ≤ e < `from` + n of a row `width` wide; `from` starts a group.
INLINE void drop(const retort_dropout *dropout, uint64_t sequence, uint32_t site, uint32_t position, size_t width,
                 size_t from, const float *x, float *out, int accumulate, size_t n) {
  uint32_t groups = (uint32_t)((width + GROUP - 1) / GROUP);
  for (size_t i = 0; i < n; i += GROUP) {
    vu lanes[8];
    random_lanes(dropout->key, sequence, site, position, groups, (uint32_t)((from + i) / GROUP), lanes);
    for (size_t j = 0; j < 8 && i + j * LANES < n; j++) {
      size_t e = i + j * LANES;
      vf v = choose((vi)(lanes[j] >= dropout->threshold), load(x + e, n - e) * dropout->scale, splat(0));
      store(out + e, accumulate ? load(out + e, n - e) + v : v, n - e);
    }
  }
}

static void dropout_rows(const retort_dropout *dropout, const retort_row *rows, const float *x, float *out,
                         int accumulate, size_t count, size_t columns) {
  for (size_t r = 0; r < count; r++)
    drop(dropout, rows[r].sequence, dropout->site, rows[r].position, columns, 0, x + r * columns, out + r * columns,
         accumulate, columns);
}
