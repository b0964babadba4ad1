/// What each stage of a file is: its kind or command, its parameters and resources. `Planner+inputs` binds what goes in.
import Basics
import Foundation

struct Planner {
  let catalog: StageCatalog
  let diagnostics: Diagnostics
  let decoder: ValueDecoder
  let publications: PublicationChecker
  /// `nil` where models are not looked at.
  let models: ModelLook?
  /// What a stage may use where the file does not say: the machine's processors, three quarters of its memory. A command
  /// gets one processor, and no memory is set aside for it.
  private let processors = ProcessInfo.processInfo.activeProcessorCount
  private let memory = MachineMemory.current.total / 4 * 3
  private var commands: CommandReader

  /// A stage on its way into the plan: its ports are known, what they are bound to is not.
  struct Draft {
    var spec: StageSpec
    var stage: PlannedStage
    /// For each bound input, in the file's order.
    var bindings: [Binding] = []
    /// Whether a stage before it quantizes its models.
    var isQuantized = false
    /// Whether nothing of it has been reported, so that the stage can be bound.
    var isSound = true

    /// The drafts whose outputs it takes, ascending and once each.
    var producers: [Int] { Set(bindings.flatMap(\.producers)).sorted() }
  }

  struct Binding {
    var port: String
    var mark: Mark
    var reference: Reference
    /// Where it refers to an output: the drafts of the variants that have it, one unless it gathers.
    var producers: [Int] = []
    /// Whether it is one of several of its port.
    var isMember = false
    /// The name of a file among several.
    var label: String?
  }

  init(file: URL, folder: URL, root: URL, catalog: StageCatalog, _ diagnostics: Diagnostics) {
    self.catalog = catalog
    self.diagnostics = diagnostics
    decoder = ValueDecoder(diagnostics: diagnostics)
    models = catalog.modelChecker.map { ModelLook($0, diagnostics) }
    publications = PublicationChecker(diagnostics, file: file, root: root)
    commands = CommandReader(diagnostics, folder: folder, root: root)
  }

  mutating func plan(_ spec: Spec, into plan: inout Plan) {
    var spec = spec
    plan.name = spec.name ?? plan.name
    var drafts: [Draft] = []
    for stage in spec.stages { drafts.append(draft(stage, of: &spec)) }
    bind(&drafts)
    quantize(&drafts)
    let (order, cycles) = orderStages(drafts.map(\.producers))
    for cycle in cycles { report(cycle, of: drafts) }
    var ids: [Int: StageID] = [:]
    for place in order {
      let id = StageID(index: plan.stages.count)
      ids[place] = id
      plan.stages.append(complete(drafts[place], id, ids, drafts, &plan))
    }
  }

