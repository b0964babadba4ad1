/// The whole table of one instruction class. The including file sets CLASS, its name NAME, NATIVE (floats in one of
/// its registers), ROWS (rows of a tile of the small GEMM), and the compiler's target.
#pragma once
#include "attention.h"
#include "elementwise.h"
#include "norm.h"

const retort_kernels CLASS = {
    .name = NAME,
    .exponential = exponential_all,
    .activate = activate,
    .multiply = multiply,
    .add = add,
    .add_scaled = add_scaled,
    .layer_norm = layer_norm,
    .layer_norm_backward = layer_norm_backward,
    .layer_norm_weights = layer_norm_weights,
    .column_sums = column_sums,
    .embed = embed,
    .scatter = scatter,
    .dropout = dropout_rows,
    .attention = attention,
    .attention_backward = attention_backward,
};
