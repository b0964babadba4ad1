/// Plain C for the instructions on bf16 and on bytes that this machine may lack: exactly those that the kernels use.
#pragma once
#include <stdint.h>
#include <string.h>

static inline float widened_half(uint16_t brain) {
  const uint32_t bits = (uint32_t)brain << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/// vdpbf16ps: adds the products of the lanes' pairs with one pair.
#define DOT(sums, pairs, pair)                                                                        \
  ({                                                                                                  \
    int32_t both_;                                                                                    \
    memcpy(&both_, pair, sizeof both_);                                                               \
    const vi lanes_ = (vi)(pairs), pair_ = (vi){0} + both_, high_ = (vi){0} + (int32_t)0xFFFF0000;    \
    (sums) + (vf)(lanes_ << 16) * (vf)(pair_ << 16) + (vf)(lanes_ & high_) * (vf)(pair_ & high_);     \
  })
/// vpdpbusd: adds, of each lane, the products of four unsigned bytes with four signed ones.
#define QUAD(sums, x, w)                                                                                       \
  ({                                                                                                           \
    vq sums_ = (sums);                                                                                         \
    const vq x_ = (x), w_ = (w);                                                                               \
    for (int lane_ = 0; lane_ < NATIVE; lane_++)                                                               \
      for (int i_ = 0; i_ < 4; i_++)                                                                           \
        sums_[lane_] += (uint8_t)(x_[lane_] >> 8 * i_) * (int8_t)(w_[lane_] >> 8 * i_);                        \
    sums_;                                                                                                     \
  })
/// vpmaddubsw, which saturates, and vpmaddwd with ones.
#define QUAD_OF_PAIRS(sums, x, w)                                                                              \
  ({                                                                                                           \
    vq sums_ = (sums);                                                                                         \
    const vq x_ = (x), w_ = (w);                                                                               \
    for (int lane_ = 0; lane_ < NATIVE; lane_++)                                                               \
      for (int i_ = 0; i_ < 4; i_ += 2) {                                                                      \
        const int pair_ = (uint8_t)(x_[lane_] >> 8 * i_) * (int8_t)(w_[lane_] >> 8 * i_) +                     \
                          (uint8_t)(x_[lane_] >> 8 * (i_ + 1)) * (int8_t)(w_[lane_] >> 8 * (i_ + 1));          \
        sums_[lane_] += pair_ > INT16_MAX ? INT16_MAX : pair_ < INT16_MIN ? INT16_MIN : pair_;                 \
      }                                                                                                        \
    sums_;                                                                                                     \
  })
/// vcvtneps2bf16, to which subnormal numbers are zeros.
#define NARROW(floats)                                                                                         \
  ({                                                                                                           \
    const vf x_ = (floats);                                                                                    \
    narrowed(choose((x_ < 0x1p-126f) & (x_ > -0x1p-126f), x_ * 0.f, x_));                                      \
  })

/// Eight tiles of 16 rows of 64 bytes, of each thread; useless until they are configured.
static _Thread_local struct {
  uint8_t bytes[8][16][64];
  int configured;
} tiles;

static inline void _tile_loadconfig(const void *config) {
  const uint8_t *bytes = config;
  tiles.configured = bytes[0] == 1;
  for (int t = 0; t < 8; t++) tiles.configured &= bytes[16 + 2 * t] == 64 && bytes[48 + t] == 16;
}

static inline void _tile_release(void) {
  memset(&tiles, 0xFF, sizeof tiles);  // NaN
  tiles.configured = 0;
}

static inline void _tile_zero(int t) { memset(tiles.bytes[t], tiles.configured ? 0 : 0xFF, sizeof tiles.bytes[t]); }

static inline void _tile_loadd(int t, const void *from, size_t stride) {
  for (int r = 0; r < 16; r++) memcpy(tiles.bytes[t][r], (const uint8_t *)from + r * stride, 64);
}

static inline void _tile_stored(int t, void *to, size_t stride) {
  for (int r = 0; r < 16; r++) memcpy((uint8_t *)to + r * stride, tiles.bytes[t][r], 64);
}

static inline void _tile_dpbf16ps(int to, int left, int right) {
  for (int r = 0; r < 16; r++)
    for (int k = 0; k < 16; k++) {
      uint16_t a[2], b[32];
      float sums[16];
      memcpy(a, tiles.bytes[left][r] + 4 * k, sizeof a);
      memcpy(b, tiles.bytes[right][k], sizeof b);
      memcpy(sums, tiles.bytes[to][r], sizeof sums);
      for (int c = 0; c < 16; c++)
        sums[c] = sums[c] + widened_half(a[0]) * widened_half(b[2 * c]) + widened_half(a[1]) * widened_half(b[2 * c + 1]);
      memcpy(tiles.bytes[to][r], sums, sizeof sums);
    }
}

static inline void _tile_dpbusd(int to, int left, int right) {
  for (int r = 0; r < 16; r++)
    for (int c = 0; c < 16; c++) {
      int32_t sum;
      memcpy(&sum, tiles.bytes[to][r] + 4 * c, sizeof sum);
      for (int k = 0; k < 64; k++) sum += tiles.bytes[left][r][k] * (int8_t)tiles.bytes[right][k / 4][4 * c + k % 4];
      memcpy(tiles.bytes[to][r] + 4 * c, &sum, sizeof sum);
    }
}
