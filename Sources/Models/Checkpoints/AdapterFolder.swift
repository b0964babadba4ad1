/// A LoRA adapter as PEFT keeps it: `adapter_config.json` and the tensors that change a model which lies elsewhere.
import Basics
import Foundation
import JSONText

struct AdapterFolder {
  static let fileName = "adapter_config.json"

  private let alpha: Double
  private let r: Int
  private let useRSLoRA: Bool
  /// Other values of α and r for layers of these names.
  private let alphas, ranks: [Pattern]

  /// The tensors of `base`, changed as the adapter in `folder` says: modules that it keeps whole, and biases, stand in the
  /// base's place; low-rank factors are added when a weight is read.
  /// - Parameter ownName: the model's name of a tensor, by its name in a checkpoint; `nil` for what a model lacks.
  static func checkpoint(
    in folder: URL, over base: Checkpoint, ownName: (String) -> String?
  ) throws -> Checkpoint {
    let adapter = try AdapterFolder(folder)
    let file = try tensors(in: folder)
    let baseNames = Dictionary(base.names.compactMap { name in ownName(name).map { ($0, name) } }) { first, _ in first }
    func nameInBase(_ name: String) -> String { ownName(name).flatMap { baseNames[$0] } ?? name }
    var names = try names(in: file, ownName)
    let adapters = try StoredAdapters(
      takenFrom: &names, of: file,
      weight: { layer in
        try ownName("\(layer).weight").flatMap { baseNames[$0] }.map { ($0, try base.shape(of: $0)) }
      },
      scale: { layer, rank, down in
        let r = Int(adapter.ranks.first { $0.matches(layer) }?.value ?? Double(adapter.r))
        guard rank == r else {
          throw CheckpointError(
            file.file, "tensor \"\(down)\"", found: "rank \(rank)",
            expected: "\(r), as r and rank_pattern of \(fileName) have it")
        }
        return LoRASettings.scale(
          alpha: adapter.alphas.first { $0.matches(layer) }?.value ?? adapter.alpha, r: rank,
          isRankStabilised: adapter.useRSLoRA)
      })
    guard let adapters else {
      throw CheckpointError(file.file, found: "no low-rank factors", expected: "names that end in lora_A.weight")
    }
    let whole = Dictionary(uniqueKeysWithValues: names.map { (nameInBase($0), $1) })
    return try base.changed(by: RenamedTensors(stored: file, storedNames: whole), adapters: adapters)
  }

  /// What an adapter without its base is told.
  static func refusal(of folder: URL) throws -> CheckpointError {
    let file = try Configuration(contentsOf: folder.appending(path: fileName), in: folder)
    let base = try file.string(ifPresent: "base_model_name_or_path") ?? ""
    return CheckpointError(
      folder, found: "a PEFT adapter alone", expected: "it and the model that it changes",
      remedy:
        "It changes \(base.isEmpty ? "a model that it does not name" : "the model \"\(base)\""): name that model's "
        + "folder at the port `base` beside a `model` or `teacher`, `encoder` beside a `base`, `NAME_base` beside any "
        + "other port NAME, or with --base.")
  }

  private static func tensors(in folder: URL) throws -> any TensorFile {
    let (safe, pickled) = (
      folder.appending(path: "adapter_model.safetensors"), folder.appending(path: "adapter_model.bin")
    )
    return ForeignFile.exists(safe) || !ForeignFile.exists(pickled)
      ? try SafeTensors(contentsOf: safe, in: folder) : try PyTorchFile(contentsOf: pickled, in: folder)
  }

  private static let prefix = "base_model.model."

  /// Names in the file by those without what PEFT puts around them, of which no two may mean the same tensor.
  private static func names(
    in file: any TensorFile, _ ownName: (String) -> String?
  ) throws -> [String: String] {
    var (names, known) = ([String: String](), [String: String]())
    // With `bias: all` PEFT keeps biases of whole modules twice more: as they were, and as they are.
    let repeated = [".original_module.", ".modules_to_save."]
    for name in file.names where !repeated.contains(where: { name.contains($0) }) {
      guard name.hasPrefix(prefix) else {
        throw CheckpointError(
          file.file, "tensor \"\(name)\"", found: "a name of another program",
          expected: "one that begins with \"\(prefix)\"")
      }
      let own = String(name.dropFirst(prefix.count)).replacing(".base_layer.", with: ".")
      names[own] = name
      if let other = known.updateValue(name, forKey: ownName(own) ?? own) {
        throw CheckpointError(file.file, found: "both \"\(other)\" and \"\(name)\"", expected: "one of them")
      }
    }
    return names
  }
}

