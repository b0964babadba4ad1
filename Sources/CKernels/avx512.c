/// The kernels for AVX-512.
#include "classes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq"))), \
                             apply_to = function)
#define CLASS retort_avx512
#define NAME "avx512"
#define NATIVE 16
#define HALVES
#define MASKS
#define HEIGHT 12
#define QUAD(sums, x, w)                                                                          \
  ((sums) + (vq)_mm512_madd_epi16(_mm512_maddubs_epi16((__m512i)(x), (__m512i)(w)), _mm512_set1_epi16(1)))
#define LOOKUP(levels, codes) (vn) _mm512_permutexvar_ps((__m512i)(codes), _mm512_loadu_ps(levels))
#include "body.h"
#pragma clang attribute pop
#endif
