/// Inner loops of the optimizer. Plain C that the compiler vectorises; an element's bits depend on nothing else.
#include "optimizer.h"

#include <math.h>

void retort_adamw(size_t n, float *restrict weight, float *restrict first, float *restrict second,
                  const float *restrict gradient, struct retort_adamw_step step) {
  for (size_t i = 0; i < n; i++) {
    const float g = gradient[i] * step.gradient_scale;
    const float m = first[i] + (g - first[i]) * step.beta1_complement;
    const float v = second[i] * step.beta2 + g * g * step.beta2_complement;
    const float denominator = sqrtf(v) / step.second_bias_correction + step.epsilon;
    first[i] = m;
    second[i] = v;
    weight[i] = weight[i] * step.decay - step.rate * (m / denominator);
  }
}

double retort_sum_of_squares(size_t n, const float *values) {
  double lanes[8] = {0};
  size_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (size_t lane = 0; lane < 8; lane++) lanes[lane] += (double)values[i + lane] * values[i + lane];
  for (; i < n; i++) lanes[i % 8] += (double)values[i] * values[i];
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}
