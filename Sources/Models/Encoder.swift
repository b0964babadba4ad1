/// An encoder with pooling: token sequences → one vector each.
import Tensors

package final class Encoder: SequenceModel {
  package let architecture: any Architecture
  /// Their results stand side by side.
  package let pooling: [PoolingMode]
  package var dropout = Dropouts()
  package let parameters: Parameters
  private let body: any Body
  let dense: [DenseLayer]

  /// All weights are frozen at first. Throws `ModelError.shapeMismatch`, and what `weights` throws.
  package convenience init(
    _ architecture: any Architecture, pooling: [PoolingMode], weights: some WeightSource, on device: any Device
  ) throws {
    try self.init(architecture, pooling: pooling, dense: [], weights: weights, on: device)
  }

  /// - Parameter dense: what pooled vectors go through. These layers train whole, beside adapters, too.
  init(
    _ architecture: any Architecture, pooling: [PoolingMode], dense: [DenseLayer], weights: some WeightSource,
    on device: any Device
  ) throws {
    let builder = ModelBuilder(weights)
    self.architecture = architecture
    self.pooling = pooling
    self.dense = dense
    body = try architecture.body(builder, at: "")
    parameters = Parameters(builder, outer: dense.map(\.linear), on: device)
  }

  package var outputWidth: Int { dense.last?.linear.weight.rows ?? pooling.count * architecture.width }
  package var maxTokens: Int { architecture.maxTokens }

  package func forward(_ batch: PackedBatch, on tape: Tape) throws -> Variable {
    let asked = AskedTokens(pooling, in: batch)
    let states = try body.forward(batch, asked: asked, on: tape, dropout)
    let pooled = asked == .all ? tape.pool(states, pooling, batch: batch) : states
    return dense.reduce(pooled) { $1.linear($0, $1.activation, rows: batch.sequenceRows, on: tape) }
  }
}
