/// The numeric loops of the engine, one table of functions for each instruction class. Floats, row-major.
#ifndef RETORT_KERNELS_H
#define RETORT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/// Which elements dropout zeroes. Element e of a row meets 16-bit lane (e / 16) % 8 of Philox4x32-10 with key `key` and
/// counter (sequence, sequence >> 32, site, 16·(position·⌈width/128⌉ + e / 128) + e % 16).
typedef struct {
  uint64_t sequence;
  uint32_t position;
} retort_row;

typedef struct {
  uint64_t key;        // from seed and step
  uint32_t site;       // which dropout of the model
  uint32_t threshold;  // lanes below are zeroed; of 65536
  float scale;         // 65536 / (65536 - threshold)
} retort_dropout;

typedef enum { RETORT_IDENTITY, RETORT_GELU, RETORT_TANH, RETORT_GELU_TANH, RETORT_SILU } retort_activation;

/// One head of queries over one sequence.
typedef struct {
  const float *q;      // [queries, width]
  const float *k, *v;  // [length, width]
  size_t queries;      // of so many tokens, up to the length
  size_t past;         // the first query's place
  size_t length, width;
  size_t stride, kv_stride;       // distance of tokens in q, out and their gradients; in k, v and theirs
  int brains;                     // q, k and v are bf16 numbers: products may round their other side, too
  size_t before, after;           // a query sees so many tokens ahead of it, and behind it; at most the length
  float scale;                    // of the scores
  uint64_t sequence;              // for dropout, whose site differs by head
  const retort_dropout *dropout;  // or NULL
  const float *bias;              // bias[j - i] is added to the score of query i and key j; or NULL
  float *bias_gradient;           // what backward adds to, likewise; or NULL
  int again;  // the call before was with the same keys and values, and left scratch as it needed it
} retort_head;

/// A norm of rows: y = (gamma + shift)·n + beta, n = (x - mean)/√(variance + eps) if `centred`, else
/// x/√(mean of squares + eps).
typedef struct {
  const float *gamma, *beta;  // beta may be NULL
  float shift, eps;
  int centred;
} retort_norm;

/// How a weight's numbers are stored: floats, bf16, IEEE fp16, or as a `retort_coded` says.
typedef enum { RETORT_F32, RETORT_BF16, RETORT_F16, RETORT_CODED } retort_type;

/// Numbers in codes, in bitsandbytes' layout. Of 4 bits (Dettmers et al. 2023) number i is
/// levels[code i]·absmax[i >> block_bits]; its code is the upper half of byte i / 2 if i is even, else the lower one. Of
/// 8 bits (Dettmers et al. 2022) it is code i·(absmax[i / row]·(1/127)), the code a byte with a sign.
typedef struct {
  const uint8_t *codes;
  const float *absmax;
  const float *levels;  // [16]; NULL of 8 bits
  unsigned block_bits;  // of 4 bits, 4 or more
  size_t row;           // of 8 bits
} retort_coded;

/// Floats, or the bf16 that they were rounded to: what a backward pass needs is kept as either.
typedef struct {
  void *values;
  retort_type type;
} retort_rounded;

/// The same from element `i` on, or none of none.
static inline retort_rounded retort_from(retort_rounded x, size_t i) {
  if (x.values) x.values = (char *)x.values + i * (x.type == RETORT_F32 ? 4 : 2);
  return x;
}

/// A matrix [depth, columns] where it lies, aligned or not: w(k, c) = values[k·depth_step + c·column_step].
typedef struct {
  const void *values;  // of RETORT_CODED the `retort_coded`
  retort_type type;
  size_t depth, columns;
  size_t depth_step, column_step;
} retort_matrix;

/// A matrix [depth, columns] laid out for products from the left, by `pack` of the multiplier that reads it.
typedef struct {
  const void *strips;  // of RETORT_CODED, where `packed_bytes` is 0, the `retort_coded` itself
  retort_type type;    // of the matrix that was laid out, and in fp32 of what the strips hold
  size_t depth, columns;
  size_t depth_step, column_step;  // of codes that are decoded strip by strip, else anything
} retort_packed;

/// out = f(scale·x·w + low_scale·low·low_w + bias) of a linear layer, added, before f, to what `out` holds if
/// `accumulate`.
typedef struct {
  const float *x;  // [rows, w.depth], `stride` apart
  size_t stride;
  retort_packed w;
  float scale;
  const float *low;  // [rows, low_w.depth], `low_stride` apart; or NULL
  size_t low_stride;
  retort_packed low_w;  // of floats, packed in the same precision, but for int8 in fp32
  float low_scale;
  float *out;  // [rows, w.columns], `out_stride` apart
  size_t out_stride;
  int accumulate;
  const float *bias;  // [w.columns], or NULL
  retort_activation activation;
  retort_rounded derivative;  // f' like `out`; values may be NULL
} retort_linear;

