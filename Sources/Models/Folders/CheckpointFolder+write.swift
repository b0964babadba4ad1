/// Writes trained models as folders that sentence-transformers loads. Nothing in them tells time or place.
import Basics
import Foundation
import JSONText
import Tensors

extension CheckpointFolder {
  /// A sentence-transformers folder of `encoder`, which started from this folder: merged weights, and what the base has
  /// and training leaves alone (its pooler, tokenizer and other keys). Adapters are also kept in `adapter/`, in PEFT's
  /// layout.
  package func write(
    _ encoder: Encoder, settings: SentenceSettings, as saved: SavedType = .base, to folder: URL
  ) throws {
    let type = try saved.type(from: checkpoint)
    let untouched = try architecture.poolerShapes.filter { contains($0.name) }.map { name, _ in
      NamedTensor(name, try tensor(name, on: encoder.device))
    }
    try write(encoder, task: .featureExtraction, others: untouched, as: type, to: folder) { config in
      config["architectures"] = [.string(architecture.classes.encoder)]
    }
    try write(settings, to: folder)
    for (place, (module, layer)) in zip(dense, encoder.dense).enumerated() {
      try module.write(
        zip(module.shapes, layer.linear.ownWeights).map { NamedTensor($1, as: $0.name) }, as: type,
        to: folder.appending(path: "\(place + 2)_Dense"))
    }
  }

  /// Writes how token vectors become a sentence's.
  func write(_ settings: SentenceSettings, to folder: URL) throws {
    let general = try Configuration(ifPresent: url.appending(path: SentenceSettings.generalFile), in: url)
    try settings.write(
      to: folder, embeddingDimension: architecture.width, dense: dense.count, general: general?.values)
  }

  /// Writes a folder of `model`, which started from this folder: merged weights, as many labels as that had, or one.
  /// With a pooler it is for sentence-transformers' `CrossEncoder`, a sigmoid after a single logit; without, which no
  /// class there has, for Retort alone, and others load the encoder in it. Adapters and new heads are also kept in
  /// `adapter/`, in PEFT's layout.
  package func write(
    _ model: SequenceClassifier, maxSequenceLength: Int, as saved: SavedType = .base, to folder: URL
  ) throws {
    let type = try saved.type(from: checkpoint)
    try write(model, task: .sequenceClassification, others: [], as: type, to: folder) { config in
      if model.kind == .firstToken {
        config["architectures"] = [.string(architecture.classes.encoder)]
        return config[CrossEncoderHead.key] = .string(model.kind.rawValue)
      }
      config["architectures"] = [.string(architecture.classes.classifier)]
      // Two are what transformers assumes, or what the base's configuration names.
      guard model.outputWidth == 1 else { return }
      config["id2label"] = ["0": "LABEL_0"]
      config["label2id"] = ["LABEL_0": 0]
      let sigmoid = JSONValue.string("torch.nn.modules.activation.Sigmoid")
      config["sentence_transformers"] = ["activation_fn": sigmoid]
      if config[Self.activationKey] != nil { config[Self.activationKey] = sigmoid }
    }
    // This is where CrossEncoder looks for the length at which it cuts.
    let file = folder.appending(path: "tokenizer_config.json")
    var tokenizer = try Configuration(ifPresent: file, in: folder) ?? Configuration(file: file, values: [:])
    tokenizer.values["model_max_length"] = .int(maxSequenceLength)
    try tokenizer.write()
  }

  private func write(
    _ model: some SequenceModel, task: PEFTAdapter.Task, others: [NamedTensor], as type: DType, to folder: URL,
    change: (inout JSONValue) -> Void
  ) throws {
    try writeRest(as: type, to: folder, change: change)
    try PEFTAdapter(of: model, task: task)?.write(to: folder)
    try SafeTensors.write(model.mergedTensors + others, as: type, to: folder.appending(path: "model.safetensors"))
  }

  /// Writes what a transformer's folder has beside its weights: the tokenizer and the configuration.
  func writeRest(as type: DType, to folder: URL, change: (inout JSONValue) -> Void = { _ in }) throws {
    try Self.makeFolder(folder)
    try Self.copyTokenizer(from: transformer, to: folder)
    var config = configuration.values
    config[Self.quantizationKey] = nil  // weights that are written as numbers are no codes
    change(&config)
    let keys = ["dtype", "torch_dtype"].filter { config[$0] != nil }
    // Where nothing is said, fp32 is meant.
    for key in keys.isEmpty && type != .f32 ? ["dtype"] : keys { config[key] = .string(SavedType(type).rawValue) }
    try Configuration(file: folder.appending(path: "config.json"), values: config).write()
  }

  static func makeFolder(_ folder: URL) throws {
    try CheckpointError.writing(folder) {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }
  }

  private static let tokenizerFiles = [
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt",
  ]

  /// What a tokenizer is read from where there is no tokenizer.json.
  private static let vocabularies = ["vocab.json", "merges.txt", "sentencepiece.bpe.model"]

  /// What tells tokenizers apart, by file; not at which length they cut and to which they fill up.
  func tokenizerContents() throws -> [String: Data] {
    var contents: [String: Data] = [:]
    if var whole = try Configuration(ifPresent: transformer.appending(path: "tokenizer.json"), in: transformer) {
      for key in ["truncation", "padding"] { whole.values[key] = .null }
      return ["tokenizer.json": Data(whole.values.text().utf8)]
    }
    for name in ["vocab.txt"] + Self.vocabularies {
      let file = transformer.appending(path: name)
      guard ForeignFile.exists(file) else { continue }
      contents[name] = try CheckpointError.reading(file) { () throws(ForeignFile.Refusal) in
        try ForeignFile.mapped(file, in: transformer)
      }
    }
    return contents
  }

  /// Copies bytes, not links or permissions.
  static func copyTokenizer(from source: URL, to folder: URL) throws {
    guard source.standardizedFileURL != folder.standardizedFileURL else { return }
    let isWhole = ForeignFile.exists(source.appending(path: "tokenizer.json"))
    for name in tokenizerFiles + (isWhole ? [] : vocabularies) {
      let (file, copy) = (source.appending(path: name), folder.appending(path: name))
      guard ForeignFile.exists(file) else { continue }
      let data = try CheckpointError.reading(file) { () throws(ForeignFile.Refusal) in
        try ForeignFile.mapped(file, in: source)
      }
      try CheckpointError.writing(copy) { try data.write(to: copy) }
    }
  }
}
