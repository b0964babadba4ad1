/// A matrix in codes, block by block. Of 4 bits (Dettmers et al. 2023) number i, row-major, is
/// levels[code]·absmax[i/block]; of 8 bits (Dettmers et al. 2022), whose blocks are rows, it is code·absmax[row]/127.
import Foundation

/// What codes stand for, as bitsandbytes has them; the sixteen levels of 4 bits lie between -1 and 1.
package enum CodeFormat: String, Sendable, CaseIterable {
  /// Quantiles of a normal distribution.
  case nf4
  /// A sign, two bits of exponent, one of fraction.
  case fp4
  /// Whole numbers from -127 to 127, in bytes.
  case int8

  package var bits: Int { self == .int8 ? 8 : 4 }

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
    case .int8: []
    }
  }
}

/// Numbers per block of 4 bits, which share their largest magnitude: what bitsandbytes takes.
package let codeBlocks = [32, 64, 128, 256, 512, 1024, 2048, 4096]

/// A frozen matrix in codes, on a device: its only copy, which products decode strip by strip in both directions.
package struct CodedMatrix: Sendable {
  package let shape: [Int]
  package let format: CodeFormat
  /// How many numbers share a magnitude: with 4 bits one of `codeBlocks`, with 8 the columns.
  package let block: Int
  /// The codes, row-major: with 8 bits a byte each, with 4 two to a byte, the first in the upper half. [bytes], u8
  package let codes: Tensor
  /// The largest magnitude of each block. [⌈n/block⌉], f32
  package let absmax: Tensor
  /// The format's, where the device has them. [16], f32, or [0]
  package let levels: Tensor

  package init(_ shape: [Int], _ format: CodeFormat, block: Int, codes: Tensor, absmax: Tensor) {
    precondition(format == .int8 ? block == shape.last : codeBlocks.contains(block), "blocks of \(block)")
    let (bytes, blocks) = Self.sizes(shape, format, block: block)
    precondition(codes.count == bytes && absmax.count == blocks, "codes of \(shape)")
    (self.shape, self.format, self.block) = (shape, format, block)
    (self.codes, self.absmax) = (codes, absmax)
    levels = codes.device.tensor(format.levels, [format.levels.count])
  }

  /// Bytes of codes, and how many blocks.
  package static func sizes(_ shape: [Int], _ format: CodeFormat, block: Int) -> (bytes: Int, blocks: Int) {
    let count = shape.reduce(1, *)
    return ((count * format.bits + 7) / 8, (count + block - 1) / block)
  }

  package var device: any Device { codes.device }
  package var count: Int { shape.reduce(1, *) }
}
