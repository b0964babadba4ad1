/// `quantization` of a stage: what planning makes of it.
import Foundation
import Testing

@Suite struct QuantizationTests {
  private let pipeline = """
    version: 1
    defaults: {seed: 7, threads: 1, memory: 500MB}
    stages:
      groups:
        uses: groups
        in: {data: data/questions.json, passages: data/book.jsonl}
      base:
        uses: init
        in: {groups: groups.groups, corpus: groups.corpus}
        with: {vocab_size: 120, hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64}
      written:
        uses: quantize
        in: {model: base.model}
        with: {block: 32}
      student:
        uses: dual-encoder
        in: {base: base.model, train: groups.groups}
        with: {epochs: 1, batch_size: 4, loss: mnr, lora: {r: 2, alpha: 4}, quantization: {block: 32}}
      vectors:
        uses: embed
        in: {model: base.model, texts: groups.corpus}
        with: {quantization: {block: 32}}

    """

  @Test func `a stage is put before each stage that asks for it, and all of them share one result`() async throws {
    let project = try Project(pipeline, data: smallData)
    let ended = try await project.retort("run", "pipeline.yaml")
    try #require(ended.code == 0, "\(ended.output)\(ended.errors)")
    let stages = try await project.retort("show", "latest", "--json").decoded(Run.self).stages
    func stage(_ name: String) throws -> Run.Stage { try #require(stages.first { $0.name == name }, "\(name)") }
    let written = try stage("written")
    for name in ["student.quantized", "vectors.quantized"] {
      #expect(try stage(name).key == written.key)
      #expect(try stage(name).outputs.mapValues(\.digest) == written.outputs.mapValues(\.digest))
    }
  }

  @Test func `a base that is quantized needs adapters to train`() async throws {
    let project = try Project(pipeline.replacing("lora: {r: 2, alpha: 4}, ", with: ""), data: smallData)
    let ended = try await project.retort("validate", "pipeline.yaml")
    #expect(ended.code != 0)
    #expect(ended.errors.contains("`quantization` keeps the base as it is: give `lora`"), "\(ended.errors)")
  }

  @Test func `blocks that are no power of two are told at their place`() async throws {
    let project = try Project(
      pipeline.replacing("{block: 32}}\n  vectors", with: "{block: 48}}\n  vectors"), data: smallData)
    let ended = try await project.retort("validate", "pipeline.yaml")
    #expect(ended.errors.contains("`block` is 32, 64"), "\(ended.errors)")
  }
}
