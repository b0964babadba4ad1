// Half precision to float: IEEE binary16, and bfloat16 (the upper half of a float).
#include "convert.h"

#include <stdint.h>
#include <string.h>

static inline uint16_t load(const void *source, size_t i) {
  uint16_t half;
  memcpy(&half, (const char *)source + 2 * i, 2);
  return half;
}

void convert_f16_to_f32(const void *source, float *destination, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    uint32_t half = load(source, i);
    uint32_t magnitude = half & 0x7fff;
    // Exponents shift from bias 15 to bias 127; infinities and NaN go on to the largest exponent.
    uint32_t normal = (magnitude << 13) + (112u << 23) + (magnitude >= 0x7c00 ? 112u << 23 : 0);
    // A subnormal half is an integer times 2^-24; made by conversion, it does not depend on flush-to-zero modes.
    float small = (float)(int32_t)magnitude * 0x1p-24f;
    uint32_t subnormal;
    memcpy(&subnormal, &small, 4);
    uint32_t bits = (magnitude < 0x0400 ? subnormal : normal) | (half & 0x8000) << 16;
    memcpy(&destination[i], &bits, 4);
  }
}

void convert_bf16_to_f32(const void *source, float *destination, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    uint32_t bits = (uint32_t)load(source, i) << 16;
    memcpy(&destination[i], &bits, 4);
  }
}
