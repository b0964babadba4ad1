/// The kernels for AVX2 with FMA.
#include "classes.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define CLASS retort_avx2
#define NAME "avx2"
#define NATIVE 8
#define HEIGHT 6
#define ROWS 4
#include "body.h"
#pragma clang attribute pop
#endif
