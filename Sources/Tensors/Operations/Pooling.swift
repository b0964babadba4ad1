/// One vector for each sequence out of its tokens' vectors: the first token's, the last one's, their mean, or the first
/// one's and the mean side by side.
/// x [T, width] → y [B, parts·width]. Backward: of each part the token's row is dy, or every row is dy/length.

package enum PoolingMode: String, Sendable, CaseIterable {
  case cls
  case mean
  case lastToken = "last_token"
  /// The first token's, then the mean.
  case clsMean = "cls_mean"

  /// What stands side by side.
  private var parts: [PoolingMode] { self == .clsMean ? [.cls, .mean] : [self] }

  /// How many times as wide as a token's vector the result is.
  package var partCount: Int { parts.count }

  /// The rows of a sequence that each part is the mean of.
  package func tokens(_ sequence: Range<Int>) -> [Range<Int>] {
    parts.map { part in
      switch part {
      case .cls: sequence.prefix(1)
      case .lastToken: sequence.suffix(1)
      case .mean, .clsMean: sequence
      }
    }
  }
}

extension Tape {
  package func pool(_ x: Variable, _ mode: PoolingMode, batch: PackedBatch) -> Variable {
    let (device, below) = (device, x.gradient)
    let y = Profile.measure(.pooling) { device.pool(x.value, mode, batch) }
    return record(y, needed: below != nil, as: .pooling) { below?.add(device.poolBackward($0, mode, batch)) }
  }
}