extension AdapterFolder {
  /// Keys whose values do not change what the tensors mean: choices that the tensors show, beginnings of a training, and
  /// sizes of what is asked for by other keys. A linear layer's matrix is never turned over, whatever `fan_in_fan_out` says.
  private static let harmless: Set = [
    "auto_mapping", "base_model_name_or_path", "bias", "corda_config", "ensure_weight_tying", "eva_config",
    "exclude_modules", "fan_in_fan_out", "inference_mode", "layers_pattern", "layers_to_transform", "loftq_config",
    "lora_dropout", "lora_ga_config", "megatron_core", "modules_to_save", "peft_version", "qalora_group_size",
    "revision", "target_modules", "task_type",
  ]
  private static let read: Set = [
    "alpha_pattern", "init_lora_weights", "lora_alpha", "peft_type", "r", "rank_pattern", "use_rslora",
  ]

  /// Reads and checks what the file says. Every key that is not known must say nothing.
  private init(_ folder: URL) throws {
    let file = try Configuration(contentsOf: folder.appending(path: Self.fileName), in: folder)
    func refuse(_ key: String, _ expected: String) -> CheckpointError {
      CheckpointError(
        file.file, "key \"\(key)\"", found: file.values[key]?.text() ?? "nothing", expected: expected,
        remedy: "Nothing else is supported yet: merge it into its model with PEFT.")
    }
    guard try file.string("peft_type") == "LORA" else { throw refuse("peft_type", "\"LORA\"") }
    r = try file.int("r")
    guard r >= 1 else { throw refuse("r", "a rank from 1") }
    alpha = try file.double("lora_alpha")
    useRSLoRA = try file.bool(ifPresent: "use_rslora") ?? false
    // Other beginnings take something off the base, which has to be known to put the adapter back on it.
    let beginnings: [JSONValue] = [true, false, "gaussian", "eva", "orthogonal"]
    if let beginning = file.values["init_lora_weights"], !beginnings.contains(beginning) {
      throw refuse("init_lora_weights", "true, false, \"gaussian\", \"eva\" or \"orthogonal\"")
    }
    alphas = try Pattern.all(file, "alpha_pattern")
    ranks = try Pattern.all(file, "rank_pattern")
    for member in file.values.members ?? [] where !Self.harmless.union(Self.read).contains(member.key) {
      let isSilent = [.null, false, [:], []].contains(member.value)
      guard isSilent else { throw refuse(member.key, "null or false") }
    }
  }

  /// A key of `rank_pattern` or `alpha_pattern`, and its value.
  private struct Pattern {
    private let name: [UInt8]
    private let isWhole: Bool
    let value: Double

    /// Those of a key, in the file's order: the first that matches counts. Regular expressions are refused, for one that
    /// is meant badly may never end; a name is one, whose full stops stand for any character.
    static func all(_ file: Configuration, _ key: String) throws -> [Pattern] {
      guard file.has(key) else { return [] }
      return try (file.values[key]?.members ?? []).map { member in
        let isWhole = member.key.hasPrefix("^")
        let name = (isWhole ? String(member.key.dropFirst()) : member.key).replacing("\\.", with: ".")
        let isPlain = name.utf8.allSatisfy { byte in
          byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_")
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        }
        guard isPlain, !name.isEmpty, let value = member.value.double, value >= 0, value <= 1e9 else {
          throw CheckpointError(
            file.file, "key \"\(key)\"", found: "\"\(member.key)\": \(member.value.text())",
            expected: "a layer's name, or its end, and a number", remedy: "Regular expressions are not supported.")
        }
        return Pattern(name: Array(name.utf8), isWhole: isWhole, value: value)
      }
    }

    /// PEFT matches `(.*\.)?(name)$` from the beginning.
    func matches(_ layer: String) -> Bool {
      let layer = Array(layer.utf8)
      let start = layer.count - name.count
      guard start >= 0, zip(layer[start...], name).allSatisfy({ $0 == $1 || $1 == UInt8(ascii: ".") }) else {
        return false
      }
      return start == 0 || (!isWhole && layer[start - 1] == UInt8(ascii: "."))
    }
  }
}
