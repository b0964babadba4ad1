/// A teacher as the distillation program keeps it: `best_model.pt`, the state of an encoder, with PEFT's adapters perhaps,
/// and of a linear classifier on its first token; and `lora_config.json`. It has neither configuration nor tokenizer.
import Basics
import Foundation
import Tensors

struct DistilledTeacher: TensorFile {
  static let fileName = "best_model.pt"

  private let stored: PyTorchFile
  /// Names in the file by the encoder's own.
  private var storedNames: [String: String] = [:]

  /// Its tensors under the encoder's own names, the adapters added when they are read.
  static func checkpoint(in folder: URL) throws -> Checkpoint {
    var teacher = try DistilledTeacher(in: folder)
    try teacher.checkClassifier()
    let adapters = try StoredAdapters(takenFrom: &teacher.storedNames, of: teacher.stored, in: folder)
    return Checkpoint(file: teacher.file, teacher, adapters: adapters)
  }

  private init(in folder: URL) throws {
    stored = try PyTorchFile(contentsOf: folder.appending(path: Self.fileName), in: folder)
    for name in stored.names {
      guard let own = Self.ownName(of: name) else {
        throw CheckpointError(
          stored.file, "tensor \"\(name)\"", found: "a name of another program",
          expected: "one that begins with \"base_model.\" or \"classifier.\", as the distillation program's do")
      }
      if let other = storedNames.updateValue(name, forKey: own) {
        throw CheckpointError(stored.file, found: "both \"\(other)\" and \"\(name)\"", expected: "one of them")
      }
    }
  }

  /// Throws if there is no classifier, without which there is nothing to score with.
  private func checkClassifier() throws {
    let missing = ["classifier.weight", "classifier.bias"].filter { !contains($0) }
    guard missing.isEmpty else {
      throw CheckpointError(
        file, found: "no tensor \(missing.joined(separator: ", "))", expected: "a teacher with its classifier")
    }
  }

  /// `nil` for a name that the program does not give.
  private static func ownName(of name: String) -> String? {
    if name.hasPrefix("classifier.") { return name }
    for prefix in ["base_model.base_model.model.", "base_model."] where name.hasPrefix(prefix) {
      return String(name.dropFirst(prefix.count)).replacing(".base_layer.", with: ".")
    }
    return nil
  }

  var file: URL { stored.file }
  var names: [String] { Array(storedNames.keys) }
  func contains(_ name: String) -> Bool { storedNames[name] != nil }
  func shape(of name: String) throws -> [Int] { try stored.shape(of: storedNames[name] ?? name) }
  func type(of name: String) throws -> ElementType { try stored.type(of: storedNames[name] ?? name) }
  func stored(_ name: String) throws -> StoredTensor { try stored.stored(storedNames[name] ?? name) }
}
