/// Models with given weights, and passes through them.
import CPU
import Foundation
import Tensors

@testable import Models

/// Weights that a test gives by name.
struct GivenWeights: WeightSource {
  let tensor: (String) throws -> Tensor

  func weight(_ request: WeightRequest) throws -> Weight {
    Weight(request.name, try tensor(request.name), decays: request.decays)
  }
}

extension SequenceModel {
  /// What the model gives in inference.
  func output(of batch: PackedBatch) throws -> Tensor { try forward(batch, on: Tape(on: device)).value }

  /// What it gives on a tape that records, with masks, and how to run back.
  func trainingPass(
    _ batch: PackedBatch, seed: UInt64, step: Int
  ) throws -> (output: Tensor, backward: (Tensor) -> Void) {
    let tape = Tape(on: device, records: true, masks: Tape.Masks(seed: seed, step: step))
    let output = try forward(batch, on: tape)
    return (output.value, { tape.backward(from: output, gradient: $0) })
  }
}

extension Weight {
  /// The numbers, read by the host.
  var array: [Float] { fp32.array }
}

extension SafeTensors {
  static func write(_ tensors: [String: Tensor], to file: URL) throws {
    try write(tensors.map { NamedTensor($0.key, $0.value) }, to: file)
  }
}

extension TensorFile {
  /// A tensor's elements, widened.
  func floats(_ name: String) throws -> [Float] { CPU(threads: 1).tensor(try stored(name), as: .f32).array }
}