  private mutating func draft(_ stage: StageSpec, of spec: inout Spec) -> Draft {
    let fields = stage.fields
    let resources = Resources(fields, over: spec.resources)
    var planned = PlannedStage(
      id: StageID(index: 0), base: stage.name, coordinates: stage.matrix.coordinates,
      location: diagnostics.location(stage.mark),
      description: StageDescription(unknown: stage.name))
    planned.compute = Compute(
      threads: resources.threads ?? (fields["cmd"] == nil ? processors : 1), memory: resources.memory ?? memory,
      precision: resources.precision)
    planned.reservedMemory = resources.memory ?? (fields["cmd"] == nil ? memory : 0)
    planned.backOff = resources.retry.backOff
    planned.timeout = fields.quantity("timeout", durationRule, parseDuration)
    var draft = Draft(spec: stage, stage: planned)
    spec.substitution.matrix = stage.substitutes
    switch (fields["uses"], fields["cmd"]) {
    case (_?, nil): readBuiltIn(&draft, seed: spec.seed)
    case (nil, _?): readCommand(&draft, &spec.substitution)
    case (nil, nil):
      diagnostics.report("stage `\(stage.name)` needs `uses` (a stage kind) or `cmd` (a command)", at: stage.mark)
      draft.isSound = false
    case (_?, _?):
      diagnostics.report(
        "stage `\(stage.name)` has both `uses` and `cmd`; it can have one of them", at: fields.mark(of: "cmd"))
      draft.isSound = false
    }
    draft.stage.retry = resources.retry.attempts ?? (draft.stage.description.trains ? 1 : 0)
    if draft.stage.description.trains {
      draft.stage.checkpoint = resources.checkpoint
    } else if !draft.stage.description.isUnknown && fields["checkpoint"] != nil {
      diagnostics.report(
        "`checkpoint` belongs to stages that train; `\(draft.stage.description.kind.name)` does not",
        at: fields.mark(of: "checkpoint"))
    }
    if draft.stage.description.trains, !Resources.trainingPrecisions.contains(resources.precision) {
      diagnostics.report(
        "stage `\(stage.name)` trains; `precision: \(resources.precision)` is for stages that only run models, so say "
          + Resources.trainingPrecisions.joined(last: "or") + " here",
        at: fields["precision"]?.mark ?? stage.mark)
    }
    if let node = fields["publish"], let (path, condition) = publications.read(node, fields) {
      if draft.isSound && draft.stage.outputs.isEmpty {
        diagnostics.report("stage `\(stage.name)` has no outputs to publish", at: node.mark)
      }
      draft.stage.publish = publications.publication(path, outputs: draft.stage.outputs, at: node.mark)
      draft.stage.publish?.condition = condition
    }
    return draft
  }

  private func readBuiltIn(_ draft: inout Draft, seed: Int) {
    let fields = draft.spec.fields
    for key in StageSpec.commandKeys where fields[key] != nil {
      diagnostics.report("`\(key)` belongs to `cmd` stages; this one has `uses`", at: fields.mark(of: key))
    }
    guard let kind = fields.text("uses"), let description = catalog.describe(kind) else {
      draft.isSound = false
      if let kind = fields.text("uses"), let node = fields["uses"] {
        diagnostics.report(
          "there is no stage kind `\(kind.shortened)`; `retort stages` lists them", at: node.mark,
          suggestion: nearest(to: kind, in: catalog.kinds))
      }
      return
    }
    draft.stage.description = description
    draft.stage.outputs = description.outputs.map { PlannedOutput(port: $0.name, type: $0.type, file: $0.file) }
      .sorted { $0.port < $1.port }
    var declared = description.parameters
    if description.usesSeed {
      declared.append(
        ParameterDescription(
          name: "seed", documentation: "", type: .int(0...Int.max), defaultValue: .int(seed), neutral: nil))
    }
    let entries = fields["with"]?.entries(of: "`with`", diagnostics) ?? []
    let values = decoder.decode(entries, as: declared, named: "with", missing: fields["with"]?.mark ?? draft.spec.mark)
    draft.isSound = values != nil
    draft.stage.parameters = values ?? [:]
    if description.usesSeed, case .int(let value)? = draft.stage.parameters.removeValue(forKey: "seed") {
      draft.stage.seed = UInt64(value)
    }
  }

  private mutating func readCommand(_ draft: inout Draft, _ substitution: inout Substitution) {
    let fields = draft.spec.fields
    if fields["with"] != nil {
      diagnostics.report(
        "`with` belongs to stages with `uses`; a command takes ${params.NAME}", at: fields.mark(of: "with"))
    }
    let (description, command, outputs) = commands.read(draft.spec, &substitution)
    draft.stage.description = description
    draft.stage.command = command
    draft.stage.outputs = outputs.sorted { $0.port < $1.port }
  }
}

extension StageDescription {
  /// Of a stage whose kind is not known.
  fileprivate init(unknown name: String) {
    self.init(
      kind: StageKind("", revision: 0), abstract: "", numeric: false, outsideTools: [], usesSeed: false, inputs: [],
      parameters: [], outputs: [])
  }
  var isUnknown: Bool { kind.name.isEmpty }
}
