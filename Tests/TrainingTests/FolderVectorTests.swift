/// What the small files of a model's folder say is done as sentence-transformers does it.
import Foundation
import Models
import Tensors
import TestSupport
import Testing
import Training

@Suite struct FolderVectorTests {
  private struct Golden: Decodable {
    struct Vectors: Decodable { let query, passage, `default`: [[Float]]? }
    let queries, passages: [String]
    let prompted, plain: Vectors
  }

  /// Made by Tests/Fixtures/generate/folders.py.
  private let golden: Golden
  private let scratch: ScratchFolder
  private let folder: URL

  init() throws {
    golden = try JSONDecoder().decode(
      Golden.self, from: Data(contentsOf: fixtures.appending(path: "folders/vectors.json")))
    scratch = try ScratchFolder()
    folder = scratch.url.appending(path: "model")
    try FileManager.default.copyItem(at: fixtures.appending(path: "pytorch/base"), to: folder)
  }

  private func encoder() throws -> BiEncoder { try BiEncoder(folder: folder, engine: Engine(threads: 1)) }

  /// Lays the files of a folder with prompts and a dot product over the plain encoder's.
  private func prompted() throws -> BiEncoder {
    let files = fixtures.appending(path: "folders/prompted")
    for item in try FileManager.default.contentsOfDirectory(at: files, includingPropertiesForKeys: nil) {
      try FileManager.default.copyItem(at: item, to: folder.appending(path: item.lastPathComponent))
    }
    return try encoder()
  }

  private func error(_ found: Tensor, _ expected: [[Float]]?) throws -> Float {
    let expected = try #require(expected).flatMap(\.self)
    #expect(found.array.count == expected.count)
    return zip(found.array, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
  }

  @Test func `queries and passages get the folder's prompts for them, others the default one`() throws {
    let encoder = try prompted()
    #expect(try error(encoder.encode(golden.queries, as: .query), golden.prompted.query) < 1e-5)
    #expect(try error(encoder.encode(golden.passages, as: .passage), golden.prompted.passage) < 1e-5)
    #expect(try error(encoder.encode(golden.queries), golden.prompted.default) < 1e-5)
    let inputs = try encoder.tokenize(golden.queries, as: .query)
    #expect(try error(encoder.embed(inputs), golden.prompted.query) < 1e-5)
  }

  @Test func `a folder's dot product is known, and is the cosine where vectors are scaled to length 1`() throws {
    #expect(try prompted().similarity == .dot)
    try scratch.write(
      """
      [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
       {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
       {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]
      """, to: "model/modules.json")
    #expect(try encoder().similarity == .cosine)
  }

  @Test func `a plain encoder takes mean pooling and says so`() throws {
    let encoder = try encoder()
    #expect(try error(encoder.encode(golden.queries), golden.plain.default) < 1e-5)
    #expect(encoder.notices == ["the model's folder does not say how it pools tokens: the mean of all is taken"])
    #expect(try prompted().notices == [])
  }

  @Test func `a length beyond the model's positions is cut to these and told`() throws {
    try scratch.write(#"{"max_seq_length": 512}"#, to: "model/sentence_bert_config.json")
    let encoder = try encoder()
    #expect(encoder.maxTokens == 16)
    #expect(encoder.notices.contains("max_seq_length 512 is beyond the model's 16 positions: texts are cut at these"))
    #expect(try error(encoder.encode(golden.queries), golden.plain.default) < 1e-5)
  }

  @Test func `prompts that are not pooled are refused`() throws {
    _ = try prompted()
    try scratch.write(
      #"{"embedding_dimension": 32, "pooling_mode": "mean", "include_prompt": false}"#,
      to: "model/1_Pooling/config.json")
    let error = #expect(throws: CheckpointError.self) { try encoder() }
    #expect(try #require(error).found == "include_prompt: false with prompts")
  }
}
