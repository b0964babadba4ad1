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
#define LOOKUP(levels, codes)                                                                                      \
  (vn) _mm256_blendv_ps(_mm256_permutevar8x32_ps(_mm256_loadu_ps(levels), (__m256i)(codes)),                       \
                        _mm256_permutevar8x32_ps(_mm256_loadu_ps((levels) + 8), (__m256i)(codes)),                 \
                        _mm256_castsi256_ps(_mm256_slli_epi32((__m256i)(codes), 28)))
#include "body.h"
#pragma clang attribute pop
#endif
