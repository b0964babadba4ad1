/// Checks of products against the reference, in C because debug builds of Swift are slow.
#include "canvas.h"
#include "halves.h"
#include "test_kernels.h"

static size_t draw(uint64_t *state, size_t below) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (size_t)(*state >> 33) % below;
}

/// Packs in two parts. The memory ends where the packed matrix does, and is not aligned.
static retort_packed packed(const retort_multiplier *m, retort_matrix w, void **memory) {
  const size_t bytes = m->packed_bytes(w.depth, w.columns, w.type), middle = w.columns / 2 / m->strip * m->strip;
  if (!bytes) return (retort_packed){w.values, w.type, w.depth, w.columns, w.depth_step, w.column_step};
  *memory = malloc(bytes + 4);
  void *strips = (char *)*memory + 4;
  memset(strips, 0xFF, bytes);
  m->pack(&w, strips, 0, middle);
  m->pack(&w, strips, middle, w.columns);
  return (retort_packed){strips, w.type, w.depth, w.columns, 0, 0};
}

/// The transpose of rows.
static retort_matrix transposed(canvas w) {
  return (retort_matrix){w.values, RETORT_F32, w.columns, w.rows, 1, w.stride};
}

static const retort_multiplier *multiplier(const retort_kernels *kernels, product_precision precision) {
  switch (precision) {
    case PRODUCTS_FP32: return &kernels->fp32;
    case PRODUCTS_BF16: return &kernels->bf16;
    case PRODUCTS_INT8: return &kernels->int8;
  }
}

static canvas compute(const retort_kernels *kernels, product_case p, canvas x, retort_matrix w, canvas low,
                      canvas low_w, const float *bias, canvas out, canvas derivative, int alone) {
  const retort_multiplier *m = multiplier(kernels, p.precision);
  const retort_multiplier *of_low = multiplier(kernels, p.precision == PRODUCTS_INT8 ? PRODUCTS_FP32 : p.precision);
  void *memory[2] = {NULL, NULL};
  retort_linear job = {.x = x.values, .stride = x.stride, .w = packed(m, w, memory), .scale = 0.75f,
                       .out = out.values, .out_stride = out.stride, .accumulate = p.accumulate,
                       .bias = p.bias ? bias : NULL, .activation = p.activation,
                       .derivative = {p.derivative ? derivative.values : NULL, RETORT_F32}};
  if (p.rank) {
    job.low = low.values, job.low_stride = low.stride, job.low_scale = 0.5f;
    job.low_w = packed(of_low, transposed(low_w), memory + 1);
  }
  const size_t low_scratch = p.rank ? of_low->scratch_bytes(p.rank, RETORT_F32) : 0;
  const size_t scratch_bytes = m->scratch_bytes(p.depth, w.type) + low_scratch;
  char *scratch = malloc(scratch_bytes + 64);
  memset(scratch, 0xFF, scratch_bytes + 64);
  uint64_t state = p.seed;
  for (size_t row = 0, rows; row < p.rows; row += rows) {
    rows = alone ? 1 : 1 + draw(&state, RETORT_PANEL);
    if (rows > p.rows - row) rows = p.rows - row;
    for (size_t from = 0, to; from < p.columns; from = to) {
      to = from + (alone ? p.columns : (1 + draw(&state, p.columns / m->strip + 1)) * m->strip);
      if (to > p.columns) to = p.columns;
      retort_linear piece = job;
      piece.x += row * x.stride, piece.out += row * out.stride;
      if (p.rank) piece.low += row * low.stride;
      piece.derivative = retort_from(piece.derivative, row * out.stride);
      m->linear(&piece, rows, from, to, scratch);
    }
  }
  for (int i = 0; i < 64; i++) out.memory[0] = scratch[scratch_bytes + i] == (char)0xFF ? out.memory[0] : 0;
  free(scratch), free(memory[0]), free(memory[1]);
  return out;
}

