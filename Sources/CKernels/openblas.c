/// The class `openblas`: fp32 products by OpenBLAS, which is loaded when first asked for, all else by a class of ours.
/// What bits OpenBLAS gives an element depends on the product's shape and, on some processors, on its row's place. So
/// all products have one height: rows are filled up with zeros, and margins lie around them where places matter. One
/// thread a call: those of the engine share the rows.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "classes.h"
#include "coded.h"

#define STRIP 256  // columns of a product, but for a matrix's last ones
#define HEIGHT 48
#define EDGE 8  // rows at the top and at the bottom that OpenBLAS's kernels for AVX2 compute otherwise
#define MOST_ROWS (HEIGHT + 2 * EDGE)
#define DEPTH RETORT_DEPTH

enum { COLUMN_MAJOR = 102, TRANSPOSED = 112 };  // of cblas.h

static void (*sgemm)(int order, int a_transposed, int b_transposed, int m, int n, int k, float alpha, const float *a,
                     int a_stride, const float *b, int b_stride, float beta, float *c, int c_stride);
static size_t margin;
static const retort_kernels *ours;

/// What a thread needs for a product.
typedef struct {
  float rows[MOST_ROWS * DEPTH];
  float tile[STRIP * MOST_ROWS];  // column after column
  float strip[DEPTH * STRIP];     // only where strips are not floats
} workspace;

/// tile (+)= scale·x·w. x [HEIGHT and margins, depth], `stride` apart; w [depth, columns].
static void multiply_tile(const float *x, size_t stride, const float *w, size_t depth, size_t columns, float scale,
                          int accumulate, float *tile) {
  const int height = (int)(HEIGHT + 2 * margin);
  sgemm(COLUMN_MAJOR, TRANSPOSED, TRANSPOSED, height, (int)columns, (int)depth, scale, x, (int)stride, w, (int)columns,
        (float)accumulate, tile, height);
}

/// At most HEIGHT rows by the strip that starts at column `start`, without what follows the sums.
static void multiply_strip(const retort_linear *job, size_t rows, size_t start, workspace *space) {
  const retort_packed w = job->w;
  const size_t columns = least(STRIP, w.columns - start), height = HEIGHT + 2 * margin;
  for (size_t k = 0; k < w.depth; k += DEPTH) {
    const size_t depth = least(DEPTH, w.depth - k), place = start * w.depth + k * columns;
    const float *x = job->x + k, *strip = w.type == RETORT_CODED ? space->strip : (const float *)w.strips + place;
    if (rows < height) {
      memset(space->rows, 0, height * depth * sizeof *x);
      for (size_t r = 0; r < rows; r++)
        memcpy(space->rows + (margin + r) * depth, x + r * job->stride, depth * sizeof *x);
      x = space->rows;
    }
    if (w.type == RETORT_CODED) {
      decode_lines(&w, k, depth, start, columns, columns, space->strip);
    } else if (w.type != RETORT_F32) {
      ours->widen((const char *)w.strips + place * type_bytes(w.type), w.type, space->strip, depth * columns);
      strip = space->strip;
    }
    multiply_tile(x, rows < height ? depth : job->stride, strip, depth, columns, job->scale, k > 0, space->tile);
  }
  for (size_t r = 0; r < rows; r++) {
    float *out = job->out + r * job->out_stride + start;
    const float *sums = space->tile + margin + r;
    for (size_t c = 0; c < columns; c++) out[c] = job->accumulate ? out[c] + sums[c * height] : sums[c * height];
  }
}

static void multiply_all(const retort_linear *job, size_t rows, size_t from, size_t to, void *scratch) {
  for (size_t row = 0; row < rows; row += HEIGHT) {
    retort_linear piece = *job;
    piece.x += row * job->stride, piece.out += row * job->out_stride;
    for (size_t c = from; c < to; c += STRIP) multiply_strip(&piece, least(HEIGHT, rows - row), c, scratch);
  }
}

typedef void (*linear)(const retort_linear *job, size_t rows, size_t from, size_t to, void *scratch);

/// The product with w by `multiply`, that with low_w by OpenBLAS, then bias and activation.
static void multiply_and_finish(linear multiply, const retort_linear *job, size_t rows, size_t from, size_t to,
                                void *scratch) {
  retort_linear first = *job;
  first.low = NULL, first.bias = NULL, first.derivative.values = NULL, first.activation = RETORT_IDENTITY;
  multiply(&first, rows, from, to, scratch);
  if (job->low) {
    first.x = job->low, first.stride = job->low_stride, first.w = job->low_w, first.scale = job->low_scale;
    first.accumulate = 1;
    multiply_all(&first, rows, from, to, scratch);
  }
  for (size_t r = 0; r < rows; r++) {
    const size_t place = r * job->out_stride + from;
    ours->activate(job->activation, job->out + place, job->bias ? job->bias + from : NULL,
                   retort_from(job->derivative, place), 1, to - from);
  }
}

