/// The checks of Tests/TestKernels over every class of this machine and every emulated one, to be run under sanitizers.
#include <stdio.h>

#include "test_kernels.h"

static int failures = 0, checks = 0;

static void expect(product_check check, float tolerance, const char *kind, const char *name, uint64_t seed) {
  checks++;
  if (check.error < tolerance && !check.overwritten && !check.variant) return;
  fprintf(stderr, "%s of %s, seed %d: error %g, %zu overwritten, %zu variant\n", kind, name, (int)seed, check.error,
          check.overwritten, check.variant);
  failures++;
}

static size_t size(uint64_t *state, size_t most) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return 1 + (size_t)(*state >> 33) % most;
}

static void check_class(const retort_kernels *kernels, const retort_kernels *reference, const char *name) {
  uint64_t state = 7;
  for (uint64_t seed = 0; seed < 24; seed++) {
    product_case p = {.rows = size(&state, 70), .depth = size(&state, 200), .columns = size(&state, 90),
                      .rank = seed % 3 ? 0 : size(&state, 20), .accumulate = seed % 2, .bias = seed % 5 != 0,
                      .derivative = seed % 4 != 0, .activation = (retort_activation[]){RETORT_IDENTITY, RETORT_GELU,
                      RETORT_TANH, RETORT_GELU_TANH, RETORT_SILU}[seed % 5], .seed = seed};
    for (p.precision = PRODUCTS_FP32; p.precision <= PRODUCTS_INT8; p.precision++) {
      expect(check_linear(kernels, reference, p), 1e-3f, "product", name, seed);
      product_case stored = p;
      stored.rank = 0, stored.derivative = 0;
      const size_t unequal = check_stored(kernels, stored, seed % 2 ? RETORT_BF16 : RETORT_F16);
      expect((product_check){.variant = unequal}, 1e-3f, "product with stored halves", name, seed);
      if (seed % 2) stored.depth = (stored.depth + 15) / 16 * 16;
      const size_t other = check_coded(kernels, reference, stored, seed % 3 == 0);
      expect((product_check){.variant = other}, 1e-3f, "product with codes", name, seed);
    }
    expect(check_outer(kernels, reference, p), seed / 2 % 2 ? 0.02f : 1e-3f, "outer product", name, seed);
    for (int variant = 0; variant < 4; variant++) {
      const size_t length = size(&state, 150), width = seed % 3 == 0 ? 32 : seed % 3 == 1 ? 64 : size(&state, 70);
      const size_t reach = seed % 4 == 1 ? size(&state, length) : length;  // of a window, or all
      attention_case a = {.queries = seed % 2 ? length : size(&state, length), .length = length, .width = width,
                                .heads = 1 + seed % 3, .before = reach, .after = variant & 1 ? 0 : reach, .threshold = variant & 2 ? 19661 : 0,
                                .scale = 0.2f, .seed = seed};
      if (seed % 2 == 0 && variant & 1) a.past = a.length - a.queries;
      expect(check_attention(kernels, reference, a), 1e-3f, "attention", name, seed);
      a.brains = 1;
      expect(check_attention(kernels, reference, a), 0.06f, "attention of bf16", name, seed);
    }
  }
}

int main(void) {
  const retort_kernels *reference = retort_kernels_named("reference");
  const char *names[] = {"portable", "openblas", "avx2", "avx512", "avx512bf16", "amx"};
  for (int i = 0; i < 6; i++) {
    const retort_kernels *kernels = retort_kernels_named(names[i]);
    if (kernels) check_class(kernels, reference, names[i]);
  }
  check_class(&retort_emulated_avx2vnni, reference, "avx2 with VNNI, emulated");
  check_class(&retort_emulated_avx512, reference, "avx512, emulated");
  check_class(&retort_emulated_avx512bf16, reference, "avx512bf16, emulated");
  check_class(&retort_emulated_amx, reference, "amx, emulated");
  printf("kernels under sanitizers: %d checks, %d failures\n", checks, failures);
  return failures != 0;
}
