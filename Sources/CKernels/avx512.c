/// The kernels for AVX-512.
#include "classes.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq"))), \
                             apply_to = function)
#define CLASS retort_avx512
#define NAME "avx512"
#define NATIVE 16
#define HEIGHT 12
#define ROWS 8
#include "body.h"
#pragma clang attribute pop
#endif
