/// One vector for each sequence out of its tokens' vectors: the first token's, the last one's, their mean, or the first
/// one's and the mean side by side.
/// x [T, width] → y [B, parts·width]. Backward: of each part the token's row is dy, or every row is dy/length.
import CKernels

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
  fileprivate func tokens(_ sequence: Range<Int>) -> [Range<Int>] {
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
    let (engine, columns, kernels) = (engine, x.value.columns, Kernels.active.table)
    let width = mode.partCount * columns
    let y = engine.matrix(batch.count, width)
    Profile.measure(.pooling) {
      engine.parallel(batch.count) { sequence, _ in
        let parts = mode.tokens(batch.offsets[sequence]..<batch.offsets[sequence + 1])
        for (part, tokens) in parts.enumerated() {
          let row = y.floats + sequence * width + part * columns
          row.update(repeating: 0, count: columns)
          kernels.pointee.column_sums(
            x.value.floats + tokens.lowerBound * columns, 1 / Float(tokens.count), row, tokens.count, columns, 0,
            columns)
        }
      }
    }
    let below = x.gradient
    return record(y, needed: below != nil, as: .pooling) { dy in
      let dx = engine.matrix(batch.tokens, columns)
      engine.parallel(batch.count) { sequence, _ in
        let all = batch.offsets[sequence]..<batch.offsets[sequence + 1]
        let parts = mode.tokens(all)
        for token in all {
          let row = dx.floats + token * columns
          row.update(repeating: 0, count: columns)
          for (part, used) in parts.enumerated() where used.contains(token) {
            kernels.pointee.add_scaled(
              dy.floats + sequence * width + part * columns, 1 / Float(used.count), row, columns)
          }
        }
      }
      below?.add(dx, on: engine)
    }
  }
}
