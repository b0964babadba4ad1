/// Products of rows with packed matrices, [rows, depth]·[depth, columns].
/// Every element is summed over blocks of DEPTH, each block one chain in the order of k, the blocks added in order: an
/// element's bits depend neither on its place nor on how rows and columns are shared out. Included once a class.
#pragma once
#include "coded.h"
#include "elementwise.h"
#include "tiles.h"

#define DEPTH RETORT_DEPTH  // a strip of it stays in the first cache, a panel's rows of it in the second
#define BLOCK 512           // columns finished before the next: their part of a panel's output stays in the second

/// How left and right elements meet: as floats; rounded to bf16, as floats; as bf16 in pairs along the depth.
typedef enum { FLOATS, ROUNDED, PAIRS } meeting;

#ifdef DOT
#define BRAIN PAIRS
#else
#define BRAIN ROUNDED
#endif
#ifdef BRAIN_TILES
#define PAIRS_HEIGHT 32
#define PAIRS_STEP 16  // pairs that one instruction sums; depths are filled up with zeros to it
#define EACH_PAIRS_GROUP EACH_FULL_GROUP
#else
#define PAIRS_HEIGHT HEIGHT
#define PAIRS_STEP 1
#define EACH_PAIRS_GROUP EACH_GROUP
#endif

