/// How low-rank adapters are attached: y = x·Wᵀ + b + s·((dropout(x)·Aᵀ)·Bᵀ) (Hu et al. 2021, names as in PEFT).

package struct LoRASettings: Sendable, Hashable {
  /// Rank of the update.
  package var r: Int
  package var alpha: Double
  /// Probability that an element of an adapter's input is zeroed in training.
  package var dropout: Double
  /// Names of linear layers, a layer matching if it is named so or ends in `.name`; or `["all-linear"]`: every one but
  /// those in `modulesToSave`.
  package var targetModules: [String]
  /// s = α/√r instead of α/r (Kalajdzievski 2023).
  package var useRSLoRA: Bool
  /// Layers that train whole: heads. A layer matches if one component of its name is this.
  package var modulesToSave: [String]

  package init(
    r: Int, alpha: Double, dropout: Double, targetModules: [String], useRSLoRA: Bool, modulesToSave: [String]
  ) {
    self.r = r
    self.alpha = alpha
    self.dropout = dropout
    self.targetModules = targetModules
    self.useRSLoRA = useRSLoRA
    self.modulesToSave = modulesToSave
  }

  /// The factor s.
  package var scale: Double { Self.scale(alpha: alpha, r: r, isRankStabilised: useRSLoRA) }

  static func scale(alpha: Double, r: Int, isRankStabilised: Bool) -> Double {
    alpha / (isRankStabilised ? Double(r).squareRoot() : Double(r))
  }

  func trainsWhole(_ name: String) -> Bool {
    name.split(separator: ".").contains { modulesToSave.contains(String($0)) }
  }

  func targets(_ name: String) -> Bool {
    !trainsWhole(name) && targetModules.contains { $0 == "all-linear" || Self.matches(name, $0) }
  }

  static func matches(_ name: String, _ target: String) -> Bool { name == target || name.hasSuffix("." + target) }
}
