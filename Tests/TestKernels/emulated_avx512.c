/// The kernels of AVX-512 without its instructions: the compiler splits the vectors.
#include "emulation.h"
#undef DOT
#undef NARROW
#undef QUAD
#define QUAD QUAD_OF_PAIRS
#define CLASS retort_emulated_avx512
#define NAME "avx512, emulated"
#define NATIVE 16
#define HEIGHT 12
#include "body.h"