/// A sum of outer products, sum[i][j] += scale·Σ_k a[k][i]·b[k][j], k < depth.
typedef struct {
  const float *a;
  size_t a_stride;
  retort_rounded b;
  size_t b_stride;
  size_t depth;
  const uint8_t *kept;  // dropout's mask of b, RETORT_MASK_BYTES(b_stride) a row, or NULL
  float kept_scale;     // of what stays
  float scale;
  float *sum;
  size_t stride;
} retort_outer;

#define RETORT_MASK_BYTES(columns) (((columns) + 127) / 128 * 16)
#define RETORT_PANEL 192       // most rows of one call of `linear`
#define RETORT_OUTER_ROWS 192  // most rows of one call of `add_outer`
#define RETORT_DEPTH 384       // k summed alone
#define RETORT_INT8_DEPTH 128  // k quantized together
#define RETORT_QUERIES 48      // rows of a block of attention scores
#define RETORT_KEYS 128        // its columns, as many as a group of dropout's numbers
enum { RETORT_OUTER_SCRATCH = (RETORT_OUTER_ROWS + 32) * RETORT_DEPTH };

/// Products in one precision: fp32; bf16, for which both sides are rounded and sums are fp32; or int8, for which both
/// sides are quantized block by block along the depth, sums of a block are exact, and those of blocks fp32.
typedef struct {
  const char *name;  // of the class of instructions that decides the bits
  size_t strip;      // columns lie in strips of so many; pieces of columns start at one
  size_t height;     // pieces of a multiple of so many rows waste nothing
  /// 0 of RETORT_CODED where products decode it strip by strip: it is not laid out then.
  size_t (*packed_bytes)(size_t depth, size_t columns, retort_type type);
  /// Lays out the strips that hold columns from ≤ c < to. In fp32 they keep the matrix's type; in bf16 and int8 they are
  /// those of the matrix widened to floats. Products have the bits of the widened matrix's in each precision.
  void (*pack)(const retort_matrix *w, void *strips, size_t from, size_t to);
  /// With a matrix of this depth and type; what low_w needs comes behind.
  size_t (*scratch_bytes)(size_t depth, retort_type type);
  /// The first `rows` rows, columns `from` ≤ c < `to`. An element's bits do not depend on the piece that it is in.
  void (*linear)(const retort_linear *job, size_t rows, size_t from, size_t to, void *scratch);
  /// Multiplies and adds in registers alone, which is as fast as this class can; returns how many operations. For
  /// benchmarks.
  double (*spin)(size_t rounds);
} retort_multiplier;

