/// Classes of kernels whose instructions are emulated, and checks of products against the reference.
#ifndef TEST_KERNELS_H
#define TEST_KERNELS_H

#include "kernels.h"

extern const retort_kernels retort_emulated_avx512, retort_emulated_avx512bf16, retort_emulated_amx;

typedef struct {
  size_t rows, depth, columns, rank;  // rank 0: no low-rank product
  int bf16, accumulate, bias, derivative;
  retort_activation activation;
  uint64_t seed;
} product_case;

typedef struct {
  float error;         // largest, of outputs and derivatives
  size_t overwritten;  // floats beyond the outputs that changed
  size_t variant;      // rows whose bits differ when they are computed alone
} product_check;

/// Computes the case in random pieces, all buffers among NaN and infinities, and each row alone.
product_check check_linear(const retort_kernels *kernels, const retort_kernels *reference, product_case what);
/// Sums of outer products, `rows` by `columns`; `variant` counts those that differ when they are computed in pieces.
product_check check_outer(const retort_kernels *kernels, const retort_kernels *reference, product_case what);

#endif
