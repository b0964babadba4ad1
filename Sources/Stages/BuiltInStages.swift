/// The stages that come with Retort, in the order of a pipeline.
import Pipelines

package enum BuiltInStages {
  package static let all: [any Stage.Type] = [
    Split.self, MakeGroups.self, Mine.self, Evaluate.self, Normalize.self,
  ]
}