typedef struct {
  const char *name;

  retort_multiplier fp32, bf16, int8;
  /// Rows `first` ≤ i < `first` + `rows` and columns `from` ≤ j < `to`, `from` a multiple of 16 where there is a mask.
  /// Scratch: RETORT_OUTER_SCRATCH floats.
  void (*add_outer)(const retort_outer *job, size_t first, size_t rows, size_t from, size_t to, float *scratch);

  /// x = exp(x), relative error below 2e-7; 0 below -87.3.
  void (*exponential)(float *x, size_t n);

  /// z = f(z + bias), and the derivative f'(z + bias) where its values are not NULL. bias may be NULL.
  /// gelu(z) = z·Φ(z), Φ by a polynomial with relative error below 5e-7; its tanh form has z·σ(2√(2/π)(z + 0.044715z³));
  /// silu(z) = z·σ(z).
  void (*activate)(retort_activation f, float *z, const float *bias, retort_rounded derivative, size_t rows,
                   size_t columns);
  /// out = f(z)·u
  void (*gate)(retort_activation f, const float *z, const float *u, float *out, size_t n);
  /// dz = dy·u·f'(z), du = dy·f(z)
  void (*gate_backward)(retort_activation f, const float *dy, retort_rounded z, retort_rounded u, float *dz, float *du,
                        size_t n);
  void (*multiply)(const float *a, retort_rounded b, float *out, size_t n);
  void (*add)(const float *x, float *to, size_t n);
  /// fp32 to bf16, ties to even.
  void (*narrow)(const float *x, uint16_t *out, size_t n);
  /// x = x rounded so.
  void (*round)(float *x, size_t n);
  /// Any type to fp32, but codes; `x` may be unaligned.
  void (*widen)(const void *x, retort_type type, float *out, size_t n);
  /// The numbers from ≤ i < to, `from` a multiple of 16.
  void (*decode)(const retort_coded *x, size_t from, size_t to, float *out);
  /// The code of the nearest of the ascending levels to x/absmax, in blocks of 1 << block_bits, the last one maybe
  /// shorter; an odd number of codes is filled up with that of 0. As bitsandbytes has it, whole blocks are multiplied by
  /// 1/absmax and a shorter one is divided, by 1e-38 at least.
  void (*encode)(const float *x, size_t n, const float *levels, unsigned block_bits, uint8_t *codes, float *absmax);
  /// The codes of 8 bits of a row: x, rounded to binary16, times 127/absmax, to the nearest, of two the even one; 0 of a
  /// row of zeros. Returns absmax, which is not finite where a number is not, or binary16 has no place for it.
  float (*encode_row)(const float *x, size_t n, int8_t *codes);
  /// out += scale · x
  void (*add_scaled)(const float *x, float scale, float *to, size_t n);

  /// y of x + residual, row by row, and n, and its factor `inverse`. residual, n's values and inverse may be NULL.
  void (*norm)(const retort_norm *norm, const float *x, const float *residual, float *y, retort_rounded n,
               float *inverse, size_t rows, size_t columns);
  /// dx = inverse · (g - mean(g) - n·mean(g·n)), g = (gamma + shift)·dy; without the mean of g if not centred.
  void (*norm_backward)(const retort_norm *norm, const float *dy, retort_rounded n, const float *inverse, float *dx,
                        size_t rows, size_t columns);
  /// dgamma[c] += Σ dy·n, dbeta[c] += Σ dy over rows, for from ≤ c < to. dbeta may be NULL.
  void (*norm_weights)(const float *dy, retort_rounded n, float *dgamma, float *dbeta, size_t rows, size_t columns,
                       size_t from, size_t to);
  /// Turns each head of a row, `width` wide, by the row's position: of the elements a and b = a + width/2,
  /// out = (a·cos - b·sin, b·cos + a·sin), backwards by the opposite angle. Cosines and sines [positions, width/2].
  void (*rotate)(const float *x, const retort_row *rows, const float *cosines, const float *sines, int backwards,
                 float *out, size_t count, size_t heads, size_t width);
  /// sum[c] += scale · Σ x[r][c] over rows, for from ≤ c < to.
  void (*column_sums)(const float *x, float scale, float *sum, size_t rows, size_t columns, size_t from, size_t to);

  /// For columns from ≤ c < to: total[c] = Σ exp(z[r][c] - peak[c]) over the rows so far, peak[c] the largest of them;
  /// -infinity and 0 at first.
  void (*add_exponentials)(const float *z, size_t rows, size_t columns, size_t from, size_t to, float *peak,
                           float *total);
  /// z[r][c] = -factor[c]·exp(z[r][c] - log_sum[c]), for from ≤ c < to.
  void (*spread_exponentials)(float *z, size_t rows, size_t columns, size_t from, size_t to, const float *log_sum,
                              const float *factor);

  /// table[ids[r]][c] += x[r][c], row after row, for from ≤ c < to.
  void (*scatter)(const int32_t *ids, const float *x, float *table, size_t rows, size_t columns, size_t from,
                  size_t to);

  /// Which elements of rows stay: element e is bit (e / 16) % 8 of byte 16·(e / 128) + e % 16 of its row, of
  /// RETORT_MASK_BYTES(columns).
  void (*dropout_mask)(const retort_dropout *dropout, const retort_row *rows, uint8_t *kept, size_t count,
                       size_t columns);
  /// out = kept·scale·x, or out += kept·scale·x.
  void (*dropout)(const uint8_t *kept, float scale, const float *x, float *out, int accumulate, size_t count,
                  size_t columns);

  /// out = softmax(scale·q·kᵀ + bias)·v, blockwise; lse[i·lse_stride] = ln Σ exp(score). Scratch: `retort_attention_scratch`.
  void (*attention)(const retort_head *head, float *out, float *lse, size_t lse_stride, float *scratch);
  /// Gradients of q, k, v from dout, recomputing the probabilities from lse. That of q is overwritten; those of k and v
  /// too, or added to if `accumulate`: several heads of queries may share them.
  void (*attention_backward)(const retort_head *head, const float *out, const float *lse, size_t lse_stride,
                             const float *dout, float *dq, float *dk, float *dv, int accumulate,
                             float *scratch);
} retort_kernels;

/// Floats of scratch that attention over `length` tokens of heads `width` wide needs.
static inline size_t retort_attention_scratch(size_t length, size_t width) {
  const size_t strips = (length + 31) / 32 * 32 * ((width + 31) / 32 * 32);
  return 5 * strips + 3 * RETORT_QUERIES * RETORT_KEYS + length;
}

/// `portable`, `avx2`, `avx512`, `avx512bf16`, `amx`; `openblas`, the best of these with OpenBLAS's products in fp32; or
/// `reference`, the plain loops that define the results. NULL if this machine cannot.
const retort_kernels *retort_kernels_named(const char *name);

/// The class RETORT_KERNELS names, else the best this machine has, which is OpenBLAS where there is no other but
/// `portable`; NULL if it names one that the machine lacks.
const retort_kernels *retort_kernels_active(void);

/// The four words of Philox4x32-10 (Salmon et al. 2011).
void retort_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/// out[i] uniform in [low, high), from stream `stream` of `seed`.
void retort_uniform(uint64_t seed, uint64_t stream, float low, float high, float *out, size_t n);

#endif
