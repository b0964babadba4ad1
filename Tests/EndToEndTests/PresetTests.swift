/// The presets that ship, as they ship: over our own sentences, from a model that `init` makes.
import Foundation
import Testing

@Suite struct PresetTests {
  private let project: Project

  init() throws {
    project = try Project()
    for folder in ["pipelines", "experiments"] { try project.copy(folder, to: folder) }
  }

  private func results(_ folder: String) throws -> [String: Any] {
    let text = try project.read("\(folder)/bi_encoder_evaluation_results.json")
    return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
  }

  @Test func `quick runs and publishes what its users know, under the names that they know`() async throws {
    let ended = try await project.retort("run", "experiments/quick.yaml")
    try #require(ended.code == 0, "\(ended.output)\n\(ended.errors)")
    #expect(ended.output.contains("[teacher] Pairs: 628 | Positive: 314 | Negative: 314"))
    let found = try results("evaluation_results/quick_test")
    #expect(found["total_samples"] as? Int == 40)
    for name in ["pos_cosine_similarity", "neg_cosine_similarity", "margin"] {
      #expect(found["\(name)_mean"] is Double && found["\(name)_std"] is Double)
    }
    for path in [
      "models/cross_encoder_teacher_quick/lora_config.json", "models/bi_encoder_distilled_quick/modules.json",
    ] {
      #expect(try !project.read(path).isEmpty)
    }
  }

  @Test func `full is planned from another folder and another model, with rows added to train only`() async throws {
    let ended = try await project.retort(
      "run", "experiments/full.yaml", "--until", "candidates", "--set", "params.data_version=supervised_with_detailed",
      "--set", "params.data=\(project.root.path)/pipelines/data/preprocessed")
    #expect(ended.output.contains("[train-groups] [groups] Format: preprocessed | Groups: 434 "), "\(ended)")
    #expect(ended.output.contains("[candidates] [mine] Queries: 434 | Pool: 115 | Given: 434 | rows: 2604"))
  }
}
