/// Counter-based random numbers, one at a time: Philox4x32-10 (Salmon et al. 2011).
#include "kernels.h"

void retort_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t a = counter[0], b = counter[1], c = counter[2], d = counter[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    const uint64_t left = (uint64_t)a * 0xD2511F53u, right = (uint64_t)c * 0xCD9E8D57u;
    a = (uint32_t)(right >> 32) ^ b ^ k0;
    c = (uint32_t)(left >> 32) ^ d ^ k1;
    b = (uint32_t)right;
    d = (uint32_t)left;
  }
  out[0] = a, out[1] = b, out[2] = c, out[3] = d;
}

/// Word `i` of a stream lies in counter (i / 4, i / 4 >> 32, stream, stream >> 32).
static void words(uint64_t seed, uint64_t stream, size_t block, uint32_t out[4]) {
  const uint32_t counter[4] = {(uint32_t)block, (uint32_t)((uint64_t)block >> 32), (uint32_t)stream,
                               (uint32_t)(stream >> 32)};
  const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  retort_philox(counter, key, out);
}

void retort_uniform(uint64_t seed, uint64_t stream, float low, float high, float *out, size_t n) {
  uint32_t w[4];
  for (size_t i = 0; i < n; i++) {
    if (i % 4 == 0) words(seed, stream, i / 4, w);
    out[i] = low + (high - low) * ((float)(w[i % 4] >> 8) * 0x1p-24f);
  }
}
