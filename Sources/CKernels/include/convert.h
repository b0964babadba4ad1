// Widening of half-precision numbers to float; every half is exactly a float.
#ifndef RETORT_CONVERT_H
#define RETORT_CONVERT_H

#include <stddef.h>

// `source` may be unaligned: checkpoint files promise no alignment.
void convert_f16_to_f32(const void *source, float *destination, size_t count);
void convert_bf16_to_f32(const void *source, float *destination, size_t count);

#endif
