/// The kernels for AVX-512 with AMX tiles of bf16 and of bytes.
#include "classes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push(                                                                                       \
    __attribute__((target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,amx-tile,amx-bf16,amx-int8"))), \
    apply_to = function)
#define CLASS retort_amx
#define NAME "amx"
#define FLOATS_NAME "avx512"
#define INT8_NAME "avx512bf16"
#define NATIVE 16
#define HALVES
#define MASKS
#define HEIGHT 12
#define DOT(sums, pairs, pair) \
  (vn) _mm512_dpbf16_ps((__m512)(sums), (__m512bh)(pairs), (__m512bh)_mm512_set1_epi32(*(const int *)(pair)))
#define BRAIN_TILES
#define BYTE_TILES
#define NARROW(floats) (vh) _mm512_cvtneps_pbh((__m512)(floats))
#define LOOKUP(levels, codes) (vn) _mm512_permutexvar_ps((__m512i)(codes), _mm512_loadu_ps(levels))
#include "body.h"
#pragma clang attribute pop
#endif
