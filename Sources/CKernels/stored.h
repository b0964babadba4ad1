/// Numbers as they are stored: gathered where they lie, and decoded. Included by `vectors.h` once a class; one that has
/// instructions to convert halves sets HALVES.
#pragma once
#include "halves.h"
#include "kernels.h"

#if defined(__aarch64__) && !defined(HALVES)
#define HALVES
#endif
#define INLINE static inline __attribute__((always_inline))

/// Bytes that a number takes that is no code.
INLINE size_t type_bytes(retort_type type) { return type == RETORT_F32 ? 4 : 2; }

/// A number of codes.
INLINE float coded_number(const retort_coded *w, size_t i) {
  if (!w->levels) return (int8_t)w->codes[i] * (w->absmax[i / w->row] * (1 / 127.f));
  const uint8_t both = w->codes[i / 2];
  return w->levels[i % 2 ? both & 15 : both >> 4] * w->absmax[i >> w->block_bits];
}

/// Writes `n` numbers from `place` on as floats. Nothing else in a class knows what a type's bits mean.
static void decode(retort_type type, const void *numbers, size_t place, float *out, size_t n) {
  const char *from = type == RETORT_CODED ? NULL : (const char *)numbers + place * type_bytes(type);
  switch (type) {
    case RETORT_F32: memcpy(out, from, n * sizeof *out); break;
    case RETORT_BF16:
      for (size_t i = 0; i < n; i++) out[i] = float_of_brain(half_at(from, i));
      break;
    case RETORT_F16:
#ifdef HALVES
      for (size_t i = 0; i < n; i++) {
        _Float16 half;
        memcpy(&half, from + 2 * i, sizeof half);
        out[i] = half;
      }
#else
      for (size_t i = 0; i < n; i++) out[i] = float_of_half(half_at(from, i));
#endif
      break;
    case RETORT_CODED:
      for (size_t i = 0; i < n; i++) out[i] = coded_number(numbers, place + i);
      break;
  }
}

/// Puts `n` numbers that are `step` apart side by side, one load after another: instructions that gather are slower.
INLINE void gather_apart(size_t width, const char *from, size_t step, size_t n, char *out) {
  _Pragma("clang loop vectorize(disable)")  //
      for (size_t i = 0; i < n; i++) memcpy(out + i * width, from + i * step * width, width);
}

/// Puts `n` numbers from `place` on, `step` apart, side by side, and zeros up to `size`, which is constant where this is
/// inlined, so that whole lines are unrolled.
INLINE void gather(retort_type type, const void *numbers, size_t place, size_t step, size_t n, size_t size, void *out) {
  const size_t width = type_bytes(type);
  const char *from = (const char *)numbers + place * width;
  if (step == 1)
    memcpy(out, from, n * width);
  else if (width == 4)
    n == size ? gather_apart(4, from, step, size, out) : gather_apart(4, from, step, n, out);
  else
    n == size ? gather_apart(2, from, step, size, out) : gather_apart(2, from, step, n, out);
  memset((char *)out + n * width, 0, (size - n) * width);
}

/// Does the same and decodes them; `n` and `size` are at most RETORT_INT8_DEPTH.
INLINE void gather_floats(retort_type type, const void *numbers, size_t place, size_t step, size_t n, size_t size,
                          float *out) {
  if (type == RETORT_F32) return gather(type, numbers, place, step, n, size, out);
  if (type == RETORT_CODED) {
    for (size_t i = 0; i < size; i++) out[i] = i < n ? coded_number(numbers, place + i * step) : 0;
    return;
  }
  float stored[RETORT_INT8_DEPTH];
  gather(type, numbers, place, step, n, size, stored);
  decode(type, stored, 0, out, size);
}
