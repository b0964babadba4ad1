/// The kernels for AVX-512 with VNNI: those for AVX-512, bit for bit, int8 faster.
#include "classes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq,avx512vnni"))), \
                             apply_to = function)
#define CLASS retort_avx512vnni
#define NAME "avx512"
#define NATIVE 16
#define HALVES
#define MASKS
#define HEIGHT 12
#define QUAD(sums, x, w) (vq) _mm512_dpbusd_epi32((__m512i)(sums), (__m512i)(x), (__m512i)(w))
#define LOOKUP(levels, codes) (vn) _mm512_permutexvar_ps((__m512i)(codes), _mm512_loadu_ps(levels))
#include "body.h"
#pragma clang attribute pop
#endif
