/// The kernels for AVX2 with FMA.
#include "classes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define CLASS retort_avx2
#define NAME "avx2"
#define NATIVE 8
#define HALVES
#define HEIGHT 6
#define REGISTER "x"
#define HEIGHT8 4
#define QUAD(sums, x, w)                                                                          \
  ((sums) + (vq)_mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)(x), (__m256i)(w)), _mm256_set1_epi16(1)))
#include "body.h"
#pragma clang attribute pop
#endif
