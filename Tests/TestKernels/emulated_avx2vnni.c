/// The kernels of AVX2 with VNNI without its instructions.
#include "emulation.h"
#undef DOT
#undef NARROW
#define CLASS retort_emulated_avx2vnni
#define NAME "avx2 with VNNI, emulated"
#define NATIVE 8
#define HEIGHT 6
#include "body.h"
