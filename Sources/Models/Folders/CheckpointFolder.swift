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
  package let settings: SentenceSettings
  /// Whether it has a classification head.
  package let isCrossEncoder: Bool
  let head: CrossEncoderHead
  /// The linear map that gives a cross-encoder's logit.
  fileprivate let classifierName: String
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

  /// - Parameter base: the encoder that a teacher of the distillation program (`best_model.pt`) was trained from, which
  ///   gives it configuration and tokenizer; the folder then stands for both.
  /// - Throws: `CheckpointError`.
  package init(
    _ url: URL, base: URL? = nil, architectures: [any Architecture.Type] = Architectures.all
  ) throws {
    try Self.checkKind(of: url, base: base)
    let root = base ?? url
    let modules = try SentenceModule.read(in: root)
    self.url = root
    transformer = modules.first?.folder ?? root
    configuration = try Configuration(contentsOf: transformer.appending(path: "config.json"), in: root)
    architecture = try Architectures.read(configuration, known: architectures)
    checkpoint =
      try base == nil ? Checkpoint(folder: transformer, in: url) : DistilledTeacher.checkpoint(in: url)
    head = base == nil ? try CrossEncoderHead(configuration) : .firstToken
    var notices: [String] = []
    settings = try SentenceSettings(
      folder: root, transformer: transformer, modules: modules, maximumPositions: architecture.maxTokens,
      notices: &notices)
    var width = settings.pooling.partCount * architecture.width
    dense = try modules.filter { $0.kind == "Dense" }.map { module in
      let layer = try DenseModule(module.folder, in: root, width: width)
      width = layer.outputSize
      return layer
    }
    encoderNotices =
      modules.contains { $0.kind == "Pooling" }
      ? [] : ["the model's folder does not say how it pools tokens: the mean of all is taken"]
    prefixes = [architecture.prefix, "model."]
    storedNames = try Self.storedNames(of: checkpoint, prefixes, architecture)
    classifierName = head.classifierName(architecture)
    let classifier = storedNames["\(classifierName).weight"]
    isCrossEncoder = classifier != nil
    if let classifier, try checkpoint.shape(of: classifier).first == 2 {
      notices.append("the classifier has two labels: the second one's logit is the score")
    }
    self.notices = notices
    try checkSizes()
  }

  /// Throws, with what to do, if the folder is of a kind that needs a base and has none, or the other way round.
  private static func checkKind(of url: URL, base: URL?) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isFolder), isFolder.boolValue else {
      throw CheckpointError(
        url, found: FileManager.default.fileExists(atPath: url.path) ? "a file" : "nothing",
        expected: "a model's folder")
    }
    func has(_ name: String) -> Bool { ForeignFile.exists(url.appending(path: name)) }
    let isTeacher = has(DistilledTeacher.fileName)
    if base != nil, !isTeacher {
      throw CheckpointError(
        url, found: "no \(DistilledTeacher.fileName)",
        expected: "a teacher of the distillation program, for a base is given",
        remedy: "Any other model has all it needs in its own folder: leave out `base`.")
    }
    guard base == nil, !has("modules.json"), !Checkpoint.exists(in: url) else { return }
    if isTeacher {
      throw CheckpointError(
        url, found: "\(DistilledTeacher.fileName) and no other weights",
        expected: "the encoder that it was trained from",
        remedy: "A teacher of the distillation program has neither configuration nor tokenizer: name its encoder's "
          + "folder at the port `base` of `score`, `mine` or `evaluate`, or at the port `encoder` of `teacher`.")
    }
    if let adapter = try Configuration(ifPresent: url.appending(path: "adapter_config.json"), in: url) {
      let base = try adapter.string(ifPresent: "base_model_name_or_path") ?? ""
      throw CheckpointError(
        url, found: "a PEFT adapter alone", expected: "a whole model",
        remedy: """
          It changes \(base.isEmpty ? "a model that it does not name" : "the model \"\(base)\""). Merge them once, with Python:
            from peft import AutoPeftModel
            AutoPeftModel.from_pretrained("\(url.lastPathComponent)").merge_and_unload().save_pretrained("merged")
          and copy the model's tokenizer files into the folder "merged".
          """)
    }
  }

  /// Throws a `CheckpointError` that names every missing, unexpected or misshapen tensor.
  package func encoder(on device: any Device, pooling: PoolingMode? = nil) throws -> Encoder {
    try checkEncoder()
    let dense = try dense.map { (try $0.layer(on: device), $0.activation) }
    return try Encoder(
      architecture, pooling: pooling ?? settings.pooling, dense: dense,
      weights: FolderWeights(folder: self, on: device),
      on: device)
  }

  /// Throws a `CheckpointError` if the encoder has parts that cannot be trained and written.
  package func checkTrainable() throws {
    if !dense.isEmpty {
      throw CheckpointError(
        url.appending(path: "modules.json"), "modules", found: "Dense", expected: "Transformer, Pooling, Normalize",
        remedy: "A model with a Dense module can embed, and cannot be trained yet: take another one to start from.")
    }
  }

  /// Throws what `encoder` would throw before it reads a weight.
  package func checkEncoder() throws {
    guard !isCrossEncoder else {
      throw CheckpointError(url, found: "a model with a classification head", expected: "an encoder")
    }
    let shapes = try architecture.encoderShapes
    try check(required: shapes, optional: architecture.poolerShapes)
    try checkMemory(for: shapes)
  }

  /// The cross-encoder, or a new one on an encoder: its classifier, and its pooler if the folder has none, are drawn by
  /// `seed` and named in `newModules`. Throws a `CheckpointError` that names every missing, unexpected or misshapen
  /// tensor.
  package func crossEncoder(
    on device: any Device, seed: UInt64
  ) throws -> (model: SequenceClassifier, newModules: [String]) {
    try checkCrossEncoder()
    let weights = FolderWeights(folder: self, on: device, new: RandomWeights(seed: seed, on: device))
    return (try SequenceClassifier(architecture, head: head, weights: weights, on: device), try newModules)
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
    let (shapes, new, labels) = (try architecture.crossEncoderShapes(head), try newModules, try labelCount())
    try check(
      required: shapes.map { (withoutPrefix($0.name), $0.shape) }
        .filter { shape in !new.contains { shape.0.hasPrefix("\($0).") } }
        .map { $0.hasPrefix("\(classifierName).") ? ($0, [labels] + $1.dropFirst()) : ($0, $1) },
      optional: architecture.poolerShapes)
    try checkMemory(for: shapes)
  }

  /// Gives the labels of the head; of two the second is the score, as such models' users have it. Throws a
  /// `CheckpointError` beyond two.
  private func labelCount() throws -> Int {
    let name = "\(classifierName).weight"
    guard isCrossEncoder, let labels = try shape(of: name).first else { return 1 }
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

  fileprivate func storedName(_ name: String) -> String { storedNames[name] ?? name }

  func shape(of name: String) throws -> [Int] { try checkpoint.shape(of: storedNames[name] ?? name) }

  func contains(_ name: String) -> Bool { storedNames[name] != nil }

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

  fileprivate func withoutPrefix(_ name: String) -> String { Self.without(prefixes, name) }

  private static func without(_ prefixes: [String], _ name: String) -> String {
    for prefix in prefixes where name.hasPrefix(prefix) { return String(name.dropFirst(prefix.count)) }
    return name
  }

  private static func storedNames(
    of checkpoint: Checkpoint, _ prefixes: [String], _ architecture: any Architecture
  ) throws -> [String: String] {
    var names: [String: String] = [:]
    for stored in checkpoint.names {
      guard let name = architecture.modelName(of: without(prefixes, stored)) else { continue }
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
    if let new, !folder.contains(name) { return new.weight(request) }
    let weight = try folder.checkpoint.weight(request, from: folder.storedName(name), on: device)
    guard name.hasPrefix("\(folder.classifierName)."), weight.shape != request.shape else { return weight }
    // Of two labels the second is the score.
    let width = request.shape.reduce(1, *)
    return Weight(
      request.name, device.tensor(Array(weight.fp32.array.suffix(width)), request.shape), decays: request.decays)
  }
}
