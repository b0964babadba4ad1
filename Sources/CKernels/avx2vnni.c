/// The kernels for AVX2 with VNNI: those for AVX2, bit for bit, int8 faster.
#include "classes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)
#define CLASS retort_avx2vnni
#define NAME "avx2"
#define NATIVE 8
#define HALVES
#define HEIGHT 6
#define REGISTER "x"
#define QUAD(sums, x, w) (vq) _mm256_dpbusd_avx_epi32((__m256i)(sums), (__m256i)(x), (__m256i)(w))
#define LOOKUP(levels, codes)                                                                                      \
  (vn) _mm256_blendv_ps(_mm256_permutevar8x32_ps(_mm256_loadu_ps(levels), (__m256i)(codes)),                       \
                        _mm256_permutevar8x32_ps(_mm256_loadu_ps((levels) + 8), (__m256i)(codes)),                 \
                        _mm256_castsi256_ps(_mm256_slli_epi32((__m256i)(codes), 28)))
#include "body.h"
#pragma clang attribute pop
#endif
