/// A training's state as bytes, and back: what a checkpoint holds.
import Foundation
import Models
import Tensors

/// Who is told of the moments from which a training can be taken up again.
package protocol TrainingKeeper {
  /// Between two steps, between an epoch's last step and its validation, and after that. Throws to end the training.
  func reached(_ state: TrainingState) throws
  /// After the last epoch, while the weights are still that epoch's.
  func finished(_ state: TrainingState) throws
}

/// A saved state of another model or training.
package struct UnfitState: Error, CustomStringConvertible {
  package let found: String
  package let expected: String
  package var description: String {
    "the saved training state does not fit this training: found \(found), expected \(expected); "
      + "`retort run FILE --force STAGE` starts anew"
  }
}

extension TrainingState {
  /// All but the tensors.
  private struct Outline: Codable {
    struct Weight: Codable, Equatable {
      var name: String
      var shape: [Int]
    }
    struct Best: Codable {
      var metric: ValidationMetric
      var validation: [ValidationMetric]
      var queries: [Double]?
      var epoch: Int
    }
    var weights: [Weight]
    var updates: Int
    var epoch: Int
    var batch: Int
    var step: Int
    var epochLoss: Double
    var validation: [ValidationMetric]
    // Absent from states that were saved before trainings were judged.
    var queries: [Double]?
    var start: [Double]?
    var curve: [ValidationMetric]?
    var best: Best?
    // Of tasks that have something to save.
    var task: Data?
  }

  private var shapes: [Outline.Weight] { weights.map { Outline.Weight(name: $0.name, shape: $0.value.shape) } }

  /// Whether every weight is a number: what is not is no state to go on from.
  package var isFinite: Bool { weights.allSatisfy(\.value.isFinite) }

  /// The state without its tensors, as JSON.
  package var outline: Data {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = .sortedKeys
      encoder.nonConformingFloatEncodingStrategy = .convertToString(
        positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
      return try encoder.encode(
        Outline(
          weights: shapes, updates: moments.step, epoch: epoch, batch: batch, step: step, epochLoss: epochLoss,
          validation: validation, queries: queries, start: start, curve: curve,
          best: best.map {
            Outline.Best(metric: $0.metric, validation: $0.validation, queries: $0.queries, epoch: $0.epoch)
          }, task: task))
    }
  }

  /// The tensors' bytes: weights, first moments, second moments, best weights where there are some. They are not
  /// copied: they change with the next step.
  package var tensors: [Data] {
    (weights.map(\.value) + moments.first + moments.second + (best?.weights ?? [])).map(\.bytes)
  }

  /// Whether a saved state knows what the training will be judged against.
  package static func hasStart(_ outline: Data) throws -> Bool {
    struct Start: Decodable { var start: [Double]? }
    return try JSONDecoder().decode(Start.self, from: outline).start != nil
  }

  /// Becomes the state that `outline` and `tensors` were read from; the model's weights become that state's.
  /// - Throws: `UnfitState`.
  package mutating func restore(outline: Data, tensors: [Data]) throws {
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let saved = try decoder.decode(Outline.self, from: outline)
    guard saved.weights == shapes else {
      throw UnfitState(
        found: "\(saved.weights.count) weights, first \(saved.weights.first.map { "`\($0.name)`" } ?? "none")",
        expected: "the model's \(weights.count) trainable ones")
    }
    let sizes = weights.map { $0.value.count * MemoryLayout<Float>.size }
    guard tensors.map(\.count) == [[Int]](repeating: sizes, count: saved.best == nil ? 3 : 4).flatMap({ $0 }) else {
      throw UnfitState(found: "\(tensors.count) tensors of other sizes", expected: "weights and moments")
    }
    let bestWeights = saved.best.map { _ in weights.map { $0.device.uninitialized($0.shape) } } ?? []
    for (tensor, bytes) in zip(weights.map(\.value) + moments.first + moments.second + bestWeights, tensors) {
      tensor.update(from: StoredTensor(tensor.shape, .f32, bytes: bytes))
    }
    for weight in weights { weight.changed() }
    moments.step = saved.updates
    epoch = saved.epoch
    batch = saved.batch
    step = saved.step
    epochLoss = saved.epochLoss
    validation = saved.validation
    queries = saved.queries ?? []
    start = saved.start ?? start
    curve = saved.curve ?? []
    task = saved.task
    best = saved.best.map {
      Best(
        metric: $0.metric, validation: $0.validation, queries: $0.queries ?? [], epoch: $0.epoch, weights: bestWeights)
    }
  }
}
