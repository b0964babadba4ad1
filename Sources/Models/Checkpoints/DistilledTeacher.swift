/// A teacher as the distillation program keeps it: `best_model.pt`, the state of an encoder, with PEFT's adapters perhaps,
/// and of a linear classifier on its first token; and `lora_config.json`. It has neither configuration nor tokenizer.
import Basics
import Foundation

enum DistilledTeacher {
  static let fileName = "best_model.pt"

  /// Its tensors under the encoder's own names, the adapters added when they are read.
  static func checkpoint(in folder: URL) throws -> Checkpoint {
    let stored = try PyTorchFile(contentsOf: folder.appending(path: fileName), in: folder)
    var names: [String: String] = [:]
    for name in stored.names {
      guard let own = ownName(of: name) else {
        throw CheckpointError(
          stored.file, "tensor \"\(name)\"", found: "a name of another program",
          expected: "one that begins with \"base_model.\" or \"classifier.\", as the distillation program's do")
      }
      if let other = names.updateValue(name, forKey: own) {
        throw CheckpointError(stored.file, found: "both \"\(other)\" and \"\(name)\"", expected: "one of them")
      }
    }
    let missing = ["classifier.weight", "classifier.bias"].filter { names[$0] == nil }
    guard missing.isEmpty else {
      throw CheckpointError(
        stored.file, found: "no tensor \(missing.joined(separator: ", "))", expected: "a teacher with its classifier")
    }
    let settings = try Settings(in: folder)
    let all = names
    let adapters = try StoredAdapters(
      takenFrom: &names, of: stored, middle: ".default",
      weight: { layer in
        try all["\(layer).weight"].map { ("\(layer).weight", try stored.shape(of: $0)) }
      },
      scale: { _, rank, down in
        guard rank == settings.r else {
          throw CheckpointError(
            stored.file, "tensor \"\(down)\"", found: "rank \(rank)",
            expected: "\(settings.r), by which alpha is divided",
            remedy: "lora_config.json beside it must say how it was trained; without one, r 32 and alpha 64 are taken.")
        }
        return LoRASettings.scale(alpha: settings.alpha, r: rank, isRankStabilised: settings.useRSLoRA)
      })
    return try Checkpoint(
      file: stored.file, RenamedTensors(stored: stored, storedNames: names), adapters: adapters)
  }

  /// `nil` for a name that the program does not give.
  private static func ownName(of name: String) -> String? {
    if name.hasPrefix("classifier.") { return name }
    for prefix in ["base_model.base_model.model.", "base_model."] where name.hasPrefix(prefix) {
      return String(name.dropFirst(prefix.count)).replacing(".base_layer.", with: ".")
    }
    return nil
  }

  /// What `lora_config.json` says, under the distillation program's keys or ours; that program's defaults where there is
  /// no such file or no such key.
  private struct Settings {
    let r: Int
    let alpha: Double
    let useRSLoRA: Bool

    init(in folder: URL) throws {
      let saved = try Configuration(ifPresent: folder.appending(path: "lora_config.json"), in: folder)
      r = try saved?.int(ifPresent: "lora_r") ?? saved?.int(ifPresent: "r") ?? 32
      alpha = try saved?.double(ifPresent: "lora_alpha") ?? saved?.double(ifPresent: "alpha") ?? 64
      let dropout = try saved?.double(ifPresent: "lora_dropout") ?? saved?.double(ifPresent: "dropout") ?? 0.1
      useRSLoRA = try saved?.bool(ifPresent: "use_rslora") ?? false
      if let saved, r < 1 || !alpha.isFinite || !(0..<1).contains(dropout) {
        throw CheckpointError(
          saved.file, found: "r \(r), alpha \(alpha), dropout \(dropout)",
          expected: "a rank from 1, a number, a probability below 1")
      }
    }
  }
}
