/// `average`: one model out of several that were trained from one base.
import Foundation
import Models
import Pipelines

struct Average: Stage {
  static let kind = StageKind("average", revision: 1)
  static let abstract = "Averages the weights of several models of one architecture and tokenizer (a soup)."
  static let numeric = true

  @Input("Models to average, whole or merged: bi-encoders or cross-encoders that were trained from one base.")
  var models: [ModelFolder]
  @Parameter("What each model counts, in their order; empty: all alike.") var weights: [Double] = []
  @Output("Their mean, in the first one's type, with its tokenizer, pooling and prompts.") var model: ModelFolder

  func problems() -> [String] {
    weights.allSatisfy { $0.isFinite && $0 >= 0 } && (weights.isEmpty || weights.contains { $0 > 0 })
      ? [] : ["`weights` are numbers from 0 on, not all of them 0"]
  }

  func run(_ context: StageContext) async throws {
    guard weights.isEmpty || weights.count == models.count else {
      throw StageInputError("`weights` has \(weights.count) numbers for \(models.count) models")
    }
    let counts = weights.isEmpty ? models.map { _ in 1 } : weights
    let folders = try models.map { try CheckpointFolder($0.url) }
    try ModelMean(folders, weights: counts).write(to: model.url, on: context.device)
    let temperatures = try models.compactMap { try FolderTemperature(in: $0.url)?.logTemperature }
    if let first = temperatures.first, temperatures.count == models.count {
      let change = zip(temperatures, counts).reduce(0) { $0 + ($1.0 - first) * $1.1 } / counts.reduce(0, +)
      try FolderTemperature(logTemperature: first + change).write(to: model.url)
    }
    context.log("[average] Models: \(models.count) | Weights: \(counts.map { "\($0)" }.joined(separator: ", "))")
  }
}
