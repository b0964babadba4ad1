/// Chooses the instruction class once, by CPUID or by the environment variable RETORT_KERNELS.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "classes.h"

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>

/// Linux lets a process use AMX tiles once it has asked.
static int may_use_tiles(void) {
  static int answer = -1;
  const long request_permission = 0x1023, tile_data = 18;
  if (answer < 0) answer = syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
  return answer;
}
#else
static int may_use_tiles(void) { return 0; }
#endif

#if defined(__x86_64__)
static int has_avx2(void) {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

static int has_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && has_avx2();
}

static int has_avx512vnni(void) { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }

static int has_avx512bf16(void) { return has_avx512vnni() && __builtin_cpu_supports("avx512bf16"); }
#endif

const retort_kernels *retort_kernels_ours(void) {
  static const char *const names[] = {"amx", "avx512bf16", "avx512", "avx2", "portable"};
  for (size_t i = 0;; i++) {
    const retort_kernels *kernels = retort_kernels_named(names[i]);
    if (kernels) return kernels;
  }
}

const retort_kernels *retort_kernels_named(const char *name) {
  if (!strcmp(name, "reference")) return &retort_reference;
  if (!strcmp(name, "portable")) return &retort_portable;
  if (!strcmp(name, "openblas")) return retort_openblas();
#if defined(__x86_64__)
  if (!strcmp(name, "avx2") && has_avx2())
    return __builtin_cpu_supports("avxvnni") ? &retort_avx2vnni : &retort_avx2;
  if (!strcmp(name, "avx512") && has_avx512()) return has_avx512vnni() ? &retort_avx512vnni : &retort_avx512;
  if (!strcmp(name, "avx512bf16") && has_avx512bf16()) return &retort_avx512bf16;
  if (!strcmp(name, "amx") && has_avx512bf16() && __builtin_cpu_supports("amx-tile") &&
      __builtin_cpu_supports("amx-bf16") && __builtin_cpu_supports("amx-int8") && may_use_tiles())
    return &retort_amx;
#endif
  return NULL;
}

const retort_kernels *retort_kernels_active(void) {
  const char *forced = getenv("RETORT_KERNELS");
  if (forced) return retort_kernels_named(forced);
  const retort_kernels *ours = retort_kernels_ours();
  const retort_kernels *openblas = ours == &retort_portable ? retort_openblas() : NULL;
  return openblas ? openblas : ours;
}
