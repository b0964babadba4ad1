/// The stage kinds that a program has: how planning and workers reach stages that they do not import.
import Synchronization

package struct StageCatalog: Sendable {
  private let stages: [String: any Stage.Type]
  private let known = Known()

  /// Describing a stage makes one and looks at all its declarations: once, and only of what somebody asks for.
  private final class Known: Sendable {
    let descriptions = Mutex<[String: StageDescription]>([:])
  }
  /// Measures the stages; absent: they cannot be profiled.
  package let profiler: (any StageProfiler)?
  /// Looks at models when a file is planned; absent: nobody does until a stage loads them.
  package let modelChecker: (any ModelChecker)?

  /// - Parameter stages: the built-in stages; of two of one kind the later one counts.
  package init(
    _ stages: [any Stage.Type], profiler: (any StageProfiler)? = nil, modelChecker: (any ModelChecker)? = nil
  ) {
    self.profiler = profiler
    self.modelChecker = modelChecker
    self.stages = Dictionary(stages.map { ($0.kind.name, $0) }) { _, later in later }
  }

  /// Sorted.
  package var kinds: [String] { stages.keys.sorted() }

  package func describe(_ kind: String) -> StageDescription? {
    guard let stage = stages[kind] else { return nil }
    return known.descriptions.withLock { descriptions in
      if let description = descriptions[kind] { return description }
      let description = stage.description
      descriptions[kind] = description
      return description
    }
  }

  /// A stage whose declarations have their values. Throws if there is no such kind or a value does not fit.
  package func make(_ kind: String, _ binding: StageBinding) throws -> any Stage {
    guard let stage = stages[kind] else { throw UnknownStageKind(kind: kind) }
    return try stage.bound(to: binding)
  }
}

package struct UnknownStageKind: Error, CustomStringConvertible {
  package let kind: String
  package var description: String { "there is no stage kind `\(kind)`; `retort stages` lists them" }
}