product_check check_linear(const retort_kernels *kernels, const retort_kernels *reference, product_case p) {
  const size_t gap = p.seed % 5;
  canvas x = make(p.rows, p.depth, gap, p.seed, 1), w = make(p.columns, p.depth, gap + 1, p.seed, 2);
  canvas low = make(p.rows, p.rank, gap, p.seed, 3), low_w = make(p.columns, p.rank, 1, p.seed, 4);
  canvas bias = make(1, p.columns, 0, p.seed, 5), outs[3], slopes[3];
  const retort_kernels *tables[3] = {reference, kernels, kernels};
  for (int i = 0; i < 3; i++) {
    outs[i] = make(p.rows, p.columns, gap, p.seed, 6);
    slopes[i] = make(p.rows, p.columns, gap, p.seed, 7);
    compute(tables[i], p, x, transposed(w), low, low_w, bias.values, outs[i], slopes[i], i == 2);
  }
  product_check check = {fmaxf(difference(outs[1], outs[0]), difference(slopes[1], slopes[0])),
                         overwritten(outs[1]) + overwritten(slopes[1]) + overwritten(outs[2]), 0, 0};
  for (size_t r = 0; r < p.rows; r++)
    for (size_t c = 0; c < p.columns; c++)
      check.unequal += outs[0].values[r * outs[0].stride + c] != outs[1].values[r * outs[1].stride + c];
  for (size_t r = 0; r < p.rows; r++)
    check.variant += memcmp(outs[1].values + r * outs[1].stride, outs[2].values + r * outs[2].stride,
                            p.columns * sizeof(float)) != 0;
  canvas all[] = {x, w, low, low_w, bias, outs[0], outs[1], outs[2], slopes[0], slopes[1], slopes[2]};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i].memory);
  return check;
}

/// Any halves, but of moderate size; a few columns have one that is not: not finite, subnormal, or a zero.
static void fill_halves(uint16_t *halves, size_t depth, size_t columns, retort_type type, uint64_t seed) {
  const uint16_t brains[] = {0x7FC0, 0xFFA1, 0x7F80, 0xFF80, 0x0001, 0x807F, 0x8000, 0x0000};
  const uint16_t ieee[] = {0x7E00, 0xFD01, 0x7C00, 0xFC00, 0x0001, 0x83FF, 0x8000, 0x0000};
  const uint16_t exponents = type == RETORT_F16 ? 8 << 10 : 120 << 7, below = type == RETORT_F16 ? 0x2000 : 0x400;
  uint64_t state = seed;
  for (size_t i = 0; i < depth * columns; i++)
    halves[i] = (uint16_t)(draw(&state, 2) << 15 | (exponents + draw(&state, below)));
  for (size_t i = 0; i < 8 && 4 * i < columns; i++)
    halves[draw(&state, depth) * columns + 4 * i] = (type == RETORT_F16 ? ieee : brains)[i];
}

/// Elements of products with a matrix as it is kept whose bits are not those of products with its numbers as floats; the
/// numbers are taken as rows, and as columns.
static size_t check_kept(const retort_kernels *kernels, product_case p, const void *kept, retort_type type,
                         const float *floats) {
  canvas x = make(p.rows, p.depth, 1, p.seed, 1), none = make(1, 1, 0, p.seed, 3), bias = make(1, p.columns, 0, 1, 2);
  size_t unequal = 0;
  for (int rows = 0; rows < 2; rows++) {
    const size_t steps[2] = {rows ? 1 : p.columns, rows ? p.depth : 1};
    const retort_matrix stored = {kept, type, p.depth, p.columns, steps[0], steps[1]};
    const retort_matrix widened = {floats, RETORT_F32, p.depth, p.columns, steps[0], steps[1]};
    canvas outs[2] = {make(p.rows, p.columns, 1, p.seed, 4), make(p.rows, p.columns, 1, p.seed, 4)};
    for (int i = 0; i < 2; i++)
      compute(kernels, p, x, i ? stored : widened, none, none, bias.values, outs[i], none, i);
    for (size_t r = 0; r < p.rows; r++)
      for (size_t c = 0; c < p.columns; c++)
        unequal += memcmp(outs[0].values + r * outs[0].stride + c, outs[1].values + r * outs[1].stride + c, 4) != 0;
    unequal += overwritten(outs[1]);
    free(outs[0].memory), free(outs[1].memory);
  }
  free(x.memory), free(none.memory), free(bias.memory);
  return unequal;
}

