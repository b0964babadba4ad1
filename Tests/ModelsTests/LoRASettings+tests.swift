/// Adapters of tests, which say only what they are about.
import Models

extension LoRASettings {
  init(
    r: Int, alpha: Double, dropout: Double = 0.1, targetModules: [String] = ["all-linear"],
    modulesToSave: [String] = ["classifier", "score"]
  ) {
    self.init(
      r: r, alpha: alpha, dropout: dropout, targetModules: targetModules, useRSLoRA: false,
      modulesToSave: modulesToSave)
  }
}
