/// A matrix in codes of 4 bits, block by block (Dettmers et al. 2023): number i, row-major, is levels[code]·absmax[i/block].
import Foundation

/// What the sixteen codes stand for, as bitsandbytes has them; a number's levels lie between -1 and 1.
package enum CodeFormat: String, Sendable, CaseIterable {
  /// Quantiles of a normal distribution.
  case nf4
  /// A sign, two bits of exponent, one of fraction.
  case fp4

  package var levels: [Float] {
    switch self {
    case .nf4:
      [
        -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
        -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
        0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
      ]
    case .fp4:
      [1, -1].flatMap { sign in
        [0, 0.0052083334885537624, 0.6666666865348816, 1, 0.3333333432674408, 0.5, 0.1666666716337204, 0.25]
          .map { sign * $0 }
      }
    }
  }
}

/// Numbers per block, which share their largest magnitude: what bitsandbytes takes.
package let codeBlocks = [32, 64, 128, 256, 512, 1024, 2048, 4096]

/// A frozen matrix in codes, on a device: its only copy, which products decode strip by strip in both directions.
package struct CodedMatrix: Sendable {
  package let shape: [Int]
  package let format: CodeFormat
  /// One of `codeBlocks`.
  package let block: Int
  /// What decoded numbers are rounded to: the type of the matrix that was encoded.
  package let dtype: DType
  /// Two to a byte, the first in the upper half. [(n + 1)/2], u8
  package let codes: Tensor
  /// The largest magnitude of each block. [⌈n/block⌉], f32
  package let absmax: Tensor
  /// The format's, where the device has them. [16], f32
  package let levels: Tensor

  package init(
    _ shape: [Int], _ format: CodeFormat, block: Int, dtype: DType, codes: Tensor, absmax: Tensor
  ) {
    let count = shape.reduce(1, *)
    precondition(codeBlocks.contains(block), "blocks of \(block)")
    precondition(codes.count == (count + 1) / 2 && absmax.count == (count + block - 1) / block, "codes of \(shape)")
    (self.shape, self.format, self.block, self.dtype) = (shape, format, block, dtype)
    (self.codes, self.absmax) = (codes, absmax)
    levels = codes.device.tensor(format.levels, [16])
  }

  package var device: any Device { codes.device }
  package var count: Int { shape.reduce(1, *) }
}
