/// Chooses the instruction class once, by CPUID or by the environment variable RETORT_KERNELS.
#include <stdlib.h>
#include <string.h>

#include "classes.h"

const retort_kernels *retort_kernels_named(const char *name) {
  if (!strcmp(name, "reference")) return &retort_reference;
  if (!strcmp(name, "portable")) return &retort_portable;
#if defined(__x86_64__)
  if (!strcmp(name, "avx2") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &retort_avx2;
  if (!strcmp(name, "avx512") && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("fma"))
    return &retort_avx512;
#endif
  return NULL;
}

const retort_kernels *retort_kernels_active(void) {
  const char *forced = getenv("RETORT_KERNELS");
  if (forced) return retort_kernels_named(forced);
  static const char *const best[] = {"avx512", "avx2", "portable"};
  for (size_t i = 0;; i++) {
    const retort_kernels *kernels = retort_kernels_named(best[i]);
    if (kernels) return kernels;
  }
}
