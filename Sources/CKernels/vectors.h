/// Vectors of 16 floats, and the functions that activations and softmax need. Included by `body.h` once a class.
/// A vector type wider than the machine's registers becomes several of them, so sums have one order in every class.
/// A class that loads and stores under masks sets MASKS.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "stored.h"

// Vectors are passed between inlined functions only, so their calling convention does not matter.
#pragma clang diagnostic ignored "-Wpsabi"

#define LANES 16

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));
typedef uint32_t vu __attribute__((vector_size(4 * LANES)));
typedef uint16_t vh __attribute__((vector_size(2 * LANES)));

INLINE size_t least(size_t a, size_t b) { return a < b ? a : b; }

INLINE vf splat(float x) { return (vf){0} + x; }

// Whole vectors have a way of their own: stores under masks are slow, calls of memcpy let registers spill.
#ifdef MASKS
#define FIRST(n) ((__mmask16)((1u << (n)) - 1))
#define LOAD_FIRST(v, p, n) (v) = (vf)_mm512_maskz_loadu_ps(FIRST(n), p)
#define STORE_FIRST(p, v, n) _mm512_mask_storeu_ps(p, FIRST(n), (__m512)(v))
#define LOAD_FIRST_HALVES(v, p, n) (v) = (vh)_mm256_maskz_loadu_epi16(FIRST(n), p)
#define STORE_FIRST_HALVES(p, v, n) _mm256_mask_storeu_epi16(p, FIRST(n), (__m256i)(v))
#else
#define LOAD_FIRST(v, p, n) memcpy(&(v), p, (n) * sizeof *(p))
#define STORE_FIRST(p, v, n) memcpy(p, &(v), (n) * sizeof *(p))
#define LOAD_FIRST_HALVES LOAD_FIRST
#define STORE_FIRST_HALVES STORE_FIRST
#endif

/// The first `n` elements at `p`, the other lanes 0; `n` may exceed the lanes.
INLINE vf load(const float *p, size_t n) {
  vf v = {0};
  if (n >= LANES)
    memcpy(&v, p, sizeof v);
  else
    LOAD_FIRST(v, p, n);
  return v;
}

INLINE void store(float *p, vf v, size_t n) {
  if (n >= LANES)
    memcpy(p, &v, sizeof v);
  else
    STORE_FIRST(p, v, n);
}

INLINE vh load_halves(const uint16_t *p, size_t n) {
  vh v = {0};
  if (n >= LANES)
    memcpy(&v, p, sizeof v);
  else
    LOAD_FIRST_HALVES(v, p, n);
  return v;
}

INLINE void store_halves(uint16_t *p, vh v, size_t n) {
  if (n >= LANES)
    memcpy(p, &v, sizeof v);
  else
    STORE_FIRST_HALVES(p, v, n);
}

INLINE vf choose(vi mask, vf yes, vf no) { return (vf)((mask & (vi)yes) | (~mask & (vi)no)); }

INLINE vu brain_bits(vf x) {
  const vu bits = (vu)x;
  return (vu)choose(x == x, (vf)(bits + 0x7FFF + (bits >> 16 & 1)), (vf)(bits | 0x400000)) & 0xFFFF0000u;
}

INLINE vh narrowed(vf x) { return __builtin_convertvector(brain_bits(x) >> 16, vh); }

/// Pairs of bf16, the first of each out of `low`.
INLINE vu rounded_pairs(vf low, vf high) { return brain_bits(low) >> 16 | brain_bits(high); }

INLINE vf widened(vh v) { return (vf)(__builtin_convertvector(v, vu) << 16); }

/// `n` elements from element `i` on.
INLINE vf load_rounded(retort_rounded x, size_t i, size_t n) {
  if (x.type == RETORT_F32) return load((const float *)x.values + i, n);
  return widened(load_halves((const uint16_t *)x.values + i, n));
}

INLINE void store_rounded(retort_rounded x, size_t i, vf v, size_t n) {
  if (x.type == RETORT_F32)
    store((float *)x.values + i, v, n);
  else
    store_halves((uint16_t *)x.values + i, narrowed(v), n);
}

