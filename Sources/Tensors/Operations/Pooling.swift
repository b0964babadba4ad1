/// One vector for each sequence out of its tokens' vectors: the first token's, the last one's, or their mean.
/// x [T, width] → y [B, width]. Backward: the token's row is dy, or every row is dy/length.
import CKernels

package enum PoolingMode: String, Sendable, CaseIterable {
  case cls
  case mean
  case lastToken = "last_token"
}

extension Tape {
  package func pool(_ x: Variable, _ mode: PoolingMode, batch: PackedBatch) -> Variable {
    let (engine, columns, kernels) = (engine, x.value.columns, Kernels.active.table)
    func tokens(_ sequence: Int) -> Range<Int> {
      let (start, end) = (batch.offsets[sequence], batch.offsets[sequence + 1])
      return switch mode {
      case .cls: start..<(start + 1)
      case .mean: start..<end
      case .lastToken: (end - 1)..<end
      }
    }
    let y = engine.matrix(batch.count, columns)
    Profile.measure(.pooling) {
      engine.parallel(batch.count) { sequence, _ in
        let (tokens, row) = (tokens(sequence), y.floats + sequence * columns)
        row.update(repeating: 0, count: columns)
        kernels.pointee.column_sums(
          x.value.floats + tokens.lowerBound * columns, 1 / Float(tokens.count), row, tokens.count, columns, 0, columns)
      }
    }
    let below = x.gradient
    return record(y, needed: below != nil, as: .pooling) { dy in
      let dx = engine.matrix(batch.tokens, columns)
      engine.parallel(batch.count) { sequence, _ in
        let used = tokens(sequence)
        for token in batch.offsets[sequence]..<batch.offsets[sequence + 1] {
          let row = dx.floats + token * columns
          row.update(repeating: 0, count: columns)
          guard used.contains(token) else { continue }
          kernels.pointee.add_scaled(dy.floats + sequence * columns, 1 / Float(used.count), row, columns)
        }
      }
      below?.add(dx, on: engine)
    }
  }
}
