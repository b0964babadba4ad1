/// The tables that dispatch chooses from.
#ifndef RETORT_CLASSES_H
#define RETORT_CLASSES_H

#include <string.h>

#include "kernels.h"

extern const retort_kernels retort_reference;
extern const retort_kernels retort_portable;
#if defined(__x86_64__)
extern const retort_kernels retort_avx2;
extern const retort_kernels retort_avx2vnni;
extern const retort_kernels retort_avx512;
extern const retort_kernels retort_avx512vnni;
extern const retort_kernels retort_avx512bf16;
extern const retort_kernels retort_amx;
#endif

/// The best class that needs no library.
const retort_kernels *retort_kernels_ours(void);

/// OpenBLAS's fp32 products among the kernels of the best class of ours; NULL where there is no OpenBLAS, or one that
/// gives equal rows different bits.
const retort_kernels *retort_openblas(void);

#endif
