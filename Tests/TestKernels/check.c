/// Checks of products against the reference, in C because debug builds of Swift are slow.
#include "canvas.h"
#include "test_kernels.h"

static size_t draw(uint64_t *state, size_t below) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (size_t)(*state >> 33) % below;
}

/// Packs in two parts. The memory ends where the packed matrix does, and is not aligned.
static retort_packed packed(const retort_multiplier *m, canvas w, int transposed, void **memory) {
  const size_t depth = transposed ? w.columns : w.rows, columns = transposed ? w.rows : w.columns;
  const size_t bytes = m->packed_bytes(depth, columns), middle = columns / 2 / m->strip * m->strip;
  *memory = malloc(bytes + 4);
  void *strips = (char *)*memory + 4;
  memset(strips, 0xFF, bytes);
  const size_t depth_step = transposed ? 1 : w.stride, column_step = transposed ? w.stride : 1;
  m->pack(w.values, depth, columns, depth_step, column_step, strips, 0, middle);
  m->pack(w.values, depth, columns, depth_step, column_step, strips, middle, columns);
  return (retort_packed){strips, depth, columns};
}

static const retort_multiplier *multiplier(const retort_kernels *kernels, product_precision precision) {
  switch (precision) {
    case PRODUCTS_FP32: return &kernels->fp32;
    case PRODUCTS_BF16: return &kernels->bf16;
    case PRODUCTS_INT8: return &kernels->int8;
  }
}

static canvas compute(const retort_kernels *kernels, product_case p, canvas x, canvas w, canvas low, canvas low_w,
                      const float *bias, canvas out, canvas derivative, int alone) {
  const retort_multiplier *m = multiplier(kernels, p.precision);
  void *memory[2] = {NULL, NULL};
  retort_linear job = {.x = x.values, .stride = x.stride, .w = packed(m, w, 1, memory), .scale = 0.75f,
                       .out = out.values, .out_stride = out.stride, .accumulate = p.accumulate,
                       .bias = p.bias ? bias : NULL, .activation = p.activation,
                       .derivative = p.derivative ? derivative.values : NULL};
  if (p.rank) {
    job.low = low.values, job.low_stride = low.stride, job.low_scale = 0.5f;
    job.low_w = packed(&kernels->fp32, low_w, 1, memory + 1);
  }
  const size_t scratch_bytes = m->scratch_bytes(p.depth);
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
      if (p.derivative) piece.derivative += row * out.stride;
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
    compute(tables[i], p, x, w, low, low_w, bias.values, outs[i], slopes[i], i == 2);
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

size_t check_int8_poison(const retort_kernels *kernels, size_t rows, size_t depth, size_t columns, float bad) {
  const product_case p = {.rows = rows, .depth = depth, .columns = columns, .precision = PRODUCTS_INT8, .seed = depth};
  canvas x = make(rows, depth, 1, 1, 1), w = make(columns, depth, 1, 1, 2), none = make(1, 1, 0, 1, 3);
  canvas sound = compute(kernels, p, x, w, none, none, NULL, make(rows, columns, 0, 1, 4), none, 0);
  size_t count = 0;
  for (size_t i = 0; i < rows + columns; i++) {
    const int in_row = i < rows;
    float *place = (in_row ? x.values + i * x.stride : w.values + (i - rows) * w.stride) + i * 37 % depth;
    const float kept = *place;
    *place = bad;
    canvas out = compute(kernels, p, x, w, none, none, NULL, make(rows, columns, 0, 1, 4), none, 0);
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
  for (int i = 0; i < 3; i++) {
    sums[i] = make(p.rows, p.columns, 2, p.seed, 3);
    const retort_kernels *table = i ? kernels : reference;
    const retort_outer job = {a.values, a.stride, b.values, b.stride, p.depth, masked ? kept : NULL,
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
  free(scratch);
  free(kept);
  return check;
}
