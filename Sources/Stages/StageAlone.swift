/// Runs stages without a pipeline: on data that is only looked at, for a question that is asked once.
import Foundation
import Pipelines
import Synchronization

extension StageContext {
  /// What `body` makes with a context whose scratch folder goes afterwards, and what was warned of.
  static func alone<Result>(
    threads: Int = 1, _ body: (StageContext) async throws -> Result
  ) async throws -> (result: Result, warnings: [String]) {
    let folder = FileManager.default.temporaryDirectory.appending(path: "retort-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer {
      // A leftover temporary folder harms nobody; the system cleans it.
      try? FileManager.default.removeItem(at: folder)
    }
    let warnings = Mutex<[String]>([])
    let context = StageContext(Compute(threads: threads), scratch: folder) { event in
      if case .warning(let text) = event { warnings.withLock { $0.append(text) } }
    }
    let result = try await body(context)
    return (result, warnings.withLock { $0 })
  }
}

extension Stage {
  /// A stage that writes its outputs, each under its port's name, to the context's scratch folder.
  static func alone(
    _ inputs: [String: URL], _ parameters: [String: ParameterValue], in context: StageContext
  ) throws -> Self {
    let outputs = description.outputs.map { ($0.name, context.scratch.appending(path: $0.name)) }
    return try bound(
      to: StageBinding(
        inputs: inputs.mapValues { BoundArtifact(url: $0) }, parameters: parameters,
        outputs: Dictionary(uniqueKeysWithValues: outputs)))
  }
}
