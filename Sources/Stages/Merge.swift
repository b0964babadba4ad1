/// `merge`: an adapter and its base become one model.
import Foundation
import Models
import Pipelines

extension ModelMerge.Target: ParameterChoice {}

struct Merge: Stage {
  static let kind = StageKind("merge", revision: 1)
  static let abstract = "Merges an adapter into its base, decoded or original, and measures what quantizing changed."
  static let numeric = true
  static let metrics = [
    MetricDescription("adapter_mean", "Mean magnitude of the adapter's change of a number.", nil),
    MetricDescription("rounding_mean", "Mean magnitude of the change that quantizing the base made.", .lower),
    MetricDescription("rounding_share", "Rounding's mean change, as a multiple of the adapter's.", .lower),
  ]

  @Input("PEFT's folder, or a trained model's with `adapter/` in it.") var adapter: ModelFolder
  @Input("The model that the adapter changes, as it was before `quantization`; or one in codes.") var base: ModelFolder
  @Parameter(
    "What the adapter is added to: the base decoded, beside which it was trained, or the base as it was before it was "
      + "quantized, whose rounding the adapter has learnt to make up for.")
  var into = ModelMerge.Target.dequantized
  @Group("How the base was quantized before the adapter was trained on it; absent: it was not, or is in codes.")
  var quantization: QuantizationParameters?
  @Output("The merged model, in the base's type.") var merged: ModelFolder
  @Output("Mean and largest change of each matrix by rounding and by the adapter, JSON.", file: "merge.json")
  var changes: ResultFile

  func problems() -> [String] { quantization?.problems ?? [] }

  func run(_ context: StageContext) async throws {
    let merge = try ModelMerge(
      adapter.url, over: base.url, into: into,
      quantization: quantization?.meaning)
    let all = try merge.write(to: merged.url, on: context.device)
    try FolderTemperature(in: adapter.url)?.write(to: merged.url)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try encoder.encode(all).write(to: changes.url)
    let own = mean(all.map(\.adapter.mean))
    context.log("[merge] Matrices with an adapter: \(all.count) | Into: \(into.rawValue)")
    context.metric("adapter_mean", own)
    guard quantization != nil else { return }
    let rounding = mean(all.compactMap(\.rounding?.mean))
    context.metric("rounding_mean", rounding)
    if own > 0 { context.metric("rounding_share", rounding / own) }
    if into == .original, rounding > own {
      context.warn(
        "[merge] quantizing changed the base by \(short(rounding)) a number, the adapter by \(short(own)): it was "
          + "trained beside the rounded numbers, and `into: original` takes the rounding back without it having learnt so; "
          + "evaluate the merged model, or merge `into: dequantized`")
    }
  }

  private func short(_ number: Double) -> String { String(format: "%.3g", number) }

  private func mean(_ numbers: [Double]) -> Double { numbers.reduce(0, +) / Double(max(1, numbers.count)) }
}
