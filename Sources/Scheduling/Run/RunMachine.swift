/// Orders stages: which one is to be resolved, started, published or given up. Touches neither disk nor clock.
import Pipelines

/// Where a stage is in a run.
///
///     waiting → resolving → ready → running ⇄ backingOff
///                   ↓                  ↓
///                   └─→ publishing ←───┘ → ran | cached
///
/// From every state but the last ones a stage may also become `failed`, `skipped` or `interrupted`.
package enum StageState: Hashable, Sendable {
  /// Needs outputs of stages that are not done.
  case waiting
  /// Its inputs are known; its key is made and looked up.
  case resolving
  /// Has to run; waits for threads, memory and a free job.
  case ready
  /// A worker runs it; attempts count from 1.
  case running(attempt: Int)
  /// Failed, and is tried again as this attempt after a while.
  case backingOff(attempt: Int)
  /// Its outputs are in the store; they are copied to where the file says.
  case publishing(Success)
  /// Done, by a worker of this run.
  case ran
  /// Done before this run, or by another run meanwhile.
  case cached
  /// Every attempt failed, or it could not be resolved or published.
  case failed
  /// Never tried: something that it needs failed, or the run stopped at another failure.
  case skipped
  /// Ended or never started because the run was interrupted.
  case interrupted

  package enum Success: Hashable, Sendable { case ran, cached }

  package var isFinal: Bool {
    switch self {
    case .waiting, .resolving, .ready, .running, .backingOff, .publishing: false
    case .ran, .cached, .failed, .skipped, .interrupted: true
    }
  }
}

/// What the machine wants done; the answer comes back through the method named.
package enum RunAction: Hashable, Sendable {
  /// A stage changed its state: for the journal and for whoever watches.
  case record(StageID, StageState)
  /// Make the key and look it up → `resolved` or `failed`.
  case resolve(StageID)
  /// Start a worker → `finished` or `failed`.
  case start(StageID, attempt: Int)
  /// Wait before this attempt → `retry`.
  case backOff(StageID, attempt: Int)
  /// Copy outputs out → `published` or `failed`.
  case publish(StageID)
  /// End the worker; its end comes back as that of any other.
  case terminate(StageID)
  /// Every stage is in a final state. Comes once, as the last action.
  case finish
}

/// What the machine has to know of a stage.
package struct StageNode: Sendable {
  var dependencies: [StageID]
  var threads = 1
  /// Bytes.
  var memory = 0
  var retries = 0
  var publishes = false
}

extension StageNode {
  init(_ stage: PlannedStage) {
    self.init(
      dependencies: stage.dependencies, threads: stage.compute.threads, memory: stage.reservedMemory,
      retries: stage.retry, publishes: stage.publish != nil)
  }
}

/// What running stages may take together.
package struct RunLimits: Sendable {
  package var jobs: Int
  package var threads: Int
  /// Bytes.
  package var memory: Int
  /// After a failure, go on with what does not depend on it.
  package var keepGoing: Bool

  package init(jobs: Int, threads: Int, memory: Int, keepGoing: Bool = false) {
    self.jobs = jobs
    self.threads = threads
    self.memory = memory
    self.keepGoing = keepGoing
  }
}

