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

static inline uint32_t bits_of_float(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  return bits;
}

/// The nearest number that bfloat16 has, of two the even one; NaN stays NaN.
static inline float rounded_to_brain(float x) {
  const uint32_t bits = bits_of_float(x);
  return float_of_bits((x == x ? bits + 0x7FFF + (bits >> 16 & 1) : bits | 0x400000) & 0xFFFF0000u);
}

/// The same of binary16, whose infinity begins at 65520.
static inline float rounded_to_half(float x) {
  const uint32_t bits = bits_of_float(x), sign = bits & 0x80000000u, magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return x;
  // Numbers of [½, 1) are 2^-24 apart, as subnormal halves are.
  if (magnitude < 0x38800000u) return float_of_bits(bits_of_float((float_of_bits(magnitude) + 0.5f) - 0.5f) | sign);
  const uint32_t rounded = (magnitude + 0xFFF + (magnitude >> 13 & 1)) & ~0x1FFFu;
  return float_of_bits((rounded < 0x47800000u ? rounded : 0x7F800000u) | sign);
}

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