size_t check_stored(const retort_kernels *kernels, product_case p, retort_type type) {
  const size_t count = p.depth * p.columns;
  uint16_t *halves = malloc(count * 2);
  char *memory = malloc(count * 2 + 1);  // one byte further nothing is aligned
  float *floats = malloc(count * sizeof *floats);
  fill_halves(halves, p.depth, p.columns, type, p.seed);
  memcpy(memory + 1, halves, count * 2);
  for (size_t i = 0; i < count; i++) floats[i] = type == RETORT_F16 ? float_of_half(halves[i]) : float_of_brain(halves[i]);
  const size_t unequal = check_kept(kernels, p, memory + 1, type, floats);
  free(halves), free(memory), free(floats);
  return unequal;
}

size_t check_coded(const retort_kernels *kernels, const retort_kernels *reference, product_case p, int eight) {
  const size_t count = p.depth * p.columns, bytes = eight ? count : (count + 1) / 2;
  uint64_t state = p.seed;
  const unsigned bits = 4 + (unsigned)draw(&state, 6);
  const size_t blocks = eight ? p.columns : (count >> bits) + 1;
  float levels[16], *absmax = malloc(blocks * sizeof *absmax);
  float *floats = malloc(count * sizeof *floats), *again = malloc(count * sizeof *again);
  uint8_t *codes = malloc(bytes);  // it ends where the codes do
  for (int i = 0; i < 16; i++) levels[i] = (float)(int)(draw(&state, 1 << 20) - (1 << 19)) / (1 << 19);
  for (size_t i = 0; i < bytes; i++) codes[i] = (uint8_t)draw(&state, 256);
  const float sizes[] = {1, 3e-39f, 0, 7e4f, 2e-7f};  // subnormal, and beyond binary16, too
  for (size_t i = 0; i < blocks; i++) absmax[i] = (float)draw(&state, 1 << 24) / (1 << 23) * sizes[draw(&state, 40) % 9 % 5];
  const retort_coded coded = {codes, absmax, eight ? NULL : levels, bits, p.depth};
  reference->decode(&coded, 0, count, floats);
  const size_t start = draw(&state, count) / 16 * 16;
  kernels->decode(&coded, start, count, again);
  size_t unequal = memcmp(floats + start, again, (count - start) * sizeof *again) != 0;
  unequal += check_kept(kernels, p, &coded, RETORT_CODED, floats);
  free(absmax), free(floats), free(again), free(codes);
  return unequal;
}

size_t check_codes(const retort_kernels *kernels, const retort_kernels *reference, size_t n, unsigned bits,
                   const float *levels, uint64_t seed) {
  const size_t blocks = (n >> bits) + 1, bytes = (n + 1) / 2;
  canvas x = make(1, n, 0, seed, 1);
  uint64_t state = seed;
  for (size_t i = 0; i < n; i++)
    if (draw(&state, 50) == 0) x.values[i] *= draw(&state, 2) ? 0 : 1e4f;
  uint8_t *codes[2] = {malloc(bytes), malloc(bytes)};
  float *absmax[2] = {calloc(blocks, 4), calloc(blocks, 4)};
  for (int i = 0; i < 2; i++) (i ? kernels : reference)->encode(x.values, n, levels, bits, codes[i], absmax[i]);
  const size_t unequal = (memcmp(codes[0], codes[1], bytes) != 0) + (memcmp(absmax[0], absmax[1], blocks * 4) != 0);
  for (int i = 0; i < 2; i++) free(codes[i]), free(absmax[i]);
  free(x.memory);
  return unequal;
}

size_t check_row_codes(const retort_kernels *kernels, const retort_kernels *reference, size_t n, float scale,
                       uint64_t seed) {
  canvas x = make(1, n, 0, seed, 1);
  uint64_t state = seed;
  for (size_t i = 0; i < n; i++) x.values[i] *= draw(&state, 20) ? scale : 0;
  int8_t *codes[2] = {malloc(n), malloc(n)};
  const float most = reference->encode_row(x.values, n, codes[0]), found = kernels->encode_row(x.values, n, codes[1]);
  const size_t unequal = isfinite(most) ? (memcmp(codes[0], codes[1], n) != 0) + (most != found) : isfinite(found) != 0;
  free(codes[0]), free(codes[1]), free(x.memory);
  return unequal;
}

