/// `retort model inspect MODEL`: what a model is, and what it takes, from its configuration and headers alone.
import ArgumentParser
import Basics
import CPU
import Foundation
import Hub
import Lineage
import Models
import Reports
import Stages
import Tensors
import Tokenizers
import Training

struct InspectModel: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Says what a model is, and what encoding and training take; reads and downloads no weights.",
    discussion: """
      Of hf://org/name only configurations, the tokenizer and the headers of safetensors files are downloaded. Memory \
      is what tensors take at their peak, by a rehearsal of one batch whose texts all have the greatest length; a \
      training that has less memory runs its batch in parts, down to a text at a time. The program itself takes some ten \
      megabytes besides, and the tokenizer its size.
      """)

  @Argument(help: "The model's folder, or hf://org/name[@revision].", completion: .directory) var model: String
  @Option(help: "Tokens of a text, special ones included; as the model says, 512 at most, unless given.")
  var maxLen: Int?
  @Option(help: "Texts in a batch.") var batchSize = 16
  @Option(help: "Rank of the low-rank adapters, on every linear layer.") var loraR = 16
  @Option(help: "Threads that compute.") var threads = ProcessInfo.processInfo.processorCount
  @Option(help: "Of the model's products.") var precision = PrecisionOption.auto
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard maxLen ?? 1 > 0, batchSize > 0, loraR > 0, threads > 0 else {
      throw ValidationError("--max-len, --batch-size, --lora-r and --threads take positive numbers")
    }
    guard batchSize <= 100_000, loraR <= 65_536 else {
      throw ValidationError("--batch-size takes at most 100000, --lora-r at most 65536")
    }
  }

  func run() throws {
    let report: ModelReport
    if let reference = try hubReference(model) {
      let (hub, line) = (Hub(), DownloadLine())
      let outlines = HubOutlines(hub, watcher: line.show)
      let (revision, folder) = try outlines.look(at: reference)
      line.erase()
      report = try self.report(on: folder, commit: revision.commit, licence: hub.licence(of: revision))
      withExtendedLifetime(outlines) {}
    } else {
      let folder = URL(filePath: model)
      report = try self.report(on: folder, commit: nil, licence: Licence(folder: folder))
    }
    if json { return try printJSON(report) }
    Terminal.say(report.text)
  }

  private func report(on url: URL, commit: String?, licence: Licence?) throws -> ModelReport {
    let folder = try CheckpointFolder(url)
    let (_, tokenizer, notices) = try folder.isCrossEncoder ? CrossEncoder.open(url) : BiEncoder.open(url)
    let cpu = CPU(threads: threads, precision: precision.precision)
    let forecast = MemoryForecast(of: folder, on: cpu)
    let longest = folder.architecture.maxTokens
    let tokens = min(maxLen ?? min(folder.settings.maxSequenceLength, 512), longest)
    let lora = LoRASettings(
      r: loraR, alpha: Double(2 * loraR), dropout: 0.1, targetModules: ["all-linear"], useRSLoRA: false,
      modulesToSave: folder.isCrossEncoder ? ["classifier"] : [])
    var memory = [
      ModelReport.Memory(
        work: "encode", texts: batchSize, bytes: try forecast.encoding(texts: batchSize, tokens: tokens))
    ]
    let trainings: [(work: String, lora: LoRASettings?)] =
      [("train with LoRA", lora)] + (folder.hasCodes ? [] : [("train whole", nil)])
    for (work, lora) in trainings {
      for texts in distinct([batchSize, 1]) {
        memory.append(
          ModelReport.Memory(
            work: work, texts: texts, lora: lora?.r,
            bytes: try forecast.training(texts: texts, tokens: tokens, lora: lora)))
      }
    }
    return try ModelReport(
      model, folder, tokenizer, notices: notices, commit: commit, licence: licence?.name,
      ModelReport.Forecast(
        tokens: tokens, threads: threads, precision: precision.precision.rawValue, memory: memory))
  }
}
