// Half precision to float: IEEE binary16, and bfloat16 (the upper half of a float).
#include "convert.h"

#include "halves.h"

void convert_f16_to_f32(const void *source, float *destination, size_t count) {
  for (size_t i = 0; i < count; ++i) destination[i] = float_of_half(half_at(source, i));
}

void convert_bf16_to_f32(const void *source, float *destination, size_t count) {
  for (size_t i = 0; i < count; ++i) destination[i] = float_of_brain(half_at(source, i));
}