size_t check_int8_poison(const retort_kernels *kernels, size_t rows, size_t depth, size_t columns, float bad) {
  const product_case p = {.rows = rows, .depth = depth, .columns = columns, .precision = PRODUCTS_INT8, .seed = depth};
  canvas x = make(rows, depth, 1, 1, 1), w = make(columns, depth, 1, 1, 2), none = make(1, 1, 0, 1, 3);
  canvas sound = compute(kernels, p, x, transposed(w), none, none, NULL, make(rows, columns, 0, 1, 4), none, 0);
  size_t count = 0;
  for (size_t i = 0; i < rows + columns; i++) {
    const int in_row = i < rows;
    float *place = (in_row ? x.values + i * x.stride : w.values + (i - rows) * w.stride) + i * 37 % depth;
    const float kept = *place;
    *place = bad;
    canvas out = compute(kernels, p, x, transposed(w), none, none, NULL, make(rows, columns, 0, 1, 4), none, 0);
    *place = kept;
    for (size_t r = 0; r < rows; r++)
      for (size_t c = 0; c < columns; c++) {
        const float found = out.values[r * columns + c];
        count += (in_row ? r == i : c == i - rows) ? !isnan(found) : found != sound.values[r * columns + c];
      }
    free(out.memory);
  }
  free(x.memory), free(w.memory), free(none.memory), free(sound.memory);
  return count;
}

product_check check_outer(const retort_kernels *kernels, const retort_kernels *reference, product_case p) {
  const int masked = p.seed % 2;  // masks are of matrices without gaps
  canvas a = make(p.depth, p.rows, p.seed % 5, p.seed, 1);
  canvas b = make(p.depth, p.columns, masked ? 0 : p.seed % 3, p.seed, 2), sums[3];
  float *scratch = malloc(RETORT_OUTER_SCRATCH * sizeof *scratch);
  for (int i = 0; i < RETORT_OUTER_SCRATCH; i++) scratch[i] = NAN;
  uint64_t state = p.seed;
  uint8_t *kept = malloc(p.depth * RETORT_MASK_BYTES(p.columns));
  for (size_t i = 0; i < p.depth * RETORT_MASK_BYTES(p.columns); i++) kept[i] = (uint8_t)draw(&state, 256);
  // In every other case b is rounded, and exactly as large as it must be.
  const size_t numbers = p.depth * b.stride - (b.stride - p.columns);
  uint16_t *halves = malloc(numbers * sizeof *halves);
  reference->narrow(b.values, halves, numbers);
  const retort_rounded right = p.seed / 2 % 2 ? (retort_rounded){halves, RETORT_BF16} : (retort_rounded){b.values, RETORT_F32};
  for (int i = 0; i < 3; i++) {
    sums[i] = make(p.rows, p.columns, 2, p.seed, 3);
    const retort_kernels *table = i ? kernels : reference;
    const retort_outer job = {a.values, a.stride, right, b.stride, p.depth, masked ? kept : NULL,
                              1.25f, 0.5f, sums[i].values, sums[i].stride};
    for (size_t row = 0, rows; row < p.rows; row += rows) {
      rows = i == 2 ? 1 + draw(&state, 50) : RETORT_OUTER_ROWS;
      if (rows > p.rows - row) rows = p.rows - row;
      for (size_t from = 0, columns; from < p.columns; from += columns) {
        columns = i < 2 ? p.columns : masked ? 16 * (1 + draw(&state, 6)) : 1 + draw(&state, 90);
        if (columns > p.columns - from) columns = p.columns - from;
        table->add_outer(&job, row, rows, from, from + columns, scratch);
      }
    }
  }
  product_check check = {difference(sums[1], sums[0]), overwritten(sums[1]) + overwritten(sums[2]), 0, 0};
  for (size_t r = 0; r < p.rows; r++)
    check.variant += memcmp(sums[1].values + r * sums[1].stride, sums[2].values + r * sums[2].stride,
                            p.columns * sizeof(float)) != 0;
  canvas all[] = {a, b, sums[0], sums[1], sums[2]};
  for (int i = 0; i < 5; i++) free(all[i].memory);
  free(scratch), free(kept), free(halves);
  return check;
}
