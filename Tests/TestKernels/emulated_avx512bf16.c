/// The kernels of AVX512-BF16 without its instructions.
#include "emulation.h"
#define CLASS retort_emulated_avx512bf16
#define NAME "avx512bf16, emulated"
#define NATIVE 16
#define HEIGHT 12
#include "body.h"
