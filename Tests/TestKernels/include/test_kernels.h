/// Classes of kernels whose instructions are emulated, and checks of products and attention against the reference.
#ifndef TEST_KERNELS_H
#define TEST_KERNELS_H

#include "kernels.h"

extern const retort_kernels retort_emulated_avx2vnni, retort_emulated_avx512, retort_emulated_avx512bf16,
    retort_emulated_amx;

typedef enum { PRODUCTS_FP32, PRODUCTS_BF16, PRODUCTS_INT8 } product_precision;

typedef struct {
  size_t rows, depth, columns, rank;  // rank 0: no low-rank product
  product_precision precision;
  int accumulate, bias, derivative;
  retort_activation activation;
  uint64_t seed;
} product_case;

typedef struct {
  size_t queries, length, width, heads;  // heads of queries that share keys and values
  size_t before, after;  // the length or more: all
  uint32_t threshold;  // of dropout, 0: none
  float scale;
  uint64_t seed;
  int bias, brains;  // brains: q, k and v are bf16 numbers
  size_t past;       // the first query's place
} attention_case;

typedef struct {
  float error;         // largest, of outputs and derivatives
  size_t overwritten;  // floats beyond the outputs that changed
  size_t variant;      // rows whose bits differ when they are computed otherwise
  size_t unequal;      // elements of outputs whose bits are not the reference's
} product_check;

/// Computes the case in random pieces, all buffers among NaN and infinities, and each row alone.
product_check check_linear(const retort_kernels *kernels, const retort_kernels *reference, product_case what);
/// Elements of products with halves where they lie, unaligned, whose bits are not those of the matrix widened to floats;
/// numbers that are not finite and subnormal ones are among them. Rank and derivative are not looked at.
size_t check_stored(const retort_kernels *kernels, product_case what, retort_type type);
/// The same of products with a matrix in codes of 4 bits, or of `eight`, decoded while they multiply, forwards and
/// backwards; numbers that do not decode as the reference has it count, too.
size_t check_coded(const retort_kernels *kernels, const retort_kernels *reference, product_case what, int eight);
/// Whether codes or largest magnitudes of `n` numbers differ from the reference's.
size_t check_codes(const retort_kernels *kernels, const retort_kernels *reference, size_t n, unsigned block_bits,
                   const float *levels, uint64_t seed);
/// Whether the codes of 8 bits of a row of `n` numbers of that scale, or its largest magnitude, differ from the reference's.
size_t check_row_codes(const retort_kernels *kernels, const retort_kernels *reference, size_t n, float scale,
                       uint64_t seed);
/// Elements that are finite where an int8 product takes a NaN or an infinity of row or column in, or differ from what
/// they are without, where it does not; `bad` is put into one row at a time, then into one column at a time.
size_t check_int8_poison(const retort_kernels *kernels, size_t rows, size_t depth, size_t columns, float bad);
/// Sums of outer products, `rows` by `columns`; `variant` counts those that differ when they are computed in pieces.
product_check check_outer(const retort_kernels *kernels, const retort_kernels *reference, product_case what);
/// Attention and its gradients; `variant` counts outputs that differ when a causal sequence ends early, or when the
/// queries of another stand in reverse order.
product_check check_attention(const retort_kernels *kernels, const retort_kernels *reference, attention_case what);

#endif
