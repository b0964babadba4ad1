/// The whole table of one instruction class. The including file sets CLASS, its name NAME, NATIVE (floats in one of
/// its registers), what `tiles.h` asks for, and the compiler's target.
#pragma once
#include "classes.h"

#include "attention_backward.h"
#include "elementwise.h"
#include "gemm.h"
#include "int8.h"
#include "norm.h"
#include "outer.h"

#ifndef FLOATS_NAME
#define FLOATS_NAME NAME  // the class that gives the same bits in fp32
#endif
#ifndef INT8_NAME
#define INT8_NAME NAME  // the same in int8, whose attention may multiply bf16
#endif
_Static_assert((RETORT_OUTER_ROWS + STRIP) * DEPTH <= RETORT_OUTER_SCRATCH, "scratch of add_outer");

const retort_kernels CLASS = {
    .name = NAME,
    .fp32 = {.name = FLOATS_NAME, .strip = STRIP, .height = HEIGHT, .packed_bytes = float_bytes, .pack = float_pack,
             .scratch_bytes = float_scratch, .linear = float_linear, .spin = float_spin},
    .bf16 = {.name = NAME, .strip = STRIP, .height = PAIRS_HEIGHT, .packed_bytes = brain_bytes, .pack = brain_pack,
             .scratch_bytes = brain_scratch, .linear = brain_linear, .spin = brain_spin},
    .int8 = {.name = INT8_NAME, .strip = STRIP, .height = HEIGHT8, .packed_bytes = int8_bytes, .pack = int8_pack,
             .scratch_bytes = int8_scratch, .linear = int8_linear, .spin = int8_spin},
    .add_outer = add_outer,
    .exponential = exponential_all,
    .activate = activate,
    .gate = gate,
    .gate_backward = gate_backward,
    .narrow = narrow,
    .round = round_floats,
    .widen = widen,
    .decode = decode_numbers,
    .encode = encode_numbers,
    .encode_row = encode_row,
    .multiply = multiply,
    .add = add,
    .add_scaled = add_scaled,
    .norm = norm_rows,
    .norm_backward = norm_backward,
    .norm_weights = norm_weights,
    .rotate = rotate,
    .column_sums = column_sums,
    .add_exponentials = add_exponentials,
    .spread_exponentials = spread_exponentials,
    .scatter = scatter,
    .dropout_mask = dropout_mask,
    .dropout = dropout_rows,
    .attention = attention,
    .attention_backward = attention_backward,
};
