/// What the small files of a model's folder say is done as sentence-transformers does it.
import CPU
import Foundation
import Models
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct FolderVectorTests {
  private struct Golden: Decodable {
    struct Vectors: Decodable { let query, passage, `default`: [[Float]]? }
    let queries, passages: [String]
    let prompted, plain: Vectors
    struct Truncated: Decodable { let `default`, unit: [[Float]] }
    let truncated: [String: Truncated]
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

  private func encoder() throws -> BiEncoder { try BiEncoder(folder: folder, on: CPU(threads: 1)) }

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

  private static let normalizing = """
    [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
     {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
     {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]
    """

  @Test func `a folder's dot product is known, and is the cosine where vectors are scaled to length 1`() throws {
    #expect(try prompted().similarity == .dot)
    try scratch.write(Self.normalizing, to: "model/modules.json")
    #expect(try encoder().similarity == .cosine)
  }

  @Test(arguments: ["cosine", "dot"])
  func `vectors are truncated after the folder's own scaling and before any other`(similarity: String) throws {
    try scratch.write(Self.normalizing, to: "model/modules.json")
    try scratch.write(#"{"pooling_mode": "mean"}"#, to: "model/1_Pooling/config.json")
    try scratch.write(
      #"{"similarity_fn_name": "\#(similarity)", "truncate_dim": 5}"#, to: "model/config_sentence_transformers.json")
    let encoder = try encoder()
    #expect(encoder.width == 5 && encoder.similarity.rawValue == similarity)
    let expected = try #require(golden.truncated[similarity])
    #expect(try error(encoder.encode(golden.queries), expected.default) < 1e-5)
    #expect(try error(encoder.encode(golden.queries, normalizing: true), expected.unit) < 1e-5)
    #expect(try error(encoder.embed(encoder.tokenize(golden.queries)), expected.default) < 1e-5)
    let copy = scratch.url.appending(path: "copy")
    try encoder.folder.write(encoder.model, settings: encoder.folder.settings, to: copy)
    #expect(try BiEncoder.open(copy).folder.settings.truncateDimension == 5)
    try change("config_sentence_transformers.json", "5", "500")
    #expect(try self.encoder().width == 32)
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

  /// Made by Tests/Fixtures/generate/dense.py.
  private struct Numpy: Decodable {
    let queries: [String]
    let gelu_new, dense: [[Float]]

    static func read() throws -> Numpy {
      try JSONDecoder().decode(Numpy.self, from: Data(contentsOf: fixtures.appending(path: "folders/numpy.json")))
    }
  }

  private func change(_ path: String, _ old: String, _ new: String) throws {
    let text = try String(contentsOf: folder.appending(path: path), encoding: .utf8)
    try #require(text.contains(old))
    try scratch.write(text.replacing(old, with: new), to: "model/\(path)")
  }

  @Test(arguments: ["gelu_new", "gelu_pytorch_tanh", "gelu_fast"])
  func `models with gelu's tanh form give numpy's vectors`(name: String) throws {
    let numpy = try Numpy.read()
    try change("config.json", #""hidden_act": "gelu""#, #""hidden_act": "\#(name)""#)
    #expect(try error(encoder().encode(numpy.queries), numpy.gelu_new) < 1e-5)
    // The two forms differ by more than that.
    #expect(try error(encoder().encode(numpy.queries), golden.plain.default) > 1e-4)
  }

  /// Made by Tests/Fixtures/generate/pooling.py.
  private struct Pooled: Decodable {
    struct Case: Decodable {
      let config: String
      let query: [[Float]]
    }
    let texts: [String]
    let cases: [Case]
  }

  @Test func `tokens are pooled as sentence-transformers pools them, prompts left out or not, and a copy does it too`()
    throws
  {
    _ = try prompted()
    let golden = try JSONDecoder().decode(
      Pooled.self, from: Data(contentsOf: fixtures.appending(path: "folders/pooling.json")))
    #expect(golden.cases.count == 25)
    for (number, pooled) in golden.cases.enumerated() {
      try scratch.write(pooled.config, to: "model/1_Pooling/config.json")
      let encoder = try encoder()
      #expect(try error(encoder.encode(golden.texts, as: .query), pooled.query) < 1e-5, "\(pooled.config)")
      #expect(
        try error(encoder.embed(encoder.tokenize(golden.texts, as: .query)), pooled.query) < 1e-5, "\(pooled.config)")
      let copy = scratch.url.appending(path: "copy-\(number)")
      try encoder.folder.write(encoder.model, settings: encoder.folder.settings, to: copy)
      let again = try BiEncoder(folder: copy, on: CPU(threads: 1))
      #expect(try error(again.encode(golden.texts, as: .query), pooled.query) < 1e-5, "\(pooled.config)")
    }
  }

  private func dense() throws {
    let files = fixtures.appending(path: "folders/dense")
    for item in try FileManager.default.contentsOfDirectory(at: files, includingPropertiesForKeys: nil) {
      try FileManager.default.copyItem(at: item, to: folder.appending(path: item.lastPathComponent))
    }
  }

  @Test func `vectors go through the folder's Dense modules, with their activations and biases`() throws {
    try dense()
    let numpy = try Numpy.read()
    let encoder = try encoder()
    #expect(encoder.model.outputWidth == 6)
    #expect(try error(encoder.encode(numpy.queries), numpy.dense) < 1e-5)
  }

  @Test func `Dense modules are written as they were read`() throws {
    try dense()
    let (encoder, copy) = (try encoder(), scratch.url.appending(path: "copy"))
    try encoder.folder.write(encoder.model, settings: encoder.folder.settings, to: copy)
    for file in ["2_Dense/model.safetensors", "3_Dense/model.safetensors"] {
      let tensors = try [folder, copy].map { try SafeTensors(contentsOf: $0.appending(path: file)) }
      #expect(try TensorDifference(tensors[0], tensors[1]) == nil)
    }
    let numpy = try Numpy.read()
    #expect(try error(BiEncoder(folder: copy, on: CPU(threads: 1)).encode(numpy.queries), numpy.dense) < 1e-5)
  }

  @Test(arguments: [
    (#""in_features": 32"#, #""in_features": 16"#, "expected 32, the size of what goes in"),
    (#""out_features": 12"#, #""out_features": 13"#, "expected linear.weight [13, 32], linear.bias [13]"),
    (
      #""bias": true"#, #""bias": false"#,
      "found linear.bias [12], linear.weight [12, 32], expected linear.weight [12, 32]"
    ),
    ("Tanh", "ReLU", "found \"torch.nn.modules.activation.ReLU\""),
    ("{", #"{"use_residual": true,"#, "expected false"),
    ("{", #"{"module_input_name": "token_embeddings","#, "expected \"sentence_embedding\""),
  ])
  func `a Dense module that is not as it says, or does something else, is refused`(
    old: String, new: String, message: String
  ) throws {
    try dense()
    try change("2_Dense/config.json", old, new)
    let error = #expect(throws: CheckpointError.self) { try encoder() }
    #expect(try #require(error).description.contains(message), "\(error as Any)")
  }

  @Test func `small letters are asked for by the folder, prompts included, and kept`() throws {
    _ = try prompted()
    try change("tokenizer.json", #""lowercase": true"#, #""lowercase": false"#)
    try change("tokenizer_config.json", #""do_lower_case": true"#, #""do_lower_case": false"#)
    let texts = golden.queries.map { $0.uppercased() }
    try change("config_sentence_transformers.json", "a b ", "A b ")
    #expect(try error(encoder().encode(texts, as: .query), golden.prompted.query) > 1e-2)
    try scratch.write(#"{"do_lower_case": true}"#, to: "model/sentence_bert_config.json")
    let lower = try encoder()
    #expect(try error(lower.encode(texts, as: .query), golden.prompted.query) < 1e-5)
    #expect(try error(lower.embed(lower.tokenize(texts, as: .query)), golden.prompted.query) < 1e-5)
    #expect(lower.prompted("É", as: .query) == "a b é")
    let copy = scratch.url.appending(path: "copy")
    try lower.folder.write(lower.model, settings: lower.folder.settings, to: copy)
    #expect(try BiEncoder.open(copy).folder.settings.lowercases)
  }

  /// Values of Python 3.13's `str.lower`.
  @Test(arguments: [
    ("Straße ÄÖ", "straße äö"), ("ΟΔΟΣ", "οδος"), ("ΟΔΟΣ ΣΟΦΙΑ", "οδος σοφια"), ("Σ", "σ"), ("ΑΣ.", "ας."),
    ("ΑΣ.Α", "ασ.α"),
    ("Α\u{301}Σ\u{301}", "α\u{301}ς\u{301}"), ("İI", "i\u{307}i"), ("ẞ", "ß"), ("한글 ABC", "한글 abc"), ("ABC", "abc"),
    ("Ⅷ", "ⅷ"), ("1Σ", "1σ"),
  ])
  func `small letters are Python's`(text: String, expected: String) {
    #expect(Array(text.lowercasedAsPython.unicodeScalars) == Array(expected.unicodeScalars))
  }

  @Test func `a text that a prompt without a special token at its end leaves nothing of is named`() throws {
    _ = try prompted()
    try scratch.write(#"{"pooling_mode": "mean", "include_prompt": false}"#, to: "model/1_Pooling/config.json")
    // Without a template an empty text has its prompt's tokens alone.
    try change("tokenizer_config.json", "BertTokenizer", "PreTrainedTokenizerFast")
    let file = folder.appending(path: "tokenizer.json")
    var fields = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
    fields["post_processor"] = NSNull()
    try JSONSerialization.data(withJSONObject: fields).write(to: file)
    let encoder = try encoder()
    #expect(throws: Never.self) { try encoder.encode(["a"], as: .query) }
    let error = #expect(throws: EmptyText.self) { try encoder.encode(["a", ""], as: .query) }
    #expect(
      try #require(error).description
        == "the text of text 2 has no token besides special ones and its prompt's; remove the record or give it a text")
  }

  @Test func `equal texts with other parts that are pooled are told apart`() throws {
    _ = try prompted()
    try scratch.write(#"{"pooling_mode": "mean", "include_prompt": false}"#, to: "model/1_Pooling/config.json")
    let encoder = try encoder()
    #expect(encoder.identity(of: "c", as: .query) != encoder.identity(of: "a b c", as: .plain))
    try scratch.write(#"{"pooling_mode": "mean"}"#, to: "model/1_Pooling/config.json")
    #expect(try self.encoder().identity(of: "c", as: .query) == encoder.identity(of: "a b c", as: .plain))
  }
}
