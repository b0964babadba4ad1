/// Runs a recorded stage again, beside the store, and compares the bytes.
import Artifacts
import Foundation
import Pipelines

package struct RerunReport: Sendable {
  package struct Output: Sendable {
    package var port: String
    package var recorded: StoredArtifact
    package var now: StoredArtifact
    /// `nil` if the bytes are the same.
    package var difference: ArtifactDifference?
  }
  package var outputs: [Output]
}

package struct CannotRerun: Error, CustomStringConvertible {
  package let stage: String
  package let reason: String
  package var description: String { "stage `\(stage)` cannot be run again: \(reason)" }
}

package struct Rerun: Sendable {
  private let recorded: RecordedResult
  /// The run that made it.
  private let origin: Int
  private let store: Store
  private let context: KeyContext
  private let executor: any Executor

  package init(_ recorded: RecordedResult, ofRun run: Int, store: Store, context: KeyContext, executor: any Executor) {
    self.recorded = recorded
    origin = run
    self.store = store
    self.context = context
    self.executor = executor
  }

  private var stage: String { recorded.result.stage }

  /// - Throws: `CannotRerun` where something that the key names is not as it was, `StageFailure` if the stage fails.
  package func run(report: @escaping @Sendable (AttemptReport) -> Void) async throws -> RerunReport {
    let order = try recordedOrder()
    try checkMachine(order.job)
    // A lock of its own keeps the folder from collections.
    let folder = store.root.appending(path: "tmp/rerun-\(UUID().uuidString)")
    let files = store.files
    let lock = try locked(folder, files)
    defer { withExtendedLifetime(lock) {} }
    do {
      let other = try Store(at: folder.appending(path: "store"))
      let moved = try prepare(order, in: other)
      let made = try await outputs(of: moved, in: other, report)
      let result = try compare(made, in: other)
      try files.remove(folder)
      return result
    } catch {
      try? files.remove(folder)  // what went wrong first is what counts; a collection clears the rest
      throw error
    }
  }

  private func locked(_ folder: URL, _ files: FileOperations) throws -> FileLock {
    let hold = try store.keepingAll()
    defer { withExtendedLifetime(hold) {} }
    try files.makeFolder(folder)
    let lock = try FileLock(at: folder.appending(path: "lock"), beneath: store.root)
    try lock.wait()
    return lock
  }

  /// The order that the worker had, from the run's logs.
  private func recordedOrder() throws -> WorkOrder {
    let logs = store.logFolder(ofRun: origin)
    let prefix = fileName(for: stage) + "."
    let names = FileStatus.of(logs) == nil ? [] : try FolderScan.names(in: logs)
    let attempts = names.filter { $0.hasPrefix(prefix) && $0.hasSuffix(".job.json") }
      .compactMap { Int($0.dropFirst(prefix.count).dropLast(".job.json".count)) }
    guard let attempt = attempts.max() else {
      throw CannotRerun(
        stage: stage, reason: "the job file of run \(origin) is gone; use `retort run --force` instead")
    }
    let data = try store.files.enclosure.read(logs.appending(path: "\(prefix)\(attempt).job.json"))
    var order = try JSONDecoder().decode(WorkOrder.self, from: Self.asWrittenToday(data))
    order.job.earlier = []  // a rerun shows what computing gives
    order.job.compute = context.resolved(order.job.compute)
    guard order.job.key == recorded.key else {
      throw CannotRerun(stage: stage, reason: "its job file is of another key, \(order.job.key)")
    }
    return order
  }

  /// A job file in which what the stage computes with stands together, as it does since there are devices.
  private static func asWrittenToday(_ data: Data) throws -> Data {
    guard var order = try JSONSerialization.jsonObject(with: data) as? [String: Any],
      var job = order["job"] as? [String: Any], job["compute"] == nil
    else { return data }
    job["earlier"] = [Any]()
    job["compute"] = job.filter { ["threads", "memory", "precision"].contains($0.key) }
      .merging(["device": Compute.Device.cpu.rawValue]) { $1 }
    order["job"] = job
    return try JSONSerialization.data(withJSONObject: order)
  }

  /// Other numerics or another tool may give other bytes, and rightly so.
  private func checkMachine(_ job: Job) throws {
    let hasher = SourceHasher(memory: KnownStamps())
    for component in recorded.preimage {
      guard case .string(let old) = component.value else { continue }
      let parts = component.name.split(separator: ".", maxSplits: 1).map(String.init)
      let now: String
      switch (parts[0], parts.count) {
      case ("numerics", 1): now = context.numericsProfile(job.compute.precision)
      case ("tool", 2): now = try context.digest(ofTool: parts[1], hasher: hasher).description
      case ("outside", 2): now = try context.outsideToolVersion(parts[1])
      default: continue
      }
      if now != old {
        throw CannotRerun(stage: stage, reason: "its `\(component.name)` was `\(old)`, here it is `\(now)`")
      }
    }
  }

  /// The order with everything that lay in the store, or in its work folder, in the other store.
  private func prepare(_ order: WorkOrder, in other: Store) throws -> WorkOrder {
    let hold = try store.keepingAll()
    defer { withExtendedLifetime(hold) {} }
    let hasher = SourceHasher(memory: KnownStamps())
    for artifact in recorded.result.outputs.values { try store.lend(artifact, to: other, owner: "rerun-\(getpid())") }
    for (port, input) in order.job.inputs {
      guard let digest = Digest(hex: input.digest) else { continue }
      let artifact: StoredArtifact
      if FileStatus.of(input.url) != nil {
        artifact = try hasher.hash(input.url, only: input.files).artifact
      } else {
        throw CannotRerun(stage: stage, reason: "its input `\(port)`, \(input.url.posixPath), is gone")
      }
      guard artifact.digest == digest else {
        throw CannotRerun(
          stage: stage, reason: "its input `\(port)`, \(input.url.posixPath), has other bytes by now")
      }
      if !order.sources.contains(port) { try store.lend(artifact, to: other, owner: "rerun-\(getpid())") }
    }
    // The store's path and the work folder's are in a command's text as well; both are below the store's root.
    let text = String(decoding: try storedJSON(order), as: UTF8.self)
    let old = order.job.store.posixPath
    var moved = try JSONDecoder().decode(WorkOrder.self, from: Data(text.utf8))
    func move(_ url: URL) -> URL {
      let path = url.posixPath
      guard path.utf8.elementsEqual(old.utf8) || path.utf8.starts(with: (old + "/").utf8) else { return url }
      return URL(filePath: other.root.posixPath + String(decoding: path.utf8.dropFirst(old.utf8.count), as: UTF8.self))
    }
    for port in moved.job.inputs.keys where !order.sources.contains(port) {
      moved.job.inputs[port]?.url = move(order.job.inputs[port]?.url ?? other.root)
    }
    for port in moved.job.outputs.keys {
      moved.job.outputs[port]?.url = move(order.job.outputs[port]?.url ?? other.root)
    }
    moved.job.work = move(order.job.work)
    moved.job.store = other.root
    if let command = order.job.command {
      moved.job.command?.folder = move(command.folder)
      moved.job.command?.metrics = command.metrics.map(move)
      moved.job.command?.links = command.links.mapValues(move)
      moved.job.command?.text = command.text.replacing(old + "/", with: other.root.posixPath + "/")
    }
    moved.force = true
    moved.remote = nil
    return moved
  }

  private func outputs(
    of order: WorkOrder, in other: Store, _ report: @escaping @Sendable (AttemptReport) -> Void
  ) async throws -> [String: StoredArtifact] {
    let logs = other.logFolder(ofRun: 1)
    try other.files.makeFolder(logs)
    switch try await executor.run(order, as: "rerun", logs: logs, timeout: nil, report: report) {
    case .success(_, let made): return made.outputs
    case .failure(let failure, _): throw failure
    }
  }

  private func compare(_ made: [String: StoredArtifact], in other: Store) throws -> RerunReport {
    RerunReport(
      outputs: try recorded.result.outputs.sorted { $0.key < $1.key }.map { port, old in
        guard let new = made[port] else {
          throw CannotRerun(stage: stage, reason: "it no longer has an output `\(port)`")
        }
        return .init(
          port: port, recorded: old, now: new,
          difference: old.digest == new.digest
            ? nil : try ArtifactDifference.first(other.url(of: old), other.url(of: new)))
      })
  }
}