package struct RunMachine: Sendable {
  private let nodes: [StageNode]
  private let dependents: [[StageID]]
  private let limits: RunLimits
  /// By index; the state of a stage that is not selected is `nil`.
  private var states: [StageState?]
  /// How many dependencies of a stage are not done.
  private var missing: [Int]
  private var ready: Set<StageID> = []
  private var running: Set<StageID> = []
  private var unfinished: Int
  private var stop: Stop?
  private var actions: [RunAction] = []

  private enum Stop { case failure, interruption }

  /// - Parameters:
  ///   - nodes: dense by `StageID`; dependencies come before dependents.
  ///   - selected: closed under dependencies.
  package init(_ nodes: [StageNode], selected: Set<StageID>, limits: RunLimits) {
    self.nodes = nodes
    self.limits = limits
    var dependents = [[StageID]](repeating: [], count: nodes.count)
    for id in selected.sorted() {
      for dependency in nodes[id.index].dependencies { dependents[dependency.index].append(id) }
    }
    self.dependents = dependents
    states = nodes.indices.map { selected.contains(StageID(index: $0)) ? .waiting : nil }
    missing = nodes.map(\.dependencies.count)
    unfinished = selected.count
  }

  package subscript(id: StageID) -> StageState? { states[id.index] }

  package mutating func begin() -> [RunAction] {
    for index in states.indices where states[index] != nil && missing[index] == 0 {
      resolve(StageID(index: index))
    }
    return turn()
  }

  package mutating func resolved(_ id: StageID, cached: Bool) -> [RunAction] {
    if cached {
      succeeded(id, .cached)
    } else if let stop {
      move(id, to: stop == .failure ? .skipped : .interrupted)
    } else {
      move(id, to: .ready)
    }
    return turn()
  }

  /// A worker ended well.
  package mutating func finished(_ id: StageID, _ success: StageState.Success) -> [RunAction] {
    succeeded(id, success)
    return turn()
  }

  /// - Parameter again: whether another attempt may help.
  package mutating func failed(_ id: StageID, again: Bool) -> [RunAction] {
    if case .running(let attempt) = states[id.index], stop == nil, again, attempt <= nodes[id.index].retries {
      move(id, to: .backingOff(attempt: attempt + 1))
      actions.append(.backOff(id, attempt: attempt + 1))
    } else if case .running = states[id.index], stop == .interruption {
      move(id, to: .interrupted)
    } else {
      fail(id)
    }
    return turn()
  }

  /// The time before an attempt is over.
  package mutating func retry(_ id: StageID) -> [RunAction] {
    if case .backingOff = states[id.index] { ready.insert(id) }
    return turn()
  }

  package mutating func published(_ id: StageID) -> [RunAction] {
    if case .publishing(let success) = states[id.index] { done(id, success) }
    return turn()
  }

  /// Starts nothing more and ends what runs.
  package mutating func interrupt() -> [RunAction] {
    stop = .interruption
    for id in ids {
      switch states[id.index] {
      case .waiting, .ready, .backingOff: move(id, to: .interrupted)
      case .running: actions.append(.terminate(id))
      default: break
      }
    }
    return turn()
  }

  private var ids: [StageID] { states.indices.map { StageID(index: $0) } }

  private mutating func succeeded(_ id: StageID, _ success: StageState.Success) {
    if nodes[id.index].publishes {
      move(id, to: .publishing(success))
      actions.append(.publish(id))
    } else {
      done(id, success)
    }
  }

  private mutating func done(_ id: StageID, _ success: StageState.Success) {
    move(id, to: success == .ran ? .ran : .cached)
    for dependent in dependents[id.index] {
      missing[dependent.index] -= 1
      if missing[dependent.index] == 0 && states[dependent.index] == .waiting { resolve(dependent) }
    }
  }

  private mutating func resolve(_ id: StageID) {
    move(id, to: .resolving)
    actions.append(.resolve(id))
  }

  private mutating func fail(_ id: StageID) {
    move(id, to: .failed)
    var lost = dependents[id.index]
    while let next = lost.popLast() {
      guard states[next.index] == .waiting else { continue }
      move(next, to: .skipped)
      lost += dependents[next.index]
    }
    guard !limits.keepGoing && stop == nil else { return }
    stop = .failure
    for id in ids {
      switch states[id.index] {
      case .waiting, .ready, .backingOff: move(id, to: .skipped)
      default: break
      }
    }
  }

  /// Starts what fits, and says when all is over.
  private mutating func turn() -> [RunAction] {
    for id in ready.sorted() {
      guard running.count < limits.jobs else { break }
      guard fits(id) else { continue }
      let attempt = if case .backingOff(let attempt) = states[id.index] { attempt } else { 1 }
      move(id, to: .running(attempt: attempt))
      actions.append(.start(id, attempt: attempt))
    }
    if unfinished == 0 {
      actions.append(.finish)
      unfinished = -1
    }
    defer { actions = [] }
    return actions
  }

  /// Alone every stage fits, whatever it asks for.
  private func fits(_ id: StageID) -> Bool {
    let threads = running.reduce(nodes[id.index].threads) { $0 + nodes[$1.index].threads }
    let memory = running.reduce(nodes[id.index].memory) { $0 + nodes[$1.index].memory }
    return running.isEmpty || (threads <= limits.threads && memory <= limits.memory)
  }

  /// The only writer of `states`.
  private mutating func move(_ id: StageID, to state: StageState) {
    states[id.index] = state
    actions.append(.record(id, state))
    switch state {
    case .ready: ready.insert(id)
    case .running:
      ready.remove(id)
      running.insert(id)
    default:
      ready.remove(id)
      running.remove(id)
    }
    if state.isFinal { unfinished -= 1 }
  }
}
