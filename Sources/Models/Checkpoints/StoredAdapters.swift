/// Low-rank adapters that lie in a checkpoint beside the weights that they change: W + s·B·A, s = alpha/r.
import Foundation
import Tensors

struct StoredAdapters: Sendable {
  private let file: any TensorFile
  /// Names of the factors A [r, in] and B [out, r] by the names of the weights that they change.
  private let factors: [String: (down: String, up: String)]
  private let settings: LoRASettings

  private static let (downEnd, upEnd) = (".lora_A.default.weight", ".lora_B.default.weight")

  /// `nil` if there are none. Takes the factors out of the checkpoint's names, and checks their shapes against the
  /// weights' and the rank in `lora_config.json`.
  /// - Parameter names: names in the file by the model's own.
  init?(takenFrom names: inout [String: String], of file: any TensorFile, in folder: URL) throws {
    settings = try LoRASettings(savedIn: folder)
    self.file = file
    var factors: [String: (down: String, up: String)] = [:]
    for (name, down) in names where name.hasSuffix(Self.downEnd) {
      let module = name.dropLast(Self.downEnd.count)
      guard let weight = names["\(module).weight"], let up = names["\(module)\(Self.upEnd)"] else {
        throw CheckpointError(
          file.file, "tensor \"\(down)\"", found: "no weight or no lora_B beside it", expected: "both")
      }
      let (a, b, w) = try (file.shape(of: down), file.shape(of: up), file.shape(of: weight))
      guard a.count == 2, b.count == 2, b[1] == a[0], w == [b[0], a[1]] else {
        throw CheckpointError(
          file.file, "tensor \"\(down)\"", found: "\(a) and \(b) on \(w)", expected: "[r, in] and [out, r] on [out, in]"
        )
      }
      guard a[0] == settings.r else {
        throw CheckpointError(
          file.file, "tensor \"\(down)\"", found: "rank \(a[0])", expected: "\(settings.r), by which alpha is divided",
          remedy: "lora_config.json beside it must say how it was trained; without one, r 32 and alpha 64 are taken.")
      }
      factors["\(module).weight"] = (down, up)
    }
    names = names.filter { !$0.key.hasSuffix(Self.downEnd) && !$0.key.hasSuffix(Self.upEnd) }
    guard !factors.isEmpty else { return nil }
    self.factors = factors
  }

  /// Merges the adapter of the weight `name`, if it has one.
  func add(to weight: Weight, _ name: String) throws {
    guard let factors = factors[name] else { return }
    func read(_ name: String) throws -> Weight {
      Weight(name, weight.device.tensor(try file.stored(name), as: .f32), decays: true)
    }
    weight.merge(
      Adapter(down: try read(factors.down), up: try read(factors.up), scale: Float(settings.scale), dropout: 0))
  }
}

extension LoRASettings {
  /// What `lora_config.json` of a folder says, under the distillation program's keys or ours; that program's defaults
  /// where there is no such file or no such key.
  init(savedIn folder: URL) throws {
    let saved = try Configuration(ifPresent: folder.appending(path: "lora_config.json"), in: folder)
    let r = try saved?.int(ifPresent: "lora_r") ?? saved?.int(ifPresent: "r") ?? 32
    let alpha = try saved?.double(ifPresent: "lora_alpha") ?? saved?.double(ifPresent: "alpha") ?? 64
    let dropout = try saved?.double(ifPresent: "lora_dropout") ?? saved?.double(ifPresent: "dropout") ?? 0.1
    if let saved, r < 1 || !alpha.isFinite || !(0..<1).contains(dropout) {
      throw CheckpointError(
        saved.file, found: "r \(r), alpha \(alpha), dropout \(dropout)",
        expected: "a rank from 1, a number, a probability below 1")
    }
    self.init(
      r: r, alpha: alpha, dropout: dropout, targetModules: ["all-linear"],
      useRSLoRA: try saved?.bool(ifPresent: "use_rslora") ?? false, modulesToSave: ["classifier"])
  }
}
