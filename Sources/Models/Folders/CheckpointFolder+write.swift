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
    try write(encoder.parameters, task: .featureExtraction, others: untouched, as: type, to: folder) { config in
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
    try write(model.parameters, task: .sequenceClassification, others: [], as: type, to: folder) { config in
      if model.kind == .firstToken {
        config["architectures"] = [.string(architecture.classes.encoder)]
        return config[CrossEncoderHead.key] = .string(model.kind.rawValue)
      }
      config["architectures"] = [.string(architecture.classes.classifier)]
      if architecture.classifierPooling == .lastToken, config["pad_token_id"] ?? .null == .null {
        config["pad_token_id"] = try paddingID ?? .null
      }
      // Two are what transformers assumes, or what the base's configuration names.
      guard model.outputWidth == 1 else { return }
      config["id2label"] = ["0": "LABEL_0"]
      config["label2id"] = ["LABEL_0": 0]
      config["sentence_transformers"] = ["activation_fn": Self.sigmoid]
      if config[Self.activationKey] != nil { config[Self.activationKey] = Self.sigmoid }
    }
    try writePrompt(to: folder)
    // This is where CrossEncoder looks for the length at which it cuts.
    let file = folder.appending(path: "tokenizer_config.json")
    var tokenizer = try Configuration(ifPresent: file, in: folder) ?? Configuration(file: file, values: [:])
    tokenizer.values["model_max_length"] = .int(maxSequenceLength)
    try tokenizer.write()
  }

  /// Writes a folder of a language model, which started from this folder, for transformers: merged weights. Adapters are
  /// also kept in `adapter/`, in PEFT's layout.
  package func write(_ model: CausalModel, as saved: SavedType = .base, to folder: URL) throws {
    let decoder = try architecture.causalModel(configuration)
    try write(
      model.parameters, task: .causalModel, others: [], as: saved.type(from: checkpoint), to: folder
    ) { config in
      config["architectures"] = [.string(decoder.causalClass)]
    }
    try Self.copy([Self.chatTemplate, "generation_config.json"], from: transformer, to: folder)
  }

  /// Writes what makes `CrossEncoder` ask as this model does.
  private func writePrompt(to folder: URL) throws {
    guard readsChats else { return }
    try Self.copy([Self.chatTemplate], from: transformer, to: folder)
    var general =
      try Configuration(ifPresent: url.appending(path: SentenceSettings.generalFile), in: url)?.values ?? [:]
    general["activation_fn"] = Self.sigmoid
    general["model_type"] = "CrossEncoder"
    let logits: JSONValue = ["method": "forward", "method_output_name": "logits"]
    var message = logits
    message["format"] = "flat"
    let type = "sentence_transformers.base.modules.transformer.Transformer"
    let files: [String: JSONValue] = [
      "modules.json": [["idx": 0, "name": "0", "path": "", "type": .string(type)]],
      SentenceSettings.transformerFile: [
        "transformer_task": "sequence-classification", "module_output_name": "scores",
        "modality_config": ["text": logits, "message": message],
      ], SentenceSettings.generalFile: general,
    ]
    for (name, values) in files { try Configuration(file: folder.appending(path: name), values: values).write() }
  }

  /// The tokenizer's padding, without which transformers' decoders do not find the last token of each text.
  private var paddingID: JSONValue? {
    get throws {
      let settings = try Configuration(ifPresent: transformer.appending(path: "tokenizer_config.json"), in: transformer)
      let padding = settings?.values["pad_token"]
      guard let token = padding?.string ?? padding?["content"]?.string else { return nil }
      let file = try Configuration(ifPresent: transformer.appending(path: "tokenizer.json"), in: transformer)
      return file?.values["added_tokens"]?.elements?.first { $0["content"]?.string == token }?["id"]
    }
  }

  private static let chatTemplate = "chat_template.jinja"
  /// What `CrossEncoder` makes of a logit.
  private static let sigmoid = JSONValue.string("torch.nn.modules.activation.Sigmoid")

  private func write(
    _ parameters: Parameters, task: PEFTAdapter.Task, others: [NamedTensor], as type: DType, to folder: URL,
    change: (inout JSONValue) throws -> Void
  ) throws {
    try writeRest(as: type, to: folder, change: change)
    try PEFTAdapter(of: parameters, task: task)?.write(to: folder)
    try SafeTensors.write(parameters.merged + others, as: type, to: folder.appending(path: "model.safetensors"))
  }

  /// Writes what a transformer's folder has beside its weights: the tokenizer and the configuration.
  func writeRest(as type: DType, to folder: URL, change: (inout JSONValue) throws -> Void = { _ in }) throws {
    try Self.makeFolder(folder)
    try Self.copyTokenizer(from: transformer, to: folder)
    var config = configuration.values
    config[Self.quantizationKey] = nil  // weights that are written as numbers are no codes
    try change(&config)
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
    try copy(tokenizerFiles + (isWhole ? [] : vocabularies), from: source, to: folder)
  }

  /// Copies those of the files that are there.
  private static func copy(_ names: [String], from source: URL, to folder: URL) throws {
    for name in names {
      let (file, copy) = (source.appending(path: name), folder.appending(path: name))
      guard ForeignFile.exists(file) else { continue }
      let data = try CheckpointError.reading(file) { () throws(ForeignFile.Refusal) in
        try ForeignFile.mapped(file, in: source)
      }
      try CheckpointError.writing(copy) { try data.write(to: copy) }
    }
  }
}
