/// Inner loops of the optimizer: each element on its own, or a sum over one block in a fixed order.
#ifndef RETORT_OPTIMIZER_H
#define RETORT_OPTIMIZER_H

#include <stddef.h>

/// One step's constants, computed once in double.
struct retort_adamw_step {
  float gradient_scale;   // clipping and accumulation
  float decay;            // 1 - rate * weight decay
  float beta1_complement; // 1 - beta1
  float beta2;
  float beta2_complement;       // 1 - beta2
  float rate;                   // rate / (1 - beta1^t)
  float second_bias_correction; // sqrt(1 - beta2^t)
  float epsilon;
};

/// AdamW (Loshchilov and Hutter, 2019), epsilon outside the root as torch has it.
/// weight, first and second moment and gradient: [n]; none overlap.
void retort_adamw(size_t n, float *restrict weight, float *restrict first, float *restrict second,
                  const float *restrict gradient, struct retort_adamw_step step);

/// Sum of squares in double, over eight lanes that are added at the end.
double retort_sum_of_squares(size_t n, const float *values);

#endif
