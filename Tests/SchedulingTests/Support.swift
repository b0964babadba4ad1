/// Plans of small commands, a journal in memory, and an executor without worker processes.
import Artifacts
import Foundation
import Hub
@testable import Pipelines
@testable import Scheduling
import Synchronization
import TestSupport

/// A pipeline of commands in a folder of its own.
struct Bench {
  let scratch: ScratchFolder
  let store: Store
  let journal = MemoryJournal()
  var stages: [PlannedStage] = []

  init() throws {
    scratch = try ScratchFolder()
    store = try Store(at: scratch.url.appending(path: ".retort"))
  }

  var root: URL { scratch.url }
  var plan: Plan { Plan(name: "test", file: root.appending(path: "p.yaml"), root: root, stages: stages) }

  /// - Parameters:
  ///   - inputs: by port: `stage.port`, or a path below the root.
  ///   - outputs: ports, written to files of the same names.
  mutating func add(
    _ name: String, _ command: String, inputs: [String: String] = [:], outputs: [String] = ["out"],
    publish: String? = nil, retry: Int = 0, timeout: Duration? = nil, secrets: [String] = [], metrics: String? = nil
  ) {
    let location = SourceLocation(file: plan.file, line: 1, column: 1)
    let planned = inputs.sorted { $0.key < $1.key }.map { port, source in
      let parts = source.split(separator: ".").map(String.init)
      let upstream = stages.first { $0.name == parts[0] }
      let input: InputSource = upstream.map { .stage($0.id, port: parts[1]) } ?? .file(root.appending(path: source))
      return PlannedInput(port: port, source: input, type: nil, location: location)
    }
    let publication = publish.map { path in
      let url = root.appending(path: path)
      let targets = outputs.map {
        Publication.Target(port: $0, file: $0, url: outputs.count == 1 ? url : url.appending(path: $0))
      }
      return Publication(
        url: url, location: location, targets: targets)
    }
    stages.append(
      PlannedStage(
        id: StageID(index: stages.count), base: name, location: location,
        description: StageDescription(
          kind: StageKind("cmd", revision: 1), abstract: "", numeric: false, outsideTools: [], usesSeed: false,
          inputs: [], parameters: [], outputs: []),
        command: Command(
          template: Self.template(command),
          outputs: Dictionary(uniqueKeysWithValues: outputs.map { ($0, $0) }), metrics: metrics, environment: [],
          secrets: secrets, tools: []),
        inputs: planned, parameters: [:], seed: nil, outputs: outputs.map { PlannedOutput(port: $0, type: nil) },
        publish: publication, retry: retry, timeout: timeout))
  }

  /// `<port` is an input, `>port` an output.
  private static func template(_ text: String) -> [Command.Segment] {
    text.split(separator: " ").flatMap { word -> [Command.Segment] in
      let port = String(word.dropFirst())
      guard !port.isEmpty, port.allSatisfy(\.isLetter) else { return [.text(word + " ")] }
      return switch word.first {
      case "<": [.input(port, .word), .text(" ")]
      case ">": [.text(">"), .output(port, .word), .text(" ")]
      default: [.text(word + " ")]
      }
    }
  }

  static let context = KeyContext(
    environment: ["PATH": "/usr/bin:/bin"], automaticPrecision: "bf16", numericsProfile: { $0 },
    outsideToolVersion: { _ in "1" })

  func coordinator(
    forced: [String] = [], keepGoing: Bool = false, overwrite: Bool = false, executor: (any Executor)? = nil
  ) -> Coordinator {
    let selected = Set(stages.map(\.id))
    let options = RunOptions(
      limits: RunLimits(jobs: 4, threads: 4, memory: 4 << 30, keepGoing: keepGoing), selected: selected,
      forced: Set(stages.filter { forced.contains($0.name) }.map(\.id)), overwrite: overwrite, backOff: { _ in .zero })
    return Coordinator(
      plan, options: options, store: store, journal: journal, context: Self.context,
      executor: executor ?? InProcessExecutor(output: scratch.url.appending(path: "printed.txt")))
  }

  /// Runs the plan and returns what each stage became.
  func run(forced: [String] = [], keepGoing: Bool = false, overwrite: Bool = false) async throws -> Ran {
    let coordinator = coordinator(forced: forced, keepGoing: keepGoing, overwrite: overwrite)
    let summary = try await coordinator.run()
    var ran = Ran(summary: summary)
    for await events in coordinator.events {
      for event in events {
        switch event {
        case .moved(let id, let state): ran.states[plan[id].name] = state
        case .failed(_, let failure): ran.failures.append(failure.description)
        case .warning(_, let message): ran.warnings.append(message)
        default: break
        }
      }
    }
    return ran
  }

  struct Ran {
    var summary: RunSummary
    var states: [String: StageState] = [:]
    var failures: [String] = []
    var warnings: [String] = []
    var executed: [String] { states.filter { $0.value == .ran }.keys.sorted() }
  }

