/// The stages that come with Retort, in the order of a pipeline.
import Pipelines

package enum BuiltInStages {
  package static let all: [any Stage.Type] = [
    Split.self, MakeGroups.self, Initialise.self, Teacher.self, Mine.self, Score.self, Perplexity.self, Generate.self,
    Distill.self, DualEncoder.self, GRPO.self, Select.self, Average.self, Quantize.self, Merge.self, Guard.self,
    Truncate.self, Embed.self, Retrieve.self, Evaluate.self, Normalize.self,
  ]
}
