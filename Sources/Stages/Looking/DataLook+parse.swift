/// Runs `groups` itself on the data, so that what is shown is what a pipeline gets.
import Foundation
import Pipelines
import Synchronization

extension DataLook {
  /// Throws what `groups` says of the data, with its place.
  package func parse() async throws -> ParsedGroups {
    let folder = FileManager.default.temporaryDirectory.appending(path: "retort-look-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer {
      // A leftover temporary folder harms nobody; the system cleans it.
      try? FileManager.default.removeItem(at: folder)
    }
    let events = Mutex<[StageEvent]>([])
    let context = StageContext(threads: 1, memory: 1 << 30, precision: "fp32", scratch: folder) { event in
      events.withLock { $0.append(event) }
    }
    var parameters = parameters
    if let part = parts.first { parameters["part"] = .string(part) }
    let outputs = ["groups": folder.appending(path: "groups"), "corpus": folder.appending(path: "corpus")]
    var inputs = ["data": BoundArtifact(url: data)]
    inputs["passages"] = passages.map { BoundArtifact(url: $0) }
    try await MakeGroups.bound(to: StageBinding(inputs: inputs, parameters: parameters, outputs: outputs)).run(context)

    let groups = try QueryGroup.read(folder.appending(path: "groups"))
    let warnings = events.withLock { events in
      events.compactMap { event in if case .warning(let text) = event { text } else { nil } }
    }
    return ParsedGroups(
      groups: groups.count, positives: groups.reduce(0) { $0 + $1.positives.count },
      negatives: groups.reduce(0) { $0 + $1.negatives.count },
      passages: try Passage.read(folder.appending(path: "corpus")).count,
      mostPositives: groups.map(\.positives.count).max() ?? 0, examples: Array(groups.prefix(3)), warnings: warnings)
  }
}