  func order(_ name: String, force: Bool = false) throws -> WorkOrder {
    var resolver = Resolver(plan, store: store, journal: journal, context: Self.context)
    resolver.hashSources(of: Set(stages.map(\.id)))
    guard let stage = stages.first(where: { $0.name == name }) else { preconditionFailure("no stage \(name)") }
    let resolved = try resolver.resolve(stage.id) { _ in nil }
    return WorkOrder(
      job: Job(
        material: resolved.material, key: resolved.key,
        inputs: resolved.inputs.mapValues {
          BoundArtifact(url: $0.url(in: store), digest: $0.artifact.digest.description)
        }, work: store.workFolder(of: resolved.key.digest), store: store.root),
      sources: Array(resolved.inputs.keys), stamps: KnownStamps(resolved.stamps), force: force)
  }

  func text(_ path: String) throws -> String {
    try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }
}

/// Does a worker's work in this process.
struct InProcessExecutor: Executor {
  let output: URL

  func run(
    _ order: WorkOrder, as name: String, logs: URL, timeout: Duration?,
    report: @escaping @Sendable (AttemptReport) -> Void
  ) async throws -> AttemptEnd {
    _ = FileManager.default.createFile(atPath: output.posixPath, contents: nil)
    let output = try FileHandle(forWritingTo: output)
    do {
      let exit = try await Worker(
        order, catalog: StageCatalog([]), numericsProfile: Bench.context.numericsProfile,
        environment: ["PATH": "/usr/bin:/bin", "TOKEN": "secret-token"],
        output: output
      ).run()
      return try .success(reading: WorkFolder(order.job.work), exit == .adopted ? .cached : .ran)
    } catch {
      return .failure(StageFailure(.error("\(error)")), again: !(error is SourceChanged))
    }
  }
}

/// The journal's contract in as few lines as possible.
final class MemoryJournal: RunJournal {
  private struct State {
    var runs = 0
    var outputs: [StageKey: [String: StoredArtifact]] = [:]
    var metrics: [StageKey: [String: Double]] = [:]
    var names: [StageKey: String] = [:]
    var continuations: [StoredContinuation] = []
    var publications: [URL: PublicationRecord] = [:]
    var models: [HubReference: HubRevision] = [:]
    var transactions = 0
    var ended: [RunOutcome] = []
  }
  private let state = Mutex(State())

  var transactions: Int { state.withLock { $0.transactions } }
  var ended: [RunOutcome] { state.withLock { $0.ended } }

  func closeAbandoned(isAlive: (Int) throws -> Bool) {}
  func begin(_ run: RunStart, claim: (Int) throws -> Void) throws -> Int {
    let number = state.withLock { state in
      state.runs += 1
      return state.runs
    }
    try claim(number)
    return number
  }
  func recentOutputs(ofPipeline name: String, file: URL) -> [StageKey: [String: StoredArtifact]] { [:] }
  func outputs(for key: StageKey) -> [String: StoredArtifact]? { state.withLock { $0.outputs[key] } }
  /// Of the key's own stage.
  func provenance(of key: StageKey) -> [Provenance.Stage] {
    state.withLock { state in
      var stage = Provenance.Stage(name: state.names[key] ?? "", kind: "cmd", key: key)
      stage.outputs = state.outputs[key]?.mapValues(Provenance.Output.init) ?? [:]
      stage.metrics = state.metrics[key] ?? [:]
      return [stage]
    }
  }
  func earlierOutputs(of function: StageKey, limit: Int) -> [[String: StoredArtifact]] { [] }
  func continuations(of key: StageKey, upTo length: Int) -> [StoredContinuation] {
    state.withLock { $0.continuations.filter { $0.key == key && $0.length <= length }.sorted { $0.length > $1.length } }
  }
  func publication(at target: URL) -> PublicationRecord? { state.withLock { $0.publications[target] } }
  func hubRevision(of reference: HubReference) -> HubRevision? { state.withLock { $0.models[reference] } }
  func digest(for stamp: FileStamp) -> Digest? { nil }
  func remember(_ digest: Digest, for stamp: FileStamp) {}
  func record(_ entries: [JournalEntry], run: Int) {
    state.withLock { state in
      state.transactions += 1
      for entry in entries {
        switch entry {
        case .result(let recorded, _, true):
          let result = recorded.result
          state.outputs[recorded.key] = result.outputs
          if let continuation = result.continuation { state.continuations.append(continuation) }
          let final = result.metrics.filter { $0.step == nil }.map { ($0.name, $0.value) }
          state.names[recorded.key] = result.stage
          state.metrics[recorded.key] = Dictionary(final) { $1 }
        case .model(let reference, let revision): state.models[reference] = revision
        case .publication(let record): state.publications[record.target] = record
        case .ended(let outcome, _): state.ended.append(outcome)
        default: break
        }
      }
    }
  }
}
