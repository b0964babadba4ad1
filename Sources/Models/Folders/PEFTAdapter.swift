/// Low-rank adapters in the layout of PEFT, kept beside the merged weights: `adapter/` and `lora_config.json`.
import Foundation
import JSONText
import Tensors

struct PEFTAdapter {
  enum Task: String {
    case featureExtraction = "FEATURE_EXTRACTION"
    case sequenceClassification = "SEQ_CLS"
    case causalModel = "CAUSAL_LM"
  }

  private let task: Task
  private let lora: LoRASettings
  /// Factors, and the weights of modules that train whole, by the model's names.
  private let weights: [Weight]

  /// `nil` if no adapters are attached.
  init?(of parameters: Parameters, task: Task) {
    guard let lora = parameters.lora else { return nil }
    self.task = task
    self.lora = lora
    weights = parameters.all.filter { Self.module(ofFactor: $0.name) != nil || lora.trainsWhole($0.name) }
  }

  /// Writes `adapter/` and `lora_config.json` into the model's folder.
  func write(to folder: URL) throws {
    let adapter = folder.appending(path: "adapter")
    try CheckpointFolder.makeFolder(adapter)
    try SafeTensors.write(
      weights.map { NamedTensor($0, as: "base_model.model.\($0.name)") },
      to: adapter.appending(path: "adapter_model.safetensors"))
    try Configuration(file: adapter.appending(path: "adapter_config.json"), values: configuration).write()
    try Configuration(file: folder.appending(path: "lora_config.json"), values: summary).write()
  }

  /// The base is not named: a path would tie the folder to this machine.
  private var configuration: JSONValue {
    [
      "base_model_name_or_path": "",
      "bias": "none",
      "fan_in_fan_out": false,
      "inference_mode": true,
      "init_lora_weights": true,
      "lora_alpha": alpha,
      "lora_dropout": .double(lora.dropout),
      "modules_to_save": wholeModules.isEmpty ? .null : .strings(wholeModules),
      "peft_type": "LORA",
      "r": .int(lora.r),
      "target_modules": .strings(targets),
      "task_type": .string(task.rawValue),
      "use_rslora": .bool(lora.useRSLoRA),
    ]
  }

  /// Under our keys and under those of the distillation program, which reads it.
  private var summary: JSONValue {
    [
      "use_lora": true, "lora_r": .int(lora.r), "lora_alpha": alpha, "lora_dropout": .double(lora.dropout),
      "r": .int(lora.r), "alpha": alpha, "dropout": .double(lora.dropout),
      "target_modules": .strings(targets), "use_rslora": .bool(lora.useRSLoRA),
    ]
  }

  /// PEFT's alpha is an integer where it can be.
  private var alpha: JSONValue { Int(exactly: lora.alpha).map { .int($0) } ?? .double(lora.alpha) }

  private var wholeModules: [String] {
    Set(lora.modulesToSave).sorted().filter { module in
      weights.contains { $0.name.split(separator: ".").contains(Substring(module)) }
    }
  }

  /// `all-linear` spelt out as ends of names, the same in every block: PEFT would let the word mean a new pooler, too.
  private var targets: [String] {
    guard lora.targetModules.contains("all-linear") else { return lora.targetModules }
    let modules = weights.compactMap { Self.module(ofFactor: $0.name) }
    return Set(modules.map { $0.replacing(/^(.*\.)?layers?\.\d+\./, with: "") }).sorted()
  }

  /// `a.b` of `a.b.lora_A.weight`.
  private static func module(ofFactor name: String) -> String? {
    [".lora_A.weight", ".lora_B.weight"].first { name.hasSuffix($0) }.map { String(name.dropLast($0.count)) }
  }
}

extension JSONValue {
  fileprivate static func strings(_ strings: [String]) -> JSONValue { .array(strings.map { .string($0) }) }
}
