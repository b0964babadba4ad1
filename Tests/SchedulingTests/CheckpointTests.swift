/// A worker whose stage can be resumed: where it begins, what it keeps, what it refuses.
import Artifacts
import Foundation
@testable import Pipelines
@testable import Scheduling
import Synchronization
import TestSupport
import Testing

/// Adds 1 to a number in each step, four steps an epoch, and asks to be stopped after some step.
private struct Counting: Stage {
  static let kind = StageKind("counting", revision: 1)
  static let abstract = "Counts."
  static let trains = true
  @Parameter("Times four steps.", in: 0...100, extends: true) var epochs = 2
  @Output("The number.") var number: ResultFile

  /// Steps executed by all workers of a test's folder.
  static let executed = Mutex<[String: [Int]]>([:])
  static let stops = Mutex<[String: (after: Int, request: StopRequest)]>([:])

  func run(_ context: StageContext) async throws {
    let owner = context.scratch.path
    var step = 0
    if let start = context.keeper?.takeStart() {
      step = Int(String(decoding: start.outline, as: UTF8.self)) ?? -1
      guard start.tensors == [Data(repeating: UInt8(step), count: 1000), Data()] else {
        throw CocoaError(.fileReadUnknown)
      }
    }
    func state() -> SavedState {
      SavedState(
        step: step, outline: Data("\(step)".utf8), tensors: [Data(repeating: UInt8(step), count: 1000), Data()])
    }
    while step < 4 * epochs {
      step += 1
      Self.executed.withLock { $0[owner, default: []].append(step) }
      context.metric("number", Double(step), step: step)
      Self.stops.withLock { if $0[owner]?.after == step { $0[owner]?.request.ask() } }
      try context.keeper?.reached(step: step) { state() }
    }
    try context.keeper?.finished { state() }
    context.metric("number", Double(step))
    try Data("\(step)\n".utf8).write(to: number.url)
  }
}

private struct CountingBench {
  let scratch: ScratchFolder
  let store: Store
  let work: WorkFolder
  private let key = StageKey(Digest(of: "counting"))
  var policy = CheckpointPolicy(every: .steps(1))

  init() throws {
    scratch = try ScratchFolder()
    store = try Store(at: scratch.url.appending(path: ".retort"))
    work = WorkFolder(store.workFolder(of: key.digest))
  }

  func order(epochs: Int = 2) -> WorkOrder {
    WorkOrder(
      job: Job(
        stage: "count", kind: "counting", key: key, parameters: ["epochs": .int(epochs)], seed: nil, inputs: [:],
        outputs: ["number": BoundArtifact(url: work.url.appending(path: "out/number"), type: .results)], command: nil,
        compute: Compute(), checkpoint: policy, work: work.url, store: store.root),
      sources: [], stamps: KnownStamps([:]), force: false)
  }

  /// Runs a worker, which is asked to end after the step `stop`.
  @discardableResult
  func run(_ order: WorkOrder, stopAfter stop: Int? = nil) async throws -> (executed: [Int], printed: String) {
    let owner = work.scratch.path
    Counting.executed.withLock { $0[owner] = [] }
    let request = StopRequest()
    Counting.stops.withLock { $0[owner] = stop.map { ($0, request) } }
    let file = try scratch.write("", to: "printed")
    let worker = try Worker(
      order, catalog: StageCatalog([Counting.self]), numericsProfile: Bench.context.numericsProfile,
      environment: [:], output: FileHandle(forWritingTo: file),
      stop: request)
    if stop == nil {
      #expect(try await worker.run() == .done)
    } else {
      await #expect(throws: StageInterrupted.self) { try await worker.run() }
    }
    return (Counting.executed.withLock { $0[owner] ?? [] }, try String(contentsOf: file, encoding: .utf8))
  }

  var metrics: [StageEvent] {
    get throws { try work.readEvents().filter { if case .metric = $0 { true } else { false } } }
  }
  static func metrics(_ steps: Int) -> [StageEvent] {
    (1...steps).map { .metric("number", Double($0), step: $0) } + [.metric("number", Double(steps), step: nil)]
  }
  func number() throws -> String {
    let artifact = try #require(try work.readResult()?.outputs["number"])
    return try String(contentsOf: store.url(of: artifact), encoding: .utf8)
  }
}

@Suite struct CheckpointTests {
  @Test(arguments: 1...8)
  func `a stage that is asked to end saves its state and is continued, each metric once`(step: Int) async throws {
    var bench = try CountingBench()
    bench.policy.every = .seconds(600)
    let first = try await bench.run(bench.order(), stopAfter: step)
    #expect(first.executed == Array(1...step))
    #expect(first.printed.contains("continues after step \(step)"))
    let second = try await bench.run(bench.order())
    #expect(second.executed == Array((step + 1)..<9))
    #expect(try bench.metrics == CountingBench.metrics(8))
    #expect(try bench.number() == "8\n")
    #expect(FileStatus.of(bench.work.scratch) == nil)
  }

  @Test func `as many states are kept as the pipeline says, the newest`() async throws {
    var bench = try CountingBench()
    bench.policy = CheckpointPolicy(every: .steps(2), keep: 2)
    try await bench.run(bench.order(), stopAfter: 7)
    #expect(try bench.work.checkpointFiles().map { Int($0.deletingPathExtension().lastPathComponent) } == [6, 7])
    #expect(try bench.work.savedStep() == 7)
  }

