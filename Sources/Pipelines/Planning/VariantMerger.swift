/// Joins the plans of an experiment's combinations: what is the same in several of them is one stage.
import Foundation

struct VariantMerger {
  private let combinations: [Combination]
  private var stages: [PlannedStage] = []
  /// Of each stage, the combinations that have it.
  private var users: [[Int]] = []
  private var known: [Identity: StageID] = [:]

  /// All that makes a stage what it is, besides its place in the file.
  private struct Identity: Hashable {
    let base: String
    let coordinates: [Coordinate]
    let kind: StageKind
    let command: Command?
    let inputs: [Binding]
    let parameters: [String: ParameterValue]
    let seed: UInt64?
    let outputs: [String]
    let publish: Publication?
    let compute: Compute
    let retry: Int
    let backOff: BackOff
    let timeout: Duration?
    let checkpoint: CheckpointPolicy?

    struct Binding: Hashable {
      let port: String
      let source: InputSource
    }

    init(_ stage: PlannedStage) {
      base = stage.base
      coordinates = stage.coordinates
      kind = stage.description.kind
      command = stage.command
      inputs = stage.inputs.map { Binding(port: $0.port, source: $0.source) }
      parameters = stage.parameters
      seed = stage.seed
      outputs = stage.outputs.map(\.port)
      publish = stage.publish
      compute = stage.compute
      retry = stage.retry
      backOff = stage.backOff
      timeout = stage.timeout
      checkpoint = stage.checkpoint
    }
  }

  init(_ combinations: [Combination]) { self.combinations = combinations }

  /// Takes the plan of the next combination in.
  mutating func add(_ plan: [PlannedStage], of combination: Int) {
    if combinations.count == 1 {  // nothing to join
      stages = plan
      users = plan.map { _ in [combination] }
      return
    }
    var ids: [StageID] = []
    for var stage in plan {
      for index in stage.inputs.indices {
        if case .stage(let upstream, let port) = stage.inputs[index].source {
          stage.inputs[index].source = .stage(ids[upstream.index], port: port)
        }
      }
      let identity = Identity(stage)
      let id = known[identity] ?? StageID(index: stages.count)
      if id.index == stages.count {
        known[identity] = id
        stage.id = id
        stages.append(stage)
        users.append([])
      }
      users[id.index].append(combination)
      ids.append(id)
    }
  }

  /// Each stage once, named by what its combinations have in common and others have not.
  func finish() -> [PlannedStage] {
    var named = stages
    var names: Set<String> = []
    for index in named.indices {
      let first = combinations[users[index][0]]
      let common = first.filter { value in
        users[index].allSatisfy { combinations[$0][value.name] == value.value }
          && combinations.contains { $0[value.name] != value.value }
      }
      named[index].place(at: common.coordinates)
      if !names.insert(named[index].name).inserted {
        named[index] = stages[index]
        named[index].place(at: first.coordinates)
        names.insert(named[index].name)
      }
    }
    return named
  }
}

extension PlannedStage {
  /// Puts an experiment's coordinates before its own.
  fileprivate mutating func place(at outer: [Coordinate]) {
    coordinates = outer + coordinates
    name = base + coordinates.suffix
  }
}
