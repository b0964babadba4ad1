/// The other side of a work order: takes the stage's lock, runs the stage, puts its outputs into the store.
import Artifacts
import Basics
import Foundation
import Pipelines

package struct Worker: Sendable {
  private let order: WorkOrder
  private let catalog: StageCatalog
  private let store: Store
  private let work: WorkFolder
  private let environment: [String: String]
  private let output: FileHandle
  private let stop: StopRequest
  private let files: FileOperations
  private let remoteKey: RemoteKey?
  private let numericsProfile: @Sendable (String) -> String

  /// - Parameters:
  ///   - numericsProfile: what this process computes with in a precision.
  ///   - environment: where secrets, PATH and HOME come from.
  ///   - output: takes what the stage prints.
  ///   - stop: seen by stages that can be resumed.
  ///   - remoteKey: with which what comes from a remote store has to be signed.
  package init(
    _ order: WorkOrder, catalog: StageCatalog, numericsProfile: @escaping @Sendable (String) -> String,
    environment: [String: String] = ProcessInfo.processInfo.environment,
    output: FileHandle = .standardOutput, stop: StopRequest = StopRequest(), remoteKey: RemoteKey? = nil
  ) throws {
    self.order = order
    self.stop = stop
    self.catalog = catalog
    self.environment = environment
    self.output = output
    self.remoteKey = remoteKey
    self.numericsProfile = numericsProfile
    store = try Store(at: order.job.store)
    files = store.files
    work = WorkFolder(order.job.work)
  }

  private var job: Job { order.job }
  private var owner: String { job.key.description }

  package func run() async throws -> WorkerExit {
    let lock = try work.takeLock(for: job.stage, files: files, stop: stop)
    defer { withExtendedLifetime(lock) {} }
    if !order.force, try canAdopt() { return .adopted }
    let trouble: String?
    switch try pull() {
    case .pulled: return .pulled
    case .computes(let reason): trouble = reason
    }
    let numerics = numericsProfile(job.compute.precision)
    if let asked = order.numerics, asked != numerics { throw OtherNumerics(asked: asked, here: numerics) }
    for folder in folders { try files.remove(folder) }
    for parent in Set(job.outputs.values.map { $0.url.deletingLastPathComponent() }) { try files.makeFolder(parent) }
    // Only a command, a training and a stage that says so have a use for what an earlier attempt left there.
    let resumes = job.command != nil || job.checkpoint != nil || catalog.describe(job.kind)?.resumes == true
    if order.anew || !resumes { try files.remove(work.scratch) }
    try files.makeFolder(work.scratch)
    var start = try job.checkpoint.map { _ in try startingPoint() }
    if start == nil { try files.remove(work.events) }
    let events = try EventWriter(work, output: output)
    if let trouble { events.write(.warning("\(trouble); computes the stage instead")) }
    try work.announce(job.stage, events: start?.events ?? 0, in: lock)
    start?.remarks.forEach(events.write)

    if let command = job.command {
      try run(command, holding: lock.descriptor, events)
    } else {
      let context = context(start, events)
      start = nil  // the stage alone holds the state's memory
      if order.profiles { catalog.profiler?.begin() }
      try await catalog.make(job.kind, job.binding).run(context)
      if order.profiles, let profiler = catalog.profiler { events.write(.profile(profiler.end())) }
    }
    try events.check()

    // What is in the store already must stay there until the result names it.
    let hold = try store.keepingAll()
    defer { withExtendedLifetime(hold) {} }
    let result = StageResult(
      stage: job.stage, outputs: try ingest(), peakMemory: try peakMemory(), continuation: try keepFinalState())
    try lookAtInputsAgain()
    try files.replace(work.result, with: try storedJSON(result))
    for folder in folders + [work.scratch] { try files.remove(folder) }
    return .done
  }

  private func run(_ command: JobCommand, holding lock: Int32, _ events: EventWriter) throws {
    try files.makeFolder(command.folder)
    for (name, target) in command.links { try files.makeLink(work.url.appending(path: name), to: target) }
    for name in command.shortSecrets(environment) {
      let least = MaskingFilter.shortest
      events.write(.warning("the secret \(name) has fewer than \(least) bytes: it is not masked in this log"))
    }
    try CommandRunner(command, scratch: work.scratch, environment: environment).run(holding: lock, output: output)
    let mask = command.mask(environment)
    for metric in try command.metrics.map(readMetrics) ?? [] {
      events.write(.metric(mask.masked(metric.key), metric.value, step: nil))
    }
  }

  /// What a stage writes into; the scratch folder outlives a failure.
  private var folders: [URL] { ["out", "cwd", "in"].map { work.url.appending(path: $0) } }

  private func startingPoint() throws -> StartingPoint {
    // A collection may have taken the state that a shorter training left, but not while it is read.
    let hold = try store.keepingAll()
    defer { withExtendedLifetime(hold) {} }
    return try StartingPoint(job, order.continuation, in: work, files)
  }

  private func canAdopt() throws -> Bool {
    guard let result = try work.readResult() else { return false }
    let hold = try store.keepingAll()
    defer { withExtendedLifetime(hold) {} }
    return try result.outputs.values.allSatisfy { try store.damage(of: $0, owner: owner) == nil }
  }

  private enum Pull {
    case pulled
    /// With what kept a result from being taken, if anything did.
    case computes(String?)
  }

  private func pull() throws -> Pull {
    guard let remote = order.remote, !order.force else { return .computes(nil) }
    do {
      let source = try RemoteStore(at: remote.folder, key: remoteKey)
      guard let found = try source.result(of: job.key, ports: Array(job.outputs.keys)) else {
        if remote.isOnly { throw NotInRemote(remote: remote.folder) }
        return .computes(nil)
      }
      let hold = try store.keepingAll()
      defer { withExtendedLifetime(hold) {} }
      for artifact in found.outputs.values { try store.receive(artifact, from: source, owner: owner) }
      try files.remove(work.events)
      let events = try EventWriter(work, output: output)
      events.write(.log("pulled from \(remote.folder.posixPath)"))
      for metric in found.metrics { events.write(.metric(metric.name, metric.value, step: metric.step)) }
      if let verdict = found.verdict { events.write(.verdict(verdict)) }
      try events.check()
      try files.replace(work.result, with: try storedJSON(StageResult(stage: job.stage, outputs: found.outputs)))
      return .pulled
    } catch let error where !remote.isOnly && !error.isFullDisk {
      return .computes("\(error)")
    }
  }

  private func ingest() throws -> [String: StoredArtifact] {
    for (port, output) in job.outputs.sorted(by: { $0.key < $1.key }) where FileStatus.of(output.url) == nil {
      throw MissingOutput(port: port, path: output.url.lastPathComponent)
    }
    let moves = try outputsLieApart()
    return try job.outputs.mapValues { try store.ingest($0.url, owner: owner, moves: moves) }
  }

  /// Whether the outputs may be moved into the store one after the other: none is reached through another, by a link or
  /// as a part of it.
  private func outputsLieApart() throws -> Bool {
    do {
      for output in job.outputs.values where try files.enclosure.status(of: output.url)?.isLink != false {
        return false
      }
    } catch is UnexpectedFile { return false }  // a link on the way
    let folders = job.outputs.values.map { $0.url.pathBytes + [UInt8(ascii: "/")] }
    return folders.allSatisfy { folder in folders.count { $0.starts(with: folder) } == 1 }
  }

  private func context(_ start: StartingPoint?, _ events: EventWriter) -> StageContext {
    let keeper = start.flatMap { start in
      job.checkpoint.map {
        Checkpoints($0, order, from: start, work: work, events: events, stop: stop, files: files)
      }
    }
    return StageContext(
      job.compute, scratch: work.scratch, earlier: job.earlier, keeper: keeper, ownsProcess: true,
      report: { events.write($0) })
  }

  private func keepFinalState() throws -> StoredContinuation? {
    guard let continuation = order.continuation, FileStatus.of(work.finalState) != nil else { return nil }
    return StoredContinuation(
      key: continuation.key, length: continuation.length,
      artifact: try store.ingest(work.finalState, owner: owner))
  }

  private func lookAtInputsAgain() throws {
    let hasher = SourceHasher(memory: order.stamps)
    for (port, input) in job.inputs.sorted(by: { $0.key < $1.key }) {
      if order.sources.contains(port) {
        if try hasher.hash(input.url, only: input.files).artifact.digest.description != input.digest {
          throw SourceChanged(port: port, url: input.url)
        }
      } else if let digest = Digest(hex: input.digest), let damage = try store.change(of: digest, at: input.url) {
        throw InputChanged(port: port, name: input.name ?? port, damage: damage)
      }
    }
  }

  private func readMetrics(_ url: URL) throws -> [(key: String, value: Double)] {
    guard FileStatus.of(url) != nil else { throw MissingOutput(port: "metrics", path: url.lastPathComponent) }
    do {
      let data = try ForeignFile.contents(of: url, atMost: 1 << 24)
      return try JSONDecoder().decode([String: Double].self, from: data).sorted { $0.key < $1.key }
    } catch {
      throw BadMetrics(file: url.lastPathComponent)
    }
  }
}
