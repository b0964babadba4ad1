/// The kernels for AVX-512 with its dot products of bf16 pairs and of bytes.
#include "classes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push( \
    __attribute__((target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,avx512vnni"))), apply_to = function)
#define CLASS retort_avx512bf16
#define NAME "avx512bf16"
#define FLOATS_NAME "avx512"
#define NATIVE 16
#define HALVES
#define MASKS
#define HEIGHT 12
#define DOT(sums, pairs, pair) \
  (vn) _mm512_dpbf16_ps((__m512)(sums), (__m512bh)(pairs), (__m512bh)_mm512_set1_epi32(*(const int *)(pair)))
#define NARROW(floats) (vh) _mm512_cvtneps_pbh((__m512)(floats))
#define QUAD(sums, x, w) (vq) _mm512_dpbusd_epi32((__m512i)(sums), (__m512i)(x), (__m512i)(w))
#define LOOKUP(levels, codes) (vn) _mm512_permutexvar_ps((__m512i)(codes), _mm512_loadu_ps(levels))
#include "body.h"
#pragma clang attribute pop
#endif
