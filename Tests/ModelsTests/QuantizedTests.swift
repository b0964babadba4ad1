/// Matrices in codes beside bitsandbytes, in numbers and in files. Golden files by Tests/Fixtures/generate/quantized.py.
import CPU
import Foundation
import JSONText
import TestSupport
import Tensors
import Testing

@testable import Models

private let folder = fixtures.appending(path: "quantized")

struct QuantizedTests {
  private struct Case: CustomTestStringConvertible {
    let key: String
    let format: CodeFormat
    let block: Int
    var testDescription: String { key }

    static let all: [Case] = {
      guard let file = try? SafeTensors(contentsOf: folder.appending(path: "matrices.safetensors")) else { return [] }
      return file.names.filter { $0.hasSuffix("/codes") }.sorted().compactMap { name in
        let parts = name.split(separator: "/")
        guard let format = CodeFormat(rawValue: String(parts[1])), let block = Int(parts[2]) else { return nil }
        return Case(key: String(name.dropLast("/codes".count)), format: format, block: block)
      }
    }()
  }

  private let file: SafeTensors
  private let cpu = CPU(threads: 2)

  init() throws { file = try SafeTensors(contentsOf: folder.appending(path: "matrices.safetensors")) }

  private func floats(_ name: String) throws -> [Float] { try file.raw(name).bytes.floats }

  @Test(arguments: Case.all)
  private func `codes and magnitudes are bitsandbytes', bit for bit`(one: Case) throws {
    guard one.format != .fp4 else { return }
    let coded = cpu.encoded(try file.stored("\(one.key)/original"), as: one.format, block: one.block)
    #expect(coded.codes.bytes == Data(try file.raw("\(one.key)/codes").bytes))
    guard !file.names.contains("\(one.key)/nested") else {
      let stored = try (floats("\(one.key)/nested_absmax"), floats("\(one.key)/offset")[0])
      let double = DoubleQuantization(coded.absmax.array, offset: stored.1)
      #expect(double.codes == Array(try file.raw("\(one.key)/nested").bytes))
      #expect(double.absmax == stored.0)
      #expect(try DoubleQuantization.levels == floats("\(one.key)/map"))
      // Its sum is in fp32, and its order another on other machines.
      #expect(abs(DoubleQuantization(coded.absmax.array).offset - stored.1) <= stored.1.ulp)
      return
    }
    #expect(try coded.absmax.array == floats("\(one.key)/absmax"))
  }

  @Test(arguments: Case.all)
  private func `codes decode to bitsandbytes' numbers, bit for bit`(one: Case) throws {
    let (original, codes) = try (file.stored("\(one.key)/original"), file.raw("\(one.key)/codes"))
    let coded = CodedMatrix(
      original.shape, one.format, block: one.block,
      codes: cpu.tensor(StoredTensor(codes.shape, .u8, bytes: codes.bytes)),
      absmax: cpu.tensor(try file.stored("\(one.key)/absmax")))
    #expect(try cpu.decoded(coded).array == cpu.tensor(file.stored("\(one.key)/decoded"), as: .f32).array)
  }

  @Test(arguments: ["qwen3", "qwen3-fp4", "qwen3-int8", "bert"])
  func `a folder that transformers quantized gives transformers' states`(name: String) throws {
    let url = folder.appending(path: name)
    let golden = try SafeTensors(contentsOf: url.appending(path: "golden.safetensors"))
    let checkpoint = try CheckpointFolder(url)
    let builder = ModelBuilder(checkpoint.weights(on: cpu))
    let body = try checkpoint.architecture.body(builder, at: "")
    for layer in builder.linears { #expect(layer.weight.isCoded, "\(layer.name)") }
    let batch = try ArchitectureGolden.batch(golden)
    let states = try body.forward(batch, asked: .all, on: Tape(on: cpu), Dropouts()).value.array
    #expect(try relativeError(states, golden.floats("states")) < 1e-5)
  }

  @Test(arguments: [.nf4(block: 32, isDouble: true), .nf4(block: 32, isDouble: false), Quantization.int8])
  func `a folder that is quantized here decodes as its matrices do, and says how for transformers`(how: Quantization)
    throws
  {
    let scratch = try ScratchFolder()
    let source = try CheckpointFolder(fixtures.appending(path: "architectures/qwen3"))
    var done = 0
    let count = try source.writeQuantized(how, to: scratch.url, on: cpu) { now, _ in done = now }
    let quantized = try CheckpointFolder(scratch.url)
    #expect(quantized.hasCodes && !source.hasCodes && done == 14)
    var numbers = 0
    for name in source.checkpoint.names {
      let original = try source.checkpoint.tensor(name, on: cpu).array
      let found = try quantized.checkpoint.tensor(name, on: cpu).array
      guard quantized.checkpoint.isCoded(name) else {
        #expect(found == original)
        continue
      }
      numbers += found.count
      let decoded = cpu.decoded(how.encoded(try source.checkpoint.storedTensor(name), on: cpu)).array
      #expect(how.isDouble ? zip(found, decoded).allSatisfy { abs($0 - $1) < 0.02 } : found == decoded, "\(name)")
    }
    #expect(count == numbers)
    let config = try Configuration(contentsOf: scratch.url.appending(path: "config.json"), in: scratch.url)
    let said = try #require(config.values["quantization_config"])
    let isInt8 = said["load_in_8bit"]?.bool == true
    #expect(isInt8 ? quantized.checkpoint.hasRowCodes : said["bnb_4bit_use_double_quant"]?.bool == how.isDouble)
    #expect(quantized.notices.contains { $0.contains("llm_int8_threshold") } == isInt8)
    #expect(said["llm_int8_skip_modules"]?.elements?.contains("score") == true)
    #expect(throws: CheckpointError.self) {
      try quantized.writeQuantized(how, to: scratch.url, on: cpu)
    }
  }