  @Test func `a torn state is passed over for the one before it, with a warning`() async throws {
    for damage in ["cut", "changed", "foreign"] {
      let bench = try CountingBench()
      try await bench.run(bench.order(), stopAfter: 5)
      let newest = try #require(try bench.work.checkpointFiles().last)
      var bytes = try Data(contentsOf: newest)
      switch damage {
      case "cut": bytes.removeLast(100)
      case "changed": bytes[bytes.count / 2] ^= 1
      default:
        let other = StageKey(Digest(of: "other"))
        let state = SavedState(step: 5, outline: Data("5".utf8), tensors: [])
        try CheckpointFile(key: other, events: 0, state: state).write(to: newest, FileOperations())
        bytes = try Data(contentsOf: newest)
      }
      try bytes.write(to: newest)
      let resumed = try await bench.run(bench.order())
      #expect(resumed.executed == [5, 6, 7, 8], "\(damage)")
      #expect(resumed.printed.contains("warning: the saved state \(newest.path) cannot be used"))
      #expect(try bench.metrics == CountingBench.metrics(8))
    }
  }

  @Test func `a state whose events are gone is passed over`() async throws {
    let bench = try CountingBench()
    try await bench.run(bench.order(), stopAfter: 5)
    let events = try Data(contentsOf: bench.work.events)
    let cut = try #require(events.range(of: Data(#""step":5"#.utf8))).lowerBound
    try events[..<cut].write(to: bench.work.events)
    #expect(try await bench.run(bench.order()).executed == [5, 6, 7, 8])
    #expect(try bench.metrics == CountingBench.metrics(8))
  }

  @Test func `what a writer left that was killed is cleared away`() async throws {
    let bench = try CountingBench()
    try await bench.run(bench.order(), stopAfter: 3)
    let half = bench.work.checkpoints.appending(path: ".000000000004.state.123")
    try Data("half".utf8).write(to: half)
    try await bench.run(bench.order(), stopAfter: 6)
    #expect(FileStatus.of(half) == nil)
  }

  @Test func `an order to begin anew does`() async throws {
    let bench = try CountingBench()
    try await bench.run(bench.order(), stopAfter: 5)
    var order = bench.order()
    order.force = true
    order.anew = true
    #expect(try await bench.run(order).executed == Array(1...8))
    #expect(try bench.metrics == CountingBench.metrics(8))
  }

  @Test func `a final state is kept in the store, and a longer run goes on from it`() async throws {
    let short = try CountingBench()
    var order = short.order(epochs: 2)
    let extensible = StageKey(Digest(of: "counting without epochs"))
    order.continuation = Continuation(key: extensible, length: 2)
    try await short.run(order)
    let stored = try #require(try short.work.readResult()?.continuation)
    #expect(stored.key == extensible && stored.length == 2)

    let long = try CountingBench()
    order = long.order(epochs: 3)
    order.continuation = Continuation(key: extensible, length: 3, from: short.store.url(of: stored.artifact))
    // Also if it is interrupted before its first state, and then after some.
    #expect(try await long.run(order, stopAfter: 10).executed == [9, 10])
    #expect(try await long.run(order).executed == [11, 12])
    #expect(try long.metrics == CountingBench.metrics(12))
    #expect(try long.number() == "12\n")

    let other = try CountingBench()
    order = other.order(epochs: 3)
    order.continuation = Continuation(
      key: StageKey(Digest(of: "another")), length: 3, from: short.store.url(of: stored.artifact))
    #expect(try await other.run(order).executed == Array(1...12))
  }

  @Test func `a worker that waits for the stage ends when it is asked to`() async throws {
    let bench = try CountingBench()
    try FileOperations().makeFolder(bench.work.url)
    let holder = try bench.work.openLock()
    #expect(try holder.take())
    let request = StopRequest()
    request.ask()
    let worker = try Worker(
      bench.order(), catalog: StageCatalog([Counting.self]), numericsProfile: Bench.context.numericsProfile,
      environment: [:],
      output: FileHandle(forWritingTo: bench.scratch.write("", to: "printed")), stop: request)
    await #expect(throws: StageInterrupted.self) { try await worker.run() }
  }

  @Test func `a disk that is full for a state costs the state, not the training`() throws {
    let bench = try CountingBench()
    let full = FileOperations { operation, file in
      if operation == "write" && file.path.contains("000000000002.state") {
        throw FileError("write", file, code: ENOSPC)
      }
    }
    let order = bench.order()
    let start = try StartingPoint(order.job, nil, in: bench.work, full)
    let events = try EventWriter(bench.work, output: FileHandle(forWritingTo: bench.scratch.write("", to: "p")))
    let keeper = Checkpoints(
      bench.policy, order, from: start, work: bench.work, events: events, stop: StopRequest(), files: full)
    for step in 1...2 {
      try keeper.reached(step: step) { SavedState(step: step, outline: Data("\(step)".utf8), tensors: []) }
    }
    #expect(keeper.latest?.step == 1)
    #expect(try FolderScan.names(in: bench.work.checkpoints) == ["000000000001.state"])
    #expect(
      try bench.work.readEvents().contains { if case .warning(let text) = $0 { text.contains("space") } else { false } }
    )
  }
}
