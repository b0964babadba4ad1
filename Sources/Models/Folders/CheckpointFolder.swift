/// A model folder: a plain Hugging Face encoder, a sentence-transformers folder, or a `…ForSequenceClassification`.
import Basics
import Foundation
import Tensors

/// Everything that a folder says, read and checked; of the weights only names and shapes.
package struct CheckpointFolder: Sendable {
  package let url: URL
  /// Where the transformer's own files are: `url`, or `0_Transformer` in older sentence-transformers folders.
  package let transformer: URL
  /// `config.json` with all its keys.
  let configuration: Configuration
  package let architecture: any Architecture
  package private(set) var settings: SentenceSettings
  /// Whether it has a classification head.
  package let isCrossEncoder: Bool
  let head: CrossEncoderHead
  /// The linear map that gives a cross-encoder's logit.
  private let classifierName: String
  /// The tokens whose logits are the score, where a language model judges.
  private let tokenScore: TokenScore?
  /// Whether a cross-encoder is asked in a chat: a turn of `query` and one of `document`, with the folder's template.
  package let readsChats: Bool
  /// What an encoder's pooled vectors go through.
  let dense: [DenseModule]
  /// What is done otherwise than the files say, for the user to hear.
  package let notices: [String]
  /// What an encoder takes on its own account, for the user to hear.
  package let encoderNotices: [String]
  let checkpoint: Checkpoint
  /// What may stand before the encoder's names in the files.
  private let prefixes: [String]
  /// Names in the files by names without prefix.
  let storedNames: [String: String]

  /// - Parameter base: the encoder that a teacher of the distillation program (`best_model.pt`) was trained from, or the
  ///   model that an adapter of PEFT changes: it gives configuration and tokenizer; the folder then stands for both.
  /// - Throws: `CheckpointError`.
  package init(
    _ url: URL, base: URL? = nil, architectures: [any Architecture.Type] = Architectures.all
  ) throws {
    let kind = try Kind(of: url, base: base)
    let base = base ?? url
    let weights = try Self.transformer(in: base)
    configuration = try Configuration(contentsOf: weights.appending(path: "config.json"), in: base)
    let architecture = try Architectures.read(configuration, known: architectures)
    let prefixes = [architecture.prefix, "model."]
    func ownName(_ name: String) -> String? { architecture.modelName(of: Self.without(prefixes, name)) }
    checkpoint =
      switch kind {
      case .whole: try Checkpoint(folder: weights, in: base)
      case .teacher: try DistilledTeacher.checkpoint(in: url)
      case .adapter:
        try AdapterFolder.checkpoint(in: url, over: Checkpoint(folder: weights, in: base), ownName: ownName)
      }
    // sentence-transformers keeps an adapter with all of a model's files but those that the base has.
    let root = kind == .adapter && ForeignFile.exists(url.appending(path: "modules.json")) ? url : base
    let modules = try SentenceModule.read(in: root)
    self.url = root
    transformer = modules.first?.folder ?? root
    (self.architecture, self.prefixes) = (architecture, prefixes)
    head = kind == .teacher ? .firstToken : try CrossEncoderHead(configuration)
    var notices: [String] = []
    settings = try SentenceSettings(
      folder: root, transformer: transformer, modules: modules, maximumPositions: architecture.maxTokens,
      notices: &notices)
    var width = settings.pooling.count * architecture.width
    dense = try modules.filter { $0.kind == "Dense" }.map { module in
      let layer = try DenseModule(module.folder, in: root, width: width)
      width = layer.outputSize
      return layer
    }
    encoderNotices =
      modules.contains { $0.kind == "Pooling" }
      ? [] : ["the model's folder does not say how it pools tokens: the mean of all is taken"]
    storedNames = try Self.storedNames(of: checkpoint, ownName)
    classifierName = head.classifierName(architecture)
    let classifier = storedNames["\(classifierName).weight"]
    tokenScore =
      if let judge = modules.first(where: { $0.kind == SentenceModule.tokenScore }) {
        try TokenScore(judge.folder, in: root, vocabulary: architecture.vocabularyOfCausalModel(configuration))
      } else {
        nil
      }
    isCrossEncoder = classifier != nil || tokenScore != nil
    let reading = try Configuration(ifPresent: transformer.appending(path: SentenceSettings.transformerFile), in: root)
    readsChats = isCrossEncoder && (tokenScore != nil || reading?.values["modality_config"]?["message"] != nil)
    if let classifier, try checkpoint.shape(of: classifier).first == 2 {
      notices.append("the classifier has two labels: the second one's logit is the score")
    } else if isCrossEncoder, let activation = try Self.activation(configuration, in: root),
      !activation.hasSuffix(".Sigmoid")
    {
      notices.append(
        "CrossEncoder gives what \(activation) makes of the logit; here scores are the logit's sigmoid, and passages are "
          + "in the order of their logits")
    }
    let threshold = configuration.values[Self.quantizationKey]?["llm_int8_threshold"]?.double ?? 0
    if checkpoint.hasRowCodes, threshold > 0 {
      notices.append(
        "llm_int8_threshold \(threshold) is not used: activations are in no codes but with `precision: int8`, and then "
          + "block by block, outliers among them")
    }
    if kind == .whole, ForeignFile.exists(url.appending(path: AdapterFolder.fileName)) {
      notices.append("\(AdapterFolder.fileName) is not used: the weights beside it are taken as they are")
    }
    self.notices = notices
    try checkSizes()
  }

  /// Where the transformer's own files are in a folder, its tokenizer's too.
  package static func transformer(in url: URL) throws -> URL { try SentenceModule.read(in: url).first?.folder ?? url }

  /// What sentence-transformers' `CrossEncoder` makes of logits; its versions keep the name in places of their own.
  private static func activation(_ config: Configuration, in root: URL) throws -> String? {
    let general = try Configuration(ifPresent: root.appending(path: SentenceSettings.generalFile), in: root)
    return
      (general?.values["activation_fn"] ?? config.values["sentence_transformers"]?["activation_fn"]
      ?? config.values[activationKey])?.string
  }

  /// Where versions before 4 keep it.
  static let activationKey = "sbert_ce_default_activation_function"

  private enum Kind {
    case whole
    /// The distillation program's: all tensors, and the rest in the base.
    case teacher
    /// PEFT's: some tensors, and the rest in the base.
    case adapter

    /// Throws, with what to do, if the folder needs a base and has none, or the other way round.
    init(of url: URL, base: URL?) throws {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue else {
        throw CheckpointError(
          url, found: FileManager.default.fileExists(atPath: url.path) ? "a file" : "nothing",
          expected: "a model's folder")
      }
      func has(_ name: String) -> Bool { ForeignFile.exists(url.appending(path: name)) }
      let (isTeacher, isAdapter) = (has(DistilledTeacher.fileName), has(AdapterFolder.fileName))
      if base != nil {
        guard isTeacher || isAdapter else {
          throw CheckpointError(
            url, found: "no \(DistilledTeacher.fileName) and no \(AdapterFolder.fileName)",
            expected: "a teacher of the distillation program or an adapter of PEFT, for a base is given",
            remedy: "Any other model has all it needs in its own folder: leave out `base`.")
        }
        self = isTeacher ? .teacher : .adapter
        return
      }
      self = .whole
      if Checkpoint.exists(in: url) { return }
      if isAdapter { throw try AdapterFolder.refusal(of: url) }
      if isTeacher, !has("modules.json") {
        throw CheckpointError(
          url, found: "\(DistilledTeacher.fileName) and no other weights",
          expected: "the encoder that it was trained from",
          remedy: "A teacher of the distillation program has neither configuration nor tokenizer: name its encoder's "
            + "folder at the port `base` of `score`, `mine` or `evaluate`, or at the port `encoder` of `teacher`.")
      }
    }
  }

  /// Pools and prompts otherwise than the files say, where that is asked for. Throws a `CheckpointError` if what follows
  /// the pooling takes no such vectors.
  package mutating func change(pooling: PoolingMode?, prompts: [TextRole: String]) throws {
    if let pooling {
      guard dense.isEmpty || settings.pooling.count == 1 else {
        throw CheckpointError(
          url, found: "a Dense module after \(settings.pooling.count) poolings side by side",
          expected: "one pooling, in whose place \(pooling.rawValue) may be")
      }
      settings.pooling = [pooling]
    }
    for (role, prompt) in prompts { settings.set(prompt, for: role) }
  }

  /// Throws a `CheckpointError` that names every missing, unexpected or misshapen tensor.
  package func encoder(on device: any Device, pooling: [PoolingMode]? = nil) throws -> Encoder {
    try checkEncoder()
    let dense = try dense.enumerated().map { try $1.layer(at: $0 + 2, on: device) }
    return try Encoder(
      architecture, pooling: pooling ?? settings.pooling, dense: dense,
      weights: weights(on: device), on: device)
  }

  func weights(on device: any Device) -> some WeightSource { FolderWeights(folder: self, on: device) }

  /// Throws what `encoder` would throw before it reads a weight.
  package func checkEncoder() throws {
    guard !isCrossEncoder else {
      throw CheckpointError(url, found: "a model with a classification head", expected: "an encoder")
    }
    let shapes = try architecture.encoderShapes
    try check(required: shapes, optional: architecture.poolerShapes)
    try checkMemory(for: shapes.filter { !isCoded(withoutPrefix($0.name)) })
  }

  /// Whether a matrix is in codes, by its name without prefix.
  func isCoded(_ name: String) -> Bool { checkpoint.isCoded(storedName(name)) }

  /// Whether matrices of the folder are in codes: they do not train.
  package var hasCodes: Bool { checkpoint.hasCodes }

  /// The cross-encoder, or a new one on an encoder: its classifier, and its pooler if the folder has none, are drawn by
  /// `seed` and named in `newModules`. Throws a `CheckpointError` that names every missing, unexpected or misshapen
  /// tensor.
  package func crossEncoder(
    on device: any Device, seed: UInt64
  ) throws -> (model: SequenceClassifier, newModules: [String]) {
    try checkCrossEncoder()
    let weights = FolderWeights(folder: self, on: device, new: RandomWeights(seed: seed, on: device))
    return (
      try SequenceClassifier(architecture, head: head, labels: labelCount(), weights: weights, on: device),
      try newModules
    )
  }

  /// What a head for this encoder lacks, and has to be drawn by lot; nothing of a cross-encoder.
  private var newModules: [String] {
    get throws {
      let encoder = Set(try architecture.encoderShapes.map(\.name))
      var modules: [String] = []
      for name in try architecture.crossEncoderShapes(head).map({ withoutPrefix($0.name) }) {
        guard !isCrossEncoder, !encoder.contains(name), let module = name.split(separator: ".").first.map(String.init)
        else { continue }
        let isThere = storedNames.keys.contains { $0.hasPrefix("\(module).") }
        if !isThere, !modules.contains(module) { modules.append(module) }
      }
      return modules
    }
  }

  /// Throws what `crossEncoder` would throw before it reads a weight.
  package func checkCrossEncoder() throws {
    let (shapes, new) = (try architecture.crossEncoderShapes(head, labels: labelCount()), try newModules)
    try check(
      required: shapes.map { (withoutPrefix($0.name), $0.shape) }
        .filter { shape in !new.contains { shape.0.hasPrefix("\($0).") } && !isJudged(by: shape.0) },
      optional: architecture.poolerShapes)
    try checkMemory(for: shapes.filter { !isCoded(withoutPrefix($0.name)) })
  }

  /// Gives the labels of the head; of two the second is the score, as such models' users have it. Throws a
  /// `CheckpointError` beyond two.
  private func labelCount() throws -> Int {
    let name = "\(classifierName).weight"
    guard isCrossEncoder, tokenScore == nil, let labels = try shape(of: name).first else { return 1 }
    guard (1...2).contains(labels) else {
      throw CheckpointError(
        checkpoint.file, "tensor \"\(name)\"", found: "a head of \(labels) labels",
        expected: "one label, the score, or two, of which the second is taken as the score",
        remedy: "A model that sorts into \(labels) classes does not say how well a passage fits: take another one.")
    }
    return labels
  }

  /// A tensor by its name without prefix, in fp32.
  func tensor(_ name: String, on device: any Device) throws -> Tensor {
    try checkpoint.tensor(storedName(name), on: device)
  }

  func storedName(_ name: String) -> String { storedNames[name] ?? name }

  func shape(of name: String) throws -> [Int] { try checkpoint.shape(of: storedNames[name] ?? name) }

  func contains(_ name: String) -> Bool { storedNames[name] != nil }

  /// Throws a `CheckpointError` where a language model judges: its folder's form is not written.
  func checkRewritable() throws {
    guard tokenScore != nil else { return }
    throw CheckpointError(
      url, found: "a language model that judges by a token's logit",
      expected: "an encoder, or a cross-encoder with a head",
      remedy: "The `teacher` stage makes one with a head of it.")
  }

  /// Whether a weight is made of rows of the map to the vocabulary.
  private func isJudged(by name: String) -> Bool { tokenScore != nil && name == "\(classifierName).weight" }

  /// The classifier of a language model that judges; `nil` of any other weight.
  fileprivate func judge(_ request: WeightRequest, _ name: String, on device: any Device) throws -> Weight? {
    guard isJudged(by: name), let tokenScore else { return nil }
    let isTied = (architecture as? Decoder)?.tiesOutput == true
    let table = isTied ? storedName("embed_tokens.weight") : "lm_head.weight"
    return Weight(
      request.name, try checkpoint.row(tokenScore.yes, less: tokenScore.no, of: table, on: device),
      decays: request.decays)
  }

  private func check(required: [(name: String, shape: [Int])], optional: [(name: String, shape: [Int])]) throws {
    let missing = required.map(\.name).filter { storedNames[$0] == nil }
    let shapes = Dictionary(required + optional) { first, _ in first }
    var unexpected: [String] = []
    var misshapen: [String] = []
    for (name, stored) in storedNames.sorted(by: { $0.key < $1.key }) {
      let found = try checkpoint.shape(of: stored)
      if let shape = shapes[name] {
        if found != shape { misshapen.append("\(stored) \(found) instead of \(shape)") }
      } else {
        unexpected.append(stored)
      }
    }
    let problems = [("missing", missing), ("unexpected", unexpected), ("misshapen", misshapen)]
      .filter { !$0.1.isEmpty }.map { problem, names in
        let more = names.count > 4 ? " and \(names.count - 4) more" : ""
        return "\(problem) tensors \(names.prefix(4).joined(separator: ", "))\(more)"
      }
    guard problems.isEmpty else {
      throw CheckpointError(
        checkpoint.file, found: problems.joined(separator: "; "),
        expected: "the tensors that config.json's sizes ask for")
    }
  }

  func withoutPrefix(_ name: String) -> String { Self.without(prefixes, name) }

  private static func without(_ prefixes: [String], _ name: String) -> String {
    for prefix in prefixes where name.hasPrefix(prefix) { return String(name.dropFirst(prefix.count)) }
    return name
  }

  private static func storedNames(
    of checkpoint: Checkpoint, _ ownName: (String) -> String?
  ) throws -> [String: String] {
    var names: [String: String] = [:]
    for stored in checkpoint.names {
      guard let name = ownName(stored) else { continue }
      if let other = names.updateValue(stored, forKey: name) {
        throw CheckpointError(checkpoint.file, found: "both \"\(other)\" and \"\(stored)\"", expected: "one of them")
      }
    }
    return names
  }
}

/// A folder's weights and, where modules of a head are new, those that the lot gives them.
private struct FolderWeights: WeightSource {
  let folder: CheckpointFolder
  let device: any Device
  var new: RandomWeights?

  init(folder: CheckpointFolder, on device: any Device, new: RandomWeights? = nil) {
    (self.folder, self.device, self.new) = (folder, device, new)
  }

  func weight(_ request: WeightRequest) throws -> Weight {
    let name = folder.withoutPrefix(request.name)
    if let judge = try folder.judge(request, name, on: device) { return judge }
    if let new, !folder.contains(name) { return new.weight(request) }
    return try folder.checkpoint.weight(request, from: folder.storedName(name), on: device)
  }
}
