/// A pipeline file as it is written: its parts with their places, matrices unfolded, parameters filled in, nothing
/// resolved yet.
import Foundation

struct Spec {
  var name: String?
  var seed = 0
  var resources = Resources()
  var stages: [StageSpec] = []
  /// For the texts of `cmd`, the only ones whose placeholders are not filled yet.
  var substitution: Substitution
}

/// What `defaults` says and a stage may say otherwise; none of it but the precision decides a result's bytes.
struct Resources {
  var threads: Int?
  var memory: Int?
  var precision = "fp32"
  var retry = RetryRules()
  var checkpoint = CheckpointPolicy()

  /// `auto` is what the machine is fast with: bf16 if it has instructions for it, else fp32.
  static let precisions = [Compute.automaticPrecision, "bf16", "fp32", "int8"]
  /// Of stages that train, too; steps of int8 are too coarse for gradients.
  static let trainingPrecisions = precisions.filter { $0 != "int8" }
  static let keys = ["threads", "memory", "precision", "retry", "checkpoint"]

  /// What `fields` say, and where they say nothing what `standard` says.
  init(_ fields: Fields, over standard: Resources) {
    threads = fields.integer("threads", in: 1...4096) ?? standard.threads
    memory = fields.quantity("memory", "a size such as 6GB or 512MB", parseBytes) ?? standard.memory
    precision = fields.word("precision", of: Self.precisions) ?? standard.precision
    retry = RetryRules(fields, over: standard.retry)
    checkpoint = CheckpointPolicy(fields, over: standard.checkpoint)
  }

  init() {}
}

/// One entry of `stages`, for one combination of what matrices say of it.
struct StageSpec {
  var name: String
  var matrix: Combination
  var mark: Mark
  var fields: Fields
  /// What `${matrix.x}` stands for in it: its own matrix and an experiment's; `nil` where that is wrong.
  var substitutes: Combination?

  /// Keys that mean something only beside `cmd`.
  static let commandKeys = ["out", "env", "secrets", "tools", "metrics"]
  static let keys =
    ["uses", "in", "with", "cmd"] + commandKeys + ["publish", "timeout", "matrix"] + Resources.keys
  /// Keys whose placeholders are not filled when the file is read.
  static let unfilled = ["cmd", "matrix"]
}

extension Spec {
  /// Reads a file's root node; reports what is out of place.
  /// - Parameter matrix: what an experiment's matrix says.
  init(_ root: Node, matrix: Combination = [], _ diagnostics: Diagnostics) {
    let keys = ["version", "name", "headline", "params", "defaults", "stages"]
    let fields = Fields(root, of: "a pipeline", allowed: keys, diagnostics)
    let params = fields["params"] ?? Node(value: .mapping([]), mark: root.mark)
    substitution = Substitution(params: params, diagnostics)
    substitution.matrix = matrix
    guard case .mapping = root.value else { return }  // which is reported
    checkPlain(params.entries(of: "`params`", diagnostics) ?? [], diagnostics)
    if let version = fields["version"] {
      if fields.integer("version", in: Int.min...Int.max).map({ $0 != 1 }) ?? false {
        diagnostics.report("this retort reads `version: 1` of pipeline files", at: version.mark)
      }
    } else {
      diagnostics.report("the file must say `version: 1`", at: fields.mark)
    }
    name = fields.text("name")
    if let node = fields["defaults"] {
      let defaults = Fields(
        substitution.fill(node), of: "`defaults`", prefix: "defaults.", allowed: ["seed"] + Resources.keys, diagnostics)
      seed = defaults.integer("seed", in: 0...Int.max) ?? 0
      resources = Resources(defaults, over: resources)
    }
    let entries = fields["stages"]?.entries(of: "`stages`", diagnostics)
    if entries?.isEmpty ?? (fields["stages"] == nil) {
      diagnostics.report("a pipeline needs at least one stage in `stages`", at: fields.mark(of: "stages"))
    }
    for entry in entries ?? [] where !isIdentifier(entry.key) {
      diagnostics.report("`\(entry.key.shortened)` is no name for a stage: \(identifierRule)", at: entry.mark)
    }
    let variants = stageVariants(entries ?? [], &substitution, diagnostics)
    for (entry, combinations) in zip(entries ?? [], variants) {
      for combination in combinations ?? [[]] {
        substitution.matrix = combinations == nil ? nil : matrix + combination
        let fields = Fields(filled(entry.value), of: "a stage", allowed: StageSpec.keys, diagnostics)
        stages.append(
          StageSpec(
            name: entry.key, matrix: combination, mark: entry.mark, fields: fields,
            substitutes: substitution.matrix))
      }
    }
  }

  private mutating func filled(_ stage: Node) -> Node {
    guard case .mapping(let entries) = stage.value else { return stage }
    var stage = stage
    stage.value = .mapping(
      entries.map { entry in
        var entry = entry
        if !StageSpec.unfilled.contains(entry.key) { entry.value = substitution.fill(entry.value) }
        return entry
      })
    return stage
  }
}

private func checkPlain(_ params: [Node.Entry], _ diagnostics: Diagnostics) {
  for entry in params {
    if case .scalar(_, let text) = entry.value.value, text.contains("${") {
      diagnostics.report("a parameter is a plain value, without `${`", at: entry.value.mark)
    }
  }
}

/// Names of stages and ports.
func isIdentifier(_ name: some StringProtocol) -> Bool {
  guard let first = name.utf8.first, name.utf8.count <= 128 else { return false }
  let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
  return !digits.contains(first) && first != UInt8(ascii: "-")
    && name.utf8.allSatisfy { byte in
      digits.contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
    }
}

let identifierRule = "up to 128 letters, digits, `_` and `-`, first a letter or `_`"
