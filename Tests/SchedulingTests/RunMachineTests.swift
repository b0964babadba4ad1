/// The order of a run, without processes, files or time.
import Pipelines
@testable import Scheduling
import TestSupport
import Testing

@Suite struct RunMachineTests {
  private let limits = RunLimits(jobs: 4, threads: 4, memory: 100)

  private func machine(_ nodes: [StageNode], _ limits: RunLimits? = nil) -> RunMachine {
    RunMachine(nodes, selected: Set(nodes.indices.map(StageID.init(index:))), limits: limits ?? self.limits)
  }
  private func id(_ index: Int) -> StageID { StageID(index: index) }

  private func starts(_ actions: [RunAction]) -> [Int] {
    actions.compactMap { if case .start(let id, _) = $0 { id.index } else { nil } }
  }

  @Test func `a stage is resolved when the last of its dependencies is done`() {
    var machine = machine([
      StageNode(dependencies: []), StageNode(dependencies: []), StageNode(dependencies: [id(0), id(1)]),
    ])
    #expect(machine.begin().contains(.resolve(id(1))))
    #expect(!machine.resolved(id(0), cached: true).contains(.resolve(id(2))))
    #expect(machine.resolved(id(1), cached: true).contains(.resolve(id(2))))
    #expect(machine.resolved(id(2), cached: true).last == .finish)
  }

  @Test func `stages run together as far as threads, memory and jobs reach`() {
    let nodes = [(2, 10), (2, 10), (1, 10), (9, 999)].map {
      StageNode(dependencies: [], threads: $0.0, memory: $0.1)
    }
    var machine = machine(nodes)
    _ = machine.begin()
    var started = (0..<4).flatMap { starts(machine.resolved(id($0), cached: false)) }
    #expect(started == [0, 1])
    started = starts(machine.finished(id(0), .ran))
    #expect(started == [2])
    #expect(starts(machine.finished(id(1), .ran)) == [])
    // Asks for more than there is: runs alone.
    #expect(starts(machine.finished(id(2), .ran)) == [3])
  }

  @Test func `a failed stage is tried again as often as it may be`() {
    var machine = machine([StageNode(dependencies: [], retries: 1)])
    _ = machine.begin()
    #expect(machine.resolved(id(0), cached: false).contains(.start(id(0), attempt: 1)))
    #expect(machine.failed(id(0), again: true).last == .backOff(id(0), attempt: 2))
    #expect(machine.retry(id(0)).last == .start(id(0), attempt: 2))
    #expect(machine.failed(id(0), again: true).last == .finish)
    #expect(machine[id(0)] == .failed)
  }

  @Test func `after a failure what runs may end and nothing else starts, unless the run keeps going`() {
    let nodes = [
      StageNode(dependencies: [], threads: 2), StageNode(dependencies: [], threads: 2),
      StageNode(dependencies: [], threads: 2), StageNode(dependencies: [id(0)]),
    ]
    for keepGoing in [false, true] {
      var machine = machine(nodes, RunLimits(jobs: 4, threads: 4, memory: 1, keepGoing: keepGoing))
      _ = machine.begin()
      for index in 0..<3 { _ = machine.resolved(id(index), cached: false) }
      #expect(starts(machine.failed(id(0), again: true)) == (keepGoing ? [2] : []))
      #expect(machine[id(1)] == .running(attempt: 1))
      #expect(machine[id(2)] == (keepGoing ? .running(attempt: 1) : .skipped))
      #expect(machine[id(3)] == .skipped)
    }
  }

  @Test func `a publication that is refused fails the stage`() {
    var machine = machine([StageNode(dependencies: [], publishes: true)])
    _ = machine.begin()
    #expect(machine.resolved(id(0), cached: true).last == .publish(id(0)))
    #expect(machine.failed(id(0), again: false).last == .finish)
    #expect(machine[id(0)] == .failed)
  }

  /// Plays runs of random graphs with random events in random order, and checks every action against the rules.
  @Test(arguments: 0..<300)
  func `no random run breaks a rule`(seed: Int) {
    var random = SplitMix(state: UInt64(seed))
    let count = Int.random(in: 1...12, using: &random)
    let nodes = (0..<count).map { index in
      StageNode(
        dependencies: (0..<index).filter { _ in Int.random(in: 0..<4, using: &random) == 0 }.map(id),
        threads: .random(in: 1...6, using: &random), memory: .random(in: 1...120, using: &random),
        retries: .random(in: 0...2, using: &random), publishes: .random(using: &random))
    }
    let limits = RunLimits(jobs: .random(in: 1...4, using: &random), threads: 4, memory: 100, keepGoing: seed % 2 == 0)
    var machine = machine(nodes, limits)
    var replay = Replay(nodes: nodes, limits: limits)
    var interrupted = false
    var pending = replay.take(machine.begin())
    while !pending.isEmpty {
      if seed % 5 == 0 && !interrupted && Int.random(in: 0..<10, using: &random) == 0 {
        interrupted = true
        replay.stopped = true
        pending += replay.take(machine.interrupt())
      }
      let action = pending.remove(at: .random(in: 0..<pending.count, using: &random))
      let fails = Int.random(in: 0..<5, using: &random) == 0
      let actions =
        switch action {
        case .resolve(let id):
          fails ? machine.failed(id, again: false) : machine.resolved(id, cached: .random(using: &random))
        case .start(let id, _): fails ? machine.failed(id, again: .random(using: &random)) : machine.finished(id, .ran)
        case .backOff(let id, _): machine.retry(id)
        case .publish(let id): fails ? machine.failed(id, again: false) : machine.published(id)
        case .record, .terminate, .finish: [RunAction]()
        }
      pending += replay.take(actions)
    }
    #expect(replay.finishes == 1)
    #expect(replay.states.allSatisfy { $0.isFinal })
    if limits.keepGoing && !interrupted {
      for (index, state) in replay.states.enumerated() {
        let lost = nodes[index].dependencies.contains { [.failed, .skipped].contains(replay.states[$0.index]) }
        #expect((state == .skipped) == lost)
      }
    }
  }
}

/// What a run looks like from outside, with the rules that it has to keep.
private struct Replay {
  let nodes: [StageNode]
  let limits: RunLimits
  var states: [StageState]
  var finishes = 0
  var stopped = false

  init(nodes: [StageNode], limits: RunLimits) {
    self.nodes = nodes
    self.limits = limits
    states = nodes.map { _ in .waiting }
  }

  /// The actions that wait for an answer.
  mutating func take(_ actions: [RunAction]) -> [RunAction] {
    for action in actions {
      #expect(finishes == 0, "nothing comes after the end")
      switch action {
      case .record(let id, let state):
        #expect(!states[id.index].isFinal, "a final state stays")
        states[id.index] = state
      case .start(let id, let attempt):
        #expect(!stopped)
        #expect(attempt <= nodes[id.index].retries + 1)
        #expect(nodes[id.index].dependencies.allSatisfy { [.ran, .cached].contains(states[$0.index]) })
        let running = nodes.indices.filter { if case .running = states[$0] { true } else { false } }
        #expect(running.count <= limits.jobs)
        #expect(
          running.count == 1
            || running.reduce(0) { $0 + nodes[$1].threads } <= limits.threads
              && running.reduce(0) { $0 + nodes[$1].memory } <= limits.memory
        )
      case .finish: finishes += 1
      case .resolve, .backOff, .publish, .terminate: break
      }
    }
    return actions.filter {
      switch $0 {
      case .resolve, .start, .backOff, .publish: true
      case .record, .terminate, .finish: false
      }
    }
  }
}
