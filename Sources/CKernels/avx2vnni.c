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
#include "body.h"
#pragma clang attribute pop
#endif