static void float_linear(const retort_linear *job, size_t rows, size_t from, size_t to, void *scratch) {
  multiply_and_finish(multiply_all, job, rows, from, to, scratch);
}

static void int8_linear(const retort_linear *job, size_t rows, size_t from, size_t to, void *scratch) {
  multiply_and_finish(ours->int8.linear, job, rows, from, to, scratch);
}

static size_t float_scratch(size_t depth, retort_type type) {
  (void)depth;
  return type == RETORT_F32 ? offsetof(workspace, strip) : sizeof(workspace);
}

/// The low-rank product, which is of floats, lies in the same scratch afterwards.
static size_t int8_scratch(size_t depth, retort_type type) {
  const size_t bytes = ours->int8.scratch_bytes(depth, type), floats = float_scratch(0, RETORT_F32);
  return bytes > floats ? bytes : floats;
}

static size_t float_bytes(size_t depth, size_t columns, retort_type type) {
  return type == RETORT_CODED ? 0 : depth * columns * type_bytes(type);
}

/// Strips are row-major, the last one as wide as the columns that are left.
static void float_pack(const retort_matrix *w, void *strips, size_t from, size_t to) {
  for (size_t start = from; start < to; start += STRIP) {
    const size_t columns = least(STRIP, w->columns - start);
    char *line = (char *)strips + start * w->depth * type_bytes(w->type);
    for (size_t k = 0; k < w->depth; k++, line += columns * type_bytes(w->type))
      gather(w->type, w->values, k * w->depth_step + start * w->column_step, w->column_step, columns, columns, line);
  }
}

/// Whether equal rows between the margins have equal bits.
static int places_are_equal(workspace *space) {
  static const size_t shapes[][2] = {{STRIP, DEPTH}, {STRIP, 16}, {100, 100}, {37, DEPTH}, {16, DEPTH}, {1, 17}};
  const size_t height = HEIGHT + 2 * margin;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    const size_t columns = shapes[i][0], depth = shapes[i][1];
    for (size_t r = 0; r < height; r++) retort_uniform(1, 1, -1, 1, space->rows + r * depth, depth);
    retort_uniform(1, 2, -1, 1, space->strip, depth * columns);
    multiply_tile(space->rows, depth, space->strip, depth, columns, 0.75f, 0, space->tile);
    for (size_t c = 0; c < columns; c++) {
      const float *sums = space->tile + c * height + margin;
      if (memcmp(sums, sums + 1, (HEIGHT - 1) * sizeof *sums)) return 0;
    }
  }
  return 1;
}

static retort_kernels table;
static int usable;

static void load_library(void) {
  static const char *const files[] = {"libopenblas.so.0", "libopenblas.so", "libopenblas.0.dylib"};
  void *library = NULL;
  for (size_t i = 0; !library && i < sizeof files / sizeof *files; i++)
    library = dlopen(files[i], RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
  sgemm = dlsym(library, "cblas_sgemm");
  void (*set_threads)(int) = dlsym(library, "openblas_set_num_threads");
  char *(*configuration)(void) = dlsym(library, "openblas_get_config");
  char *(*core)(void) = dlsym(library, "openblas_get_corename");
  char version[32];
  if (!sgemm || !set_threads || !configuration || !core) return;
  if (sscanf(configuration(), "OpenBLAS %31s", version) != 1) return;
  set_threads(1);

  workspace *space = malloc(sizeof *space);
  if (!space) return;
  margin = 0;
  if (!(usable = places_are_equal(space))) {
    margin = EDGE;
    usable = places_are_equal(space);
  }
  free(space);

  table = *(ours = retort_kernels_ours());
  table.name = "openblas";
  table.fp32.strip = STRIP, table.fp32.height = HEIGHT, table.fp32.packed_bytes = float_bytes;
  table.fp32.pack = float_pack, table.fp32.scratch_bytes = float_scratch, table.fp32.linear = float_linear;
  table.int8.strip = STRIP, table.int8.scratch_bytes = int8_scratch, table.int8.linear = int8_linear;
  static char names[3][128];
  retort_multiplier *multipliers[] = {&table.fp32, &table.bf16, &table.int8};
  for (int i = 0; i < 3; i++) {
    snprintf(names[i], sizeof names[i], "openblas %s %s with %s", version, core(), multipliers[i]->name);
    multipliers[i]->name = names[i];
  }
}

const retort_kernels *retort_openblas(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load_library);
  return usable ? &table : NULL;
}