INLINE size_t round_up(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

/// Depth of a packed matrix, in elements.
INLINE size_t packed_depth(meeting how, size_t depth) {
  return how == PAIRS ? round_up(depth, 2 * PAIRS_STEP) : depth;
}

/// What strips hold: the matrix's own type in fp32, bf16 else.
INLINE retort_type strip_type(meeting how, retort_type type) { return how == FLOATS ? type : RETORT_BF16; }

INLINE size_t packed_bytes(meeting how, size_t depth, size_t columns, retort_type type) {
  if (type == RETORT_CODED) return 0;
  return packed_depth(how, depth) * round_up(columns, STRIP) * type_bytes(strip_type(how, type));
}

/// Of each strip that has columns `from` ≤ c < `to`: lines of its elements k, or of its pairs k and k + 1.
INLINE void pack_strips(meeting how, const retort_matrix *w, void *strips, size_t from, size_t to) {
  const size_t deep = packed_depth(how, w->depth), group = how == PAIRS ? 2 : 1;
  char *line = (char *)strips + from * deep * type_bytes(strip_type(how, w->type));
  for (size_t start = from; start < to; start += STRIP)
    for (size_t k = 0; k < deep; k += group, line += group * STRIP * type_bytes(strip_type(how, w->type)))
      for (size_t i = 0; i < group; i++) {
        const size_t place = (k + i) * w->depth_step + start * w->column_step;
        const size_t width = k + i < w->depth ? least(STRIP, w->columns - start) : 0;
        if (how == FLOATS) {
          gather(w->type, w->values, place, w->column_step, width, STRIP, line);
          continue;
        }
        float values[STRIP];
        gather_floats(w->type, w->values, place, w->column_step, width, STRIP, values);
        for (size_t c = 0; c < STRIP; c++) ((uint16_t *)line)[c * group + i] = brain(values[c]);
      }
}

#ifdef BRAIN_TILES
/// Pairs of rows lie in tiles of 16 rows by 16 pairs, one after the other along the depth.
INLINE size_t pairs_stride(size_t depth) { return packed_depth(PAIRS, depth) / 2; }
INLINE size_t pair_place(size_t row, size_t pair, size_t stride) {
  return row / 16 * 16 * stride + pair / 16 * 256 + row % 16 * 16 + pair % 16;
}
#else
/// Distance of rows of pairs, in pairs: a cache line more than they need, so that rows do not share sets of a cache.
INLINE size_t pairs_stride(size_t depth) { return packed_depth(PAIRS, depth) / 2 + 16; }
INLINE size_t pair_place(size_t row, size_t pair, size_t stride) { return row * stride + pair; }
#endif

/// Pairs of a panel's rows.
INLINE size_t panel_pairs(size_t depth) { return round_up(RETORT_PANEL, PAIRS_HEIGHT) * pairs_stride(depth); }

/// Rows as pairs, and a decoded strip of codes; or a decoded strip where strips are not floats, and rounded rows.
INLINE size_t scratch_bytes(meeting how, size_t depth, retort_type type) {
  if (how == PAIRS) return (panel_pairs(depth) + (type == RETORT_CODED ? STRIP * DEPTH / 2 : 0)) * sizeof(float);
  const size_t rows = how == ROUNDED ? RETORT_PANEL : 0;
  return strip_type(how, type) == RETORT_F32 ? 0 : (STRIP + rows) * DEPTH * sizeof(float);
}

/// Rows as pairs of bf16, the depth filled up with zeros.
INLINE void pair_rows(const float *x, size_t stride, size_t rows, size_t depth, float *out) {
  const size_t deep = packed_depth(PAIRS, depth), across = pairs_stride(depth);
  for (size_t r = 0; r < rows; r++)
    for (size_t k = 0; k < deep; k += LANES) {
      const vh v = NARROW(load(x + r * stride + k, k < depth ? depth - k : 0));
      memcpy(out + pair_place(r, k / 2, across), &v, sizeof v);
    }
}

/// Rows rounded to bf16 and widened again.
INLINE void round_rows(const float *x, size_t stride, size_t rows, size_t depth, float *out) {
  for (size_t r = 0; r < rows; r++)
    for (size_t k = 0; k < depth; k += LANES)
      store(out + r * DEPTH + k, (vf)brain_bits(load(x + r * stride + k, depth - k)), depth - k);
}

static void round_floats(float *x, size_t n) {
  for (size_t i = 0; i < n; i += LANES) store(x + i, (vf)brain_bits(load(x + i, n - i)), n - i);
}

static void narrow(const float *x, uint16_t *out, size_t n) {
  for (size_t i = 0; i < n; i += LANES) store_halves(out + i, narrowed(load(x + i, n - i)), n - i);
}

/// A strip's lines k ≤ i < k + depth as products read them, out of codes.
INLINE void decode_strip(meeting how, const retort_packed *w, size_t k, size_t depth, size_t from, size_t width,
                         float *out) {
  if (how != PAIRS) {
    decode_lines(w, k, depth, from, width, STRIP, out);
    if (how == ROUNDED) round_floats(out, depth * STRIP);
    return;
  }
  float lines[2 * LANES * STRIP];
  for (size_t i = 0; i < depth; i += 2 * LANES) {
    const size_t count = least(2 * LANES, depth - i);
    decode_lines(w, k + i, count, from, width, STRIP, lines);
    for (size_t line = 0; line < count; line += 2)
      for (size_t c = 0; c < STRIP; c += LANES, out += least(STRIP, LANES)) {
        const float *low = lines + line * STRIP + c;
        const vf pairs = (vf)rounded_pairs(load(low, STRIP - c), load(low + STRIP, STRIP - c));
        store(out, pairs, STRIP - c);
      }
  }
}

static void widen(const void *x, retort_type type, float *out, size_t n) { decode(type, x, 0, out, n); }

/// out (+)= scale·a·b for one strip b; `next`, the strip after it or NULL, is fetched meanwhile.
static void strip_floats(size_t rows, size_t depth, const float *a, size_t a_row, const float *b, const float *next,
                         float scale, float *out, size_t stride, size_t columns, int accumulate) {
  EACH_GROUP(rows, HEIGHT) {
    fetch_share(next, depth * STRIP, group, groups);
    tile_floats(count, depth, a + row * a_row, a_row, 1, b, scale, out + row * stride, stride, columns, accumulate);
  }
}

#ifdef DOT
#ifndef BRAIN_TILES
INLINE void tile_pairs(size_t height, size_t depth, const float *a, size_t a_row, const float *b, float scale,
                       float *out, size_t stride, size_t columns, int accumulate) {
  tile_dots(height, depth, a, a_row, 1, b, scale, out, stride, columns, accumulate);
}
#endif

/// The same of pairs, `depth` of them, from pair `k` of the rows on.
static void strip_pairs(size_t rows, size_t depth, const float *a, size_t a_row, size_t k, const float *b,
                        const float *next, float scale, float *out, size_t stride, size_t columns, int accumulate) {
  EACH_PAIRS_GROUP(rows, PAIRS_HEIGHT) {
    fetch_share(next, depth * STRIP, group, groups);
    tile_pairs(count, depth, a + pair_place(row, k, a_row), a_row, b, scale, out + row * stride, stride, columns,
               accumulate);
  }
}
#endif

/// Columns `from` ≤ c < `to`, at most BLOCK: out (+)= scale·x·w.
INLINE void multiply_block(meeting how, const retort_linear *job, size_t rows, size_t from, size_t to, float *scratch) {
  const size_t deep = packed_depth(how, job->w.depth);
  const retort_type type = strip_type(how, job->w.type);
  for (size_t k = 0; k < deep; k += DEPTH) {
    const size_t depth = least(DEPTH, deep - k);
    const int accumulate = k || job->accumulate;
    float *rounded = scratch + STRIP * DEPTH;
    if (how == ROUNDED) round_rows(job->x + k, job->stride, rows, depth, rounded);
    for (size_t c = from; c < to; c += STRIP) {
      const size_t place = c * deep + k * STRIP, width = least(STRIP, to - c);
      float *out = job->out + c;
      const float *b, *next = NULL;
      if (job->w.type == RETORT_CODED) {
        float *decoded = how == PAIRS ? scratch + panel_pairs(job->w.depth) : scratch;
        decode_strip(how, &job->w, k, depth, c, width, decoded);
        b = decoded;
      } else {
        const char *strip = (const char *)job->w.strips + place * type_bytes(type);
        b = (const float *)strip;
        if (c + STRIP < to) next = (const float *)(strip + STRIP * deep * type_bytes(type));
      }
      if (how == PAIRS) {
#ifdef DOT
        strip_pairs(rows, depth / 2, scratch, pairs_stride(job->w.depth), k / 2, b, next, job->scale, out,
                    job->out_stride, width, accumulate);
#endif
        continue;
      }
      if (job->w.type != RETORT_CODED && type != RETORT_F32) {
        decode(type, b, 0, scratch, depth * STRIP);
        b = scratch, next = NULL;
      }
      strip_floats(rows, depth, how == ROUNDED ? rounded : job->x + k, how == ROUNDED ? DEPTH : job->stride, b, next,
                   job->scale, out, job->out_stride, width, accumulate);
    }
  }
}

/// The product with low_w, which is added.
INLINE retort_linear low_product(const retort_linear *job) {
  return (retort_linear){.x = job->low, .stride = job->low_stride, .w = job->low_w, .scale = job->low_scale,
                         .out = job->out, .out_stride = job->out_stride, .accumulate = 1};
}

/// The bias and the activation of columns `from` ≤ c < `to`.
INLINE void finish_block(const retort_linear *job, size_t rows, size_t from, size_t to) {
  if (!job->bias && !job->derivative.values && job->activation == RETORT_IDENTITY) return;
  for (size_t r = 0; r < rows; r++) {
    const size_t place = r * job->out_stride + from;
    activate(job->activation, job->out + place, job->bias ? job->bias + from : NULL,
             retort_from(job->derivative, place), 1, to - from);
  }
}

INLINE void linear(meeting how, const retort_linear *job, size_t rows, size_t from, size_t to, float *scratch) {
  float *low_scratch = scratch + scratch_bytes(how, job->w.depth, job->w.type) / sizeof *scratch;
  const retort_linear low = low_product(job);
  if (how == PAIRS) pair_rows(job->x, job->stride, rows, job->w.depth, scratch);
  if (how == PAIRS && job->low) pair_rows(low.x, low.stride, rows, low.w.depth, low_scratch);
  for (size_t start = from; start < to; start += BLOCK) {
    const size_t end = least(start + BLOCK, to);
    multiply_block(how, job, rows, start, end, scratch);
    if (job->low) multiply_block(how, &low, rows, start, end, low_scratch);
    finish_block(job, rows, start, end);
  }
}

#define LAYOUT(name, how)                                                                                  \
  static size_t name##_bytes(size_t depth, size_t columns, retort_type type) {                             \
    return packed_bytes(how, depth, columns, type);                                                        \
  }                                                                                                        \
  static void name##_pack(const retort_matrix *w, void *strips, size_t from, size_t to) {                  \
    pack_strips(how, w, strips, from, to);                                                                 \
  }                                                                                                        \
  static size_t name##_scratch(size_t depth, retort_type type) { return scratch_bytes(how, depth, type); }
