/// `quantize`: a model whose linear maps take 4 or 8 bits a number.
import Foundation
import Models
import Pipelines

/// How a model's matrices are quantized.
enum QuantizedType: String, ParameterChoice {
  /// Sixteen quantiles of a normal distribution.
  case nf4
  /// Whole numbers of 8 bits.
  case int8
}

/// What `quantization` says of a stage that loads models: planning puts a stage `quantize` before it.
struct QuantizationParameters: ParameterGroup {
  @Parameter(
    "How matrices are quantized: nf4, sixteen quantiles of a normal distribution, or int8, whole numbers of 8 bits row "
      + "by row, as LLM.int8 has them.")
  var type = QuantizedType.nf4
  @Parameter("With nf4, numbers that share their largest magnitude: 32, 64, … 4096.", in: 32...4096) var block = 64
  @Parameter("With nf4, quantize these magnitudes themselves, to 8 bits.") var double = true

  init() {}

  var problems: [String] {
    if type == .int8, block != 64 || !double { return ["`block` and `double` are of nf4: leave them out with int8"] }
    return block.nonzeroBitCount == 1 ? [] : ["`block` is 32, 64, 128, 256, 512, 1024, 2048 or 4096, not \(block)"]
  }

  /// As models have it.
  var meaning: Quantization { type == .int8 ? .int8 : .nf4(block: block, isDouble: double) }
}

struct Quantize: Stage {
  static let kind = StageKind("quantize", revision: 1)
  static let abstract =
    "Quantizes a model's linear maps to 4 or 8 bits, as bitsandbytes does: to train adapters on, or to run."
  static let metrics = [
    MetricDescription("quantized", "Numbers that are in codes.", nil),
    MetricDescription("bytes", "Bytes of the weights' file.", .lower),
  ]

  @Input("The model, whole: a bi-encoder or a cross-encoder.", as: .either) var model: ModelFolder
  @Shared var quantization: QuantizationParameters
  @Output("Its folder with matrices in codes, which transformers with bitsandbytes opens, too.")
  var quantized: ModelFolder

  func problems() -> [String] { quantization.problems }

  func run(_ context: StageContext) async throws {
    let folder = try CheckpointFolder(model.url, base: model.base)
    let file = quantized.url.appending(path: "model.safetensors")
    let numbers = try folder.writeQuantized(
      quantization.meaning, to: quantized.url, on: context.device
    ) { context.progress($0, of: $1, detail: "matrices") }
    try FolderTemperature(in: model.url)?.write(to: quantized.url)
    let bytes = try FileManager.default.attributesOfItem(atPath: file.path)[.size] as? Int ?? 0
    context.log("[quantize] Numbers in codes: \(numbers) | Bytes of the weights: \(bytes)")
    context.metric("quantized", Double(numbers))
    context.metric("bytes", Double(bytes))
  }
}
