/// Half precision, number by number: IEEE binary16, and bfloat16, the upper half of a float.
#pragma once
#include <stdint.h>
#include <string.h>

/// Checkpoint files promise no alignment.
static inline uint16_t half_at(const void *source, size_t i) {
  uint16_t half;
  memcpy(&half, (const char *)source + 2 * i, 2);
  return half;
}

static inline float float_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

static inline float float_of_brain(uint32_t brain) { return float_of_bits(brain << 16); }

static inline float float_of_half(uint32_t half) {
  uint32_t magnitude = half & 0x7fff;
  // Exponents shift from bias 15 to bias 127; infinities and NaN go on to the largest exponent.
  uint32_t normal = (magnitude << 13) + (112u << 23) + (magnitude >= 0x7c00 ? 112u << 23 : 0);
  // A subnormal half is an integer times 2^-24; made by conversion, it does not depend on flush-to-zero modes.
  float small = (float)(int32_t)magnitude * 0x1p-24f;
  uint32_t subnormal;
  memcpy(&subnormal, &small, 4);
  return float_of_bits((magnitude < 0x0400 ? subnormal : normal) | (half & 0x8000) << 16);
}