/// Sum of the lanes, always in the same order: halves onto each other.
INLINE float sum(vf v) {
  float x[LANES];
  memcpy(x, &v, sizeof x);
  for (int half = LANES / 2; half; half /= 2)
    for (int i = 0; i < half; i++) x[i] += x[i + half];
  return x[0];
}

INLINE float largest(vf v) {
  float x[LANES];
  memcpy(x, &v, sizeof x);
  for (int half = LANES / 2; half; half /= 2)
    for (int i = 0; i < half; i++) x[i] = x[i] > x[i + half] ? x[i] : x[i + half];
  return x[0];
}

/// eˣ = 2ⁿ·eʳ, |r| ≤ ½ ln 2, eʳ = 1 + r + r²·P(r); P minimax of degree 4, relative error 3e-9 before rounding.
/// 0 below -87.3; at most e^88.
INLINE vf exponential(vf x) {
  const vf rounding = splat(12582912.f);  // 1.5·2²³: adding it leaves the nearest integer
  vf y = choose(x > splat(88.f), splat(88.f), x);
  y = choose(y < splat(-87.3f), splat(-87.3f), y);
  vf n = (y * 1.44269504f + rounding) - rounding;
  vf r = y - n * 0.693145752f;  // ln 2 in two parts, the first with few bits
  r = r - n * 1.42860682e-6f;
  vf p = splat(0.001381461275741458f) * r + 0.008368710055947304f;
  p = p * r + 0.04166838899254799f;
  p = p * r + 0.1666652113199234f;
  p = p * r + 0.4999999403953552f;
  vf e = (p * r) * r + r + 1.f;
  vi power = (__builtin_convertvector(n, vi) + 127) << 23;
  return choose(x < splat(-87.3f), splat(0), e * (vf)power);
}

/// 2ˣ = 2ⁿ·2ʳ for x ≤ 127, |r| ≤ ½; 2ʳ minimax of degree 6, relative error 2.2e-8 before rounding. 0 below -126.5.
INLINE vf power_of_two(vf x) {
  const vf rounding = splat(12582912.f + 127);  // 1.5·2²³ and the exponent's bias: the sum's low bits are 2ⁿ's exponent
  vf y = choose(x < splat(-127), splat(-127), x);
  vf n = y + rounding;
  vf r = y - (n - rounding);
  vf p = splat(0.00015594677824992687f) * r + 0.0013406643411144614f;
  p = p * r + 0.009617692790925503f;
  p = p * r + 0.055503103882074356f;
  p = p * r + 0.24022652208805084f;
  p = p * r + 0.6931472420692444f;
  return (p * r + 1.f) * (vf)((vi)n << 23);
}

/// Φ(-a) for a ≥ 0, given e = exp(-a²/2): e·t·Q(t), t = 1/(1 + 0.35a); Q minimax of degree 8 on a ≤ 14,
/// relative error 3.2e-8 before rounding, 2.3e-7 after.
INLINE vf normal_tail(vf a, vf e) {
  vf t = 1.f / (a * 0.35f + 1.f);
  vf q = splat(-0.02915154956281185f) * t + 0.14399954676628113f;
  q = q * t - 0.2557729184627533f;
  q = q * t + 0.15924261510372162f;
  q = q * t - 0.02315806970000267f;
  q = q * t + 0.10552895069122314f;
  q = q * t + 0.11982741206884384f;
  q = q * t + 0.13986264169216156f;
  q = q * t + 0.13962136209011078f;
  return (q * t) * e;
}

/// tanh: x + x³·P(x²) below 0.625, P minimax of degree 4; else (1 - e)/(1 + e), e = exp(-2|x|). Relative error 3e-7.
INLINE vf hyperbolic_tangent(vf x) {
  vf s = x * x;
  vf p = splat(-0.005704987328499556f) * s + 0.0206390880048275f;
  p = p * s - 0.05373971536755562f;
  p = p * s + 0.13331441581249237f;
  p = p * s - 0.3333328068256378f;
  vf small = (p * s) * x + x;
  vf magnitude = choose(x < 0.f, -x, x);
  vf e = exponential(magnitude * -2.f);
  vf large = (1.f - e) / (1.f + e);
  return choose(magnitude < 0.625f, small, choose(x < 0.f, -large, large));
}