LAYOUT(float, FLOATS)
LAYOUT(brain, BRAIN)

static void float_linear(const retort_linear *job, size_t rows, size_t from, size_t to, void *scratch) {
  linear(FLOATS, job, rows, from, to, scratch);
}

static void brain_linear(const retort_linear *job, size_t rows, size_t from, size_t to, void *scratch) {
#ifdef BRAIN_TILES
  configure_tiles();
  linear(PAIRS, job, rows, from, to, scratch);
  _tile_release();
#else
  linear(BRAIN, job, rows, from, to, scratch);
#endif
}

static double float_spin(size_t rounds) {
  vn sums[HEIGHT][2] = {{{0}}}, factor = (vn){0} + 0.5f;
  for (size_t i = 0; i < rounds; i++)
    for (size_t r = 0; r < HEIGHT; r++) {
      sums[r][0] = sums[r][0] * factor + factor;
      sums[r][1] = sums[r][1] * factor + factor;
    }
  vn total = {0};
  for (size_t r = 0; r < HEIGHT; r++) total += sums[r][0] + sums[r][1];
  return 2.0 * HEIGHT * STRIP * (double)rounds + (total[0] < 0);
}

static double brain_spin(size_t rounds) {
#if defined(BRAIN_TILES)
  configure_tiles();
  for (size_t i = 0; i < rounds; i++) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return 2.0 * 4 * 16 * 16 * 32 * (double)rounds;
#elif defined(DOT)
  vn sums[HEIGHT][2] = {{{0}}}, left = {0};
  const float pair = 0;
  for (size_t i = 0; i < rounds; i++)
    for (size_t r = 0; r < HEIGHT; r++) {
      sums[r][0] = DOT(sums[r][0], left, &pair);
      sums[r][1] = DOT(sums[r][1], left, &pair);
    }
  vn total = {0};
  for (size_t r = 0; r < HEIGHT; r++) total += sums[r][0] + sums[r][1];
  return 4.0 * HEIGHT * STRIP * (double)rounds + (total[0] < 0);
#else
  return float_spin(rounds);
#endif
}
