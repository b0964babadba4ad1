/// Stages with rewards, which can be tried without a model that answers.
import Foundation
import Pipelines

package protocol RewardedStage: Stage {
  /// What its rewards give to the answers that its records have.
  func rewardTrial(_ context: StageContext) throws -> RewardTrial
}

extension RewardTrial {
  /// What a stage's rewards give, with what was warned of on the way. Throws what is wrong with its inputs.
  package static func of(
    _ stage: any RewardedStage, threads: Int
  ) async throws -> (result: RewardTrial, warnings: [String]) {
    try await StageContext.alone(threads: threads) { try stage.rewardTrial($0) }
  }
}