  @Test(arguments: ["qwen3", "qwen3-int8"])
  func `adapters train on a base in codes as on the same base decoded, and the base stays as it is`(name: String) throws
  {
    let url = folder.appending(path: name)
    func trained(decoded: Bool) throws -> [[Float]] {
      let checkpoint = try CheckpointFolder(url)
      let encoder =
        try decoded
        ? Encoder(
          checkpoint.architecture, pooling: [.mean],
          weights: GivenWeights { try checkpoint.checkpoint.tensor($0, on: cpu) }, on: cpu)
        : checkpoint.encoder(on: cpu, pooling: [.mean])
      try encoder.attach(lora: LoRASettings(r: 4, alpha: 8), seed: 3)
      let batch = try ArchitectureGolden.batch(SafeTensors(contentsOf: url.appending(path: "golden.safetensors")))
      let tape = Tape(on: cpu, records: true)
      let output = try encoder.forward(batch, on: tape)
      tape.backward(from: output, gradient: cpu.uniform(output.value.shape, -1..<1, seed: 1, stream: 1))
      return [output.value.array] + encoder.weights.compactMap { $0.gradient?.array }
    }
    #expect(try trained(decoded: false) == trained(decoded: true))
  }

  @Test func `a buffer of whole numbers stays as it is when an adapter is merged`() throws {
    let (base, merged) = (try ScratchFolder(), try ScratchFolder())
    let source = fixtures.appending(path: "models/sentence-transformer")
    try FileManager.default.removeItem(at: base.url)
    try FileManager.default.copyItem(at: source, to: base.url)
    let checkpoint = try CheckpointFolder(source).checkpoint
    let floats = try checkpoint.names.map { NamedTensor($0, try checkpoint.tensor($0, on: cpu)) }
    let positions = Data((0..<16).map { UInt8($0) })
    let buffer = NamedTensor("embeddings.position_ids", [1, 2], as: .i64) { positions }
    try SafeTensors.write(floats + [buffer], to: base.url.appending(path: "model.safetensors"))
    let adapter = fixtures.appending(path: "adapters/patterns")
    let changes = try ModelMerge(adapter, over: base.url, into: .dequantized, quantization: nil)
      .write(to: merged.url, on: cpu)
    let written = try SafeTensors(contentsOf: merged.url.appending(path: "model.safetensors"))
    #expect(!changes.isEmpty && written.names.count == floats.count + 1)
    #expect(try written.type(of: buffer.name) == .i64 && Data(written.raw(buffer.name).bytes) == positions)
  }

  @Test func `a layer in codes that should train whole is named`() throws {
    let encoder = try CheckpointFolder(folder.appending(path: "bert")).encoder(on: cpu)
    var settings = LoRASettings(r: 2, alpha: 2, targetModules: ["query"])
    settings.modulesToSave = ["key"]
    #expect(throws: ModelError.codesDoNotTrain("encoder.layer.0.attention.self.key")) {
      try encoder.attach(lora: settings, seed: 1)
    }
  }

  @Test(arguments: [
    ("down_proj.SCB\":{\"dtype\":\"F32\"", "down_proj.SCB\":{\"dtype\":\"I32\""),
    ("down_proj.weight_format\":{\"dtype\":\"U8\"", "down_proj.weight_format\":{\"dtype\":\"I8\""),
    ("\"blocksize\": 64", "\"blocksize\": 65"), ("\"quant_type\": \"nf4\"", "\"quant_type\": \"fp4\""),
    ("\"dtype\": \"float32\"", "\"dtype\": \"float64\""), ("\"shape\": [64", "\"shape\": [65"),
    ("\"nested_blocksize\": 256", "\"nested_blocksize\": 255"), ("{\"quant_type", "[\"quant_type"),
  ])
  func `what a state says wrongly is named with its tensor`(right: String, wrong: String) throws {
    let scratch = try ScratchFolder()
    try FileManager.default.removeItem(at: scratch.url)
    let name = right.hasPrefix("down_proj") ? "qwen3-int8" : "qwen3"
    try FileManager.default.copyItem(at: folder.appending(path: name), to: scratch.url)
    let weights = scratch.url.appending(path: "model.safetensors")
    var data = try Data(contentsOf: weights)
    let place = try #require(data.range(of: Data(right.utf8), options: .backwards))
    data.replaceSubrange(place, with: Data(wrong.utf8))
    try data.write(to: weights)
    #expect(throws: CheckpointError.self) { try CheckpointFolder(scratch.url) }
  }
}

extension ArchitectureGolden {
  /// Every sequence of a file that has ids and lengths.
  fileprivate static func batch(_ golden: SafeTensors) throws -> PackedBatch {
    let (ids, lengths) = try (golden.floats("ids").map { Int32($0) }, golden.floats("lengths").map { Int($0) })
    let ends = lengths.reduce(into: [0]) { $0.append($0.last! + $1) }
    return PackedBatch(zip(ends, ends.dropFirst()).map { Array(ids[$0..<$1]) }, chunkSize: 2)
  }
}
