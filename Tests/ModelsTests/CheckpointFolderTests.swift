import CPU
import Foundation
import Models
import Tensors
import TestSupport
import Testing

@Suite struct CheckpointFolderTests {
  let engine = CPU(threads: 1)

  @Test func `a folder in today's sentence-transformers layout is read`() throws {
    let folder = try CheckpointFolder(golden.appending(path: "sentence-transformer"))
    var expected = SentenceSettings(maxSequenceLength: 12)
    expected.pooling = [.cls]
    expected.normalizes = true
    expected.prompts = ["query": "q: ", "document": "d: "]
    expected.defaultPromptName = "query"
    #expect(folder.settings == expected)
    #expect(
      folder.architecture as? Bert
        == Bert(
          vocabularySize: 25, hiddenSize: 8, layerCount: 2, headCount: 2, intermediateSize: 12, maximumPositions: 16))
    #expect(!folder.isCrossEncoder)
  }

  @Test(arguments: [
    ("0_Transformer", "sentence_transformers.models.Transformer"), ("0_BERT", "sentence_transformers.models.BERT"),
  ])
  func `a folder in the classic layout is read, its transformer in a folder of its own`(
    path: String, type: String
  ) throws {
    let scratch = try ScratchFolder()
    try copy("sharded", to: scratch.url.appending(path: path))
    try scratch.write(#"{"max_seq_length": 9, "do_lower_case": false}"#, to: "\(path)/sentence_bert_config.json")
    try scratch.write(
      #"{"word_embedding_dimension": 8, "pooling_mode_cls_token": false, "pooling_mode_lasttoken": true}"#,
      to: "1_Pooling/config.json")
    try scratch.write(
      """
      [{"idx": 0, "name": "0", "path": "\(path)", "type": "\(type)"},
       {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]
      """, to: "modules.json")
    let folder = try CheckpointFolder(scratch.url)
    var expected = SentenceSettings(maxSequenceLength: 9)
    expected.pooling = [.lastToken]
    #expect(folder.settings == expected)
    #expect(try folder.encoder(on: engine).pooling == [.lastToken])
  }

  @Test func `shards hold the same tensors as one file`() throws {
    let sharded = try CheckpointFolder(golden.appending(path: "sharded")).encoder(on: engine)
    let whole = try CheckpointFolder(golden.appending(path: "sentence-transformer")).encoder(on: engine)
    #expect(sharded.weights.map(\.name) == whole.weights.map(\.name))
    #expect(sharded.weights.map(\.array) == whole.weights.map(\.array))
  }

  @Test func `names with a prefix, old norms, buffers and pre-training heads are understood`() throws {
    let scratch = try ScratchFolder()
    try copy("sentence-transformer", to: scratch.url)
    let original = try CheckpointFolder(scratch.url).encoder(on: engine)
    var tensors = [
      "bert.embeddings.position_ids": engine.zeros([16]), "cls.predictions.bias": engine.zeros([25]),
      "qa_outputs.weight": engine.zeros([2, 8]), "qa_outputs.bias": engine.zeros([2]),
    ]
    for weight in original.weights {
      let name = weight.name.replacing("LayerNorm.weight", with: "LayerNorm.gamma")
        .replacing("LayerNorm.bias", with: "LayerNorm.beta")
      tensors["bert.\(name)"] = weight.fp32
    }
    try SafeTensors.write(tensors, to: scratch.url.appending(path: "model.safetensors"))
    let read = try CheckpointFolder(scratch.url).encoder(on: engine)
    #expect(read.weights.map(\.array) == original.weights.map(\.array))
  }

  @Test func `every missing, unexpected and misshapen tensor is named`() throws {
    let scratch = try ScratchFolder()
    try copy("sentence-transformer", to: scratch.url)
    var tensors: [String: Tensor] = [:]
    for weight in try CheckpointFolder(scratch.url).encoder(on: engine).weights { tensors[weight.name] = weight.fp32 }
    tensors["encoder.layer.1.output.dense.bias"] = nil
    tensors["embeddings.LayerNorm.bias"] = nil
    tensors["encoder.layer.2.output.dense.bias"] = engine.zeros([8])
    tensors["outputs.bias"] = engine.zeros([2])
    tensors["embeddings.LayerNorm.weight"] = engine.zeros([9])
    try SafeTensors.write(tensors, to: scratch.url.appending(path: "model.safetensors"))
    let folder = try CheckpointFolder(scratch.url)
    let error = #expect(throws: CheckpointError.self) { try folder.encoder(on: engine) }
    #expect(
      try #require(error).found == """
        missing tensors embeddings.LayerNorm.bias, encoder.layer.1.output.dense.bias; \
        unexpected tensors encoder.layer.2.output.dense.bias, outputs.bias; \
        misshapen tensors embeddings.LayerNorm.weight [9] instead of [8]
        """)
  }

  @Test func `an encoder becomes a cross-encoder with its own pooler and a new classifier, drawn by the seed`() throws {
    let folder = try CheckpointFolder(golden.appending(path: "sentence-transformer"))
    let (model, newModules) = try folder.crossEncoder(on: engine, seed: 3)
    #expect(newModules == ["classifier"])
    #expect(model.weights.map(\.name).filter { $0.contains("classifier") } == ["classifier.weight", "classifier.bias"])
    let classifiers = try [3, 3, 4].map { seed in
      try #require(folder.crossEncoder(on: engine, seed: seed).model.weights.first { $0.name == "classifier.weight" })
        .array
    }
    #expect(classifiers[0] == classifiers[1] && classifiers[0] != classifiers[2])
    let given = try CheckpointFolder(golden.appending(path: "classifier")).crossEncoder(on: engine, seed: 3)
    #expect(given.newModules == [])
    #expect(
      values(given.model.weights, "bert.pooler.dense.weight") == values(model.weights, "bert.pooler.dense.weight"))
  }

  @Test func `a cross-encoder is refused where an encoder is due`() throws {
    let folder = try CheckpointFolder(golden.appending(path: "classifier"))
    #expect(throws: CheckpointError.self) { try folder.encoder(on: engine) }
  }

  @Test(arguments: [
    ("config.json", #""model_type": "bert""#, #""model_type": "t5""#, #"found "t5", expected "bert""#),
    ("config.json", #""hidden_size": 8,"#, "", #"key "hidden_size": found nothing"#),
    (
      "config.json", #""hidden_act": "gelu""#, #""hidden_act": "relu""#,
      #"found "relu", expected "gelu" or "gelu_fast" or "gelu_new""#
    ),
    ("config.json", #""num_attention_heads": 2"#, #""num_attention_heads": 3"#, "a divisor of hidden_size 8"),
    ("config.json", #""vocab_size": 25"#, #""vocab_size": -1"#, "a size from 1"),
    ("config.json", #""is_decoder": false"#, #""is_decoder": true"#, #"key "is_decoder": found true"#),
    ("config.json", #""hidden_act": "gelu""#, #""hidden_act": "quick_gelu""#, #"found "quick_gelu", expected "gelu""#),
    (
      "config_sentence_transformers.json", #""cosine""#, #""manhattan""#,
      #"found "manhattan", expected "cosine" or "dot""#
    ),
    (
      "config_sentence_transformers.json", #""cosine""#, #""cosine", "truncate_dim": 0"#,
      #"key "truncate_dim": found 0, expected null or a size from 1"#
    ),
    (
      "1_Pooling/config.json", #""cls""#, #""cls+max""#,
      #"key "pooling_mode": found "cls+max", expected "cls", "max", "mean", "mean_sqrt_len_tokens", "#
    ),
    ("1_Pooling/config.json", #""cls""#, "[]", #"key "pooling_mode": found an empty list"#),
    ("sentence_bert_config.json", "{", #"{"max_seq_length": 0, "#, "expected 1 to max_position_embeddings, 16"),
    ("modules.json", "normalize.Normalize", "layer_norm.LayerNorm", "found Transformer, Pooling, LayerNorm"),
    ("modules.json", "pooling.Pooling", "dense.Dense", "found Transformer, Dense, Normalize"),
    ("modules.json", #""path": "1_Pooling""#, #""path": "../x""#, "a folder inside this one"),
    ("1_Pooling/config.json", #""cls""#, #"["cls", "median"]"#, #"key "pooling_mode": found "median""#),
    (
      "config_sentence_transformers.json", #""default_prompt_name": "query""#, #""default_prompt_name": "ask""#,
      #"one of the prompts ["document", "query"]"#
    ),
  ])
  func `what is not supported is named with its file`(path: String, old: String, new: String, message: String) throws {
    let scratch = try ScratchFolder()
    try copy("sentence-transformer", to: scratch.url)
    let text = try String(contentsOf: scratch.url.appending(path: path), encoding: .utf8)
    #expect(text.contains(old))
    try scratch.write(text.replacing(old, with: new), to: path)
    let error = #expect(throws: CheckpointError.self) { try CheckpointFolder(scratch.url) }
    let description = try #require(error).description
    #expect(description.contains(path) && description.contains(message), "\(description)")
  }

  @Test func `all keys of config.json that do not fit are named at once`() throws {
    let scratch = try ScratchFolder()
    try copy("sentence-transformer", to: scratch.url)
    var config = try Configuration(contentsOf: scratch.url.appending(path: "config.json"), in: scratch.url)
    config.values["hidden_size"] = nil
    config.values["hidden_act"] = "relu"
    config.values["vocab_size"] = "many"
    config.values["is_decoder"] = true
    try config.write()
    let error = #expect(throws: CheckpointError.self) { try CheckpointFolder(scratch.url) }
    let text = try #require(error).description
    for part in [
      #"key "hidden_act": found "relu""#, #"key "is_decoder": found true"#, #"key "vocab_size": found "many""#,
      #"key "hidden_size": found nothing"#,
    ] { #expect(text.contains(part), "\(text)") }
  }

  @Test func `a folder without weights says which files may hold them`() throws {
    let scratch = try ScratchFolder()
    try copy("sentence-transformer", to: scratch.url)
    try FileManager.default.removeItem(at: scratch.url.appending(path: "model.safetensors"))
    let error = #expect(throws: CheckpointError.self) { try CheckpointFolder(scratch.url) }
    #expect(try #require(error).found == "neither model.safetensors nor pytorch_model.bin")
  }

  private func copy(_ name: String, to folder: URL) throws {
    let files = FileManager.default
    try files.createDirectory(at: folder, withIntermediateDirectories: true)
    for item in try files.contentsOfDirectory(at: golden.appending(path: name), includingPropertiesForKeys: nil) {
      try files.copyItem(at: item, to: folder.appending(path: item.lastPathComponent))
    }
  }
}

func values(_ weights: [Weight], _ name: String) -> [Float]? { weights.first { $0.name == name }?.array }
