/// From a pipeline or experiment file to its plan; every problem of the file is found before anything runs.
import Foundation

extension Plan {
  /// Reads and checks a pipeline or experiment file.
  /// - Parameters:
  ///   - file: as the user named it.
  ///   - settings: values that replace those of the file, `params.epochs=3`.
  ///   - workingFolder: decides the project's root where nothing marks it; paths in settings are relative to it.
  /// - Throws: `Problems`.
  package init(
    file: URL, settings: [String] = [], catalog: StageCatalog, workingFolder: URL
  ) throws(Problems) {
    let root = projectRoot(of: file, workingFolder: workingFolder)
    try self.init(
      bytes: try readPipeline(file), of: file, settings: settings, root: root, catalog: catalog,
      workingFolder: workingFolder)
  }

  /// Checks the bytes of a pipeline or experiment file.
  init(
    bytes: [UInt8], of file: URL, settings: [String] = [], root: URL, catalog: StageCatalog, workingFolder: URL? = nil
  ) throws(Problems) {
    let diagnostics = Diagnostics(file: file, bytes: bytes)
    var plan = Plan(name: file.deletingPathExtension().lastPathComponent, file: file, root: root, stages: [])
    let document = parseYAML(diagnostics)
    let settings = settings.compactMap { Setting(argument: $0, folder: workingFolder ?? root, diagnostics) }
    if let document, let experiment = Experiment(document, settings, diagnostics) {
      plan.fill(from: experiment, catalog: catalog, diagnostics)
    }
    guard diagnostics.problems.isEmpty else { throw Problems(diagnostics.problems) }
    self = plan
  }

  private mutating func fill(from experiment: Experiment, catalog: StageCatalog, _ diagnostics: Diagnostics) {
    let source = diagnostics.sources[experiment.pipeline]
    var planner = Planner(file: source.file, folder: source.folder, root: root, catalog: catalog, diagnostics)
    var merger = VariantMerger(experiment.variants.map(\.matrix))
    for (index, variant) in experiment.variants.enumerated() {
      var part = self
      planner.plan(Spec(variant.document, matrix: variant.matrix, diagnostics), into: &part)
      // The others would have the same problems.
      guard diagnostics.problems.isEmpty else { return planner.publications.check(part.stages) }
      merger.add(part.stages, of: index)
      for obstacle in part.obstacles where !obstacles.contains(obstacle) { obstacles.append(obstacle) }
      if experiment.variants.count == 1 { name = part.name }
    }
    if let own = experiment.name { name = own }
    stages = merger.finish()
    comparison = experiment.comparison
    planner.publications.check(stages)
  }
}

extension Experiment {
  /// Of a file of either form; `nil` after a report.
  fileprivate init?(_ document: Node, _ settings: [Setting], _ diagnostics: Diagnostics) {
    if document["pipeline"] == nil {
      self.init(pipeline: document, settings: settings, diagnostics)
    } else {
      self.init(document, settings: settings, diagnostics)
    }
  }
}

/// The file's bytes. Throws if it cannot be read or is too large to be a pipeline.
func readPipeline(_ file: URL) throws(Problems) -> [UInt8] {
  let largest = 16 << 20
  let start = SourceLocation(file: file, line: 1, column: 1)
  do {
    let size = try file.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
    if size <= largest { return Array(try Data(contentsOf: file)) }
  } catch {
    throw Problems([Problem("the file cannot be read: \(error.localizedDescription)", at: start, in: "")])
  }
  throw Problems([Problem("the file is larger than 16 MiB; a pipeline is not", at: start, in: "")])
}

private struct Planner {
  let catalog: StageCatalog
  let diagnostics: Diagnostics
  let decoder: ValueDecoder
  let publications: PublicationChecker
  /// What a stage may use where the file does not say: the machine's processors, three quarters of its memory. A command
  /// gets one processor, and no memory is set aside for it.
  private let processors = ProcessInfo.processInfo.activeProcessorCount
  private let memory = MachineMemory.current.total / 4 * 3
  private var commands: CommandReader

  /// A stage on its way into the plan: its ports are known, what they are bound to is not.
  private struct Draft {
    var spec: StageSpec
    var stage: PlannedStage
    /// For each bound input, in the file's order.
    var bindings: [Binding] = []
    /// Whether nothing of it has been reported, so that the stage can be bound.
    var isSound = true

    /// The drafts whose outputs it takes, ascending and once each.
    var producers: [Int] { Set(bindings.flatMap(\.producers)).sorted() }
  }

  private struct Binding {
    var port: String
    var mark: Mark
    var reference: Reference
    /// Where it refers to an output: the drafts of the variants that have it, one unless it gathers.
    var producers: [Int] = []
  }

  init(file: URL, folder: URL, root: URL, catalog: StageCatalog, _ diagnostics: Diagnostics) {
    self.catalog = catalog
    self.diagnostics = diagnostics
    decoder = ValueDecoder(diagnostics: diagnostics)
    publications = PublicationChecker(diagnostics, file: file, root: root)
    commands = CommandReader(diagnostics, folder: folder, root: root)
  }

  mutating func plan(_ spec: Spec, into plan: inout Plan) {
    var spec = spec
    plan.name = spec.name ?? plan.name
    var drafts: [Draft] = []
    for stage in spec.stages { drafts.append(draft(stage, of: &spec)) }
    bind(&drafts)
    let (order, cycles) = orderStages(drafts.map(\.producers))
    for cycle in cycles { report(cycle, of: drafts) }
    var ids: [Int: StageID] = [:]
    for place in order {
      let id = StageID(index: plan.stages.count)
      ids[place] = id
      plan.stages.append(complete(drafts[place], id, ids, drafts, &plan))
    }
  }

  // MARK: - What a stage is

  private mutating func draft(_ stage: StageSpec, of spec: inout Spec) -> Draft {
    let fields = stage.fields
    let resources = Resources(fields, over: spec.resources)
    var planned = PlannedStage(
      id: StageID(index: 0), base: stage.name, coordinates: stage.matrix.coordinates,
      location: diagnostics.location(stage.mark),
      description: StageDescription(unknown: stage.name))
    planned.threads = resources.threads ?? (fields["cmd"] == nil ? processors : 1)
    planned.memory = resources.memory ?? memory
    planned.reservedMemory = resources.memory ?? (fields["cmd"] == nil ? memory : 0)
    planned.precision = resources.precision
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
    draft.stage.retry = resources.retry.attempts ?? (draft.stage.description.resumable ? 1 : 0)
    if draft.stage.description.resumable {
      draft.stage.checkpoint = resources.checkpoint
    } else if !draft.stage.description.isUnknown && fields["checkpoint"] != nil {
      diagnostics.report(
        "`checkpoint` belongs to stages that train; `\(draft.stage.description.kind.name)` does not",
        at: fields.mark(of: "checkpoint"))
    }
    if let path = fields.text("publish"), let node = fields["publish"] {
      if draft.isSound && draft.stage.outputs.isEmpty {
        diagnostics.report("stage `\(stage.name)` has no outputs to publish", at: node.mark)
      }
      draft.stage.publish = publications.publication(path, outputs: draft.stage.outputs, at: node.mark)
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
    draft.stage.outputs = description.outputs.map { PlannedOutput(port: $0.name, type: $0.type) }
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

  // MARK: - What its inputs are

  private func bind(_ drafts: inout [Draft]) {
    let ports = drafts.map { draft in
      (draft.spec.name, draft.stage.description.isUnknown ? nil : draft.stage.outputs.map(\.port))
    }
    var resolver = ReferenceResolver(diagnostics, ports: Dictionary(ports) { first, _ in first })
    let variants = Dictionary(grouping: drafts.indices) { drafts[$0].spec.name }
    let matrices = drafts.map(\.spec.matrix)
    var gathered = 0
    for index in drafts.indices {
      let spec = drafts[index].spec
      let description = drafts[index].stage.description
      let entries = spec.fields["in"]?.entries(of: "`in`", diagnostics) ?? []
      for entry in entries {
        let reference = resolver.resolve(entry.value, named: "in.\(entry.key)")
        drafts[index].isSound = drafts[index].isSound && reference != nil
        if !description.isUnknown && !description.inputs.contains(where: { $0.name == entry.key }) {
          let names = description.inputs.map(\.name)
          diagnostics.report(
            "stage kind `\(description.kind.name)` has no input `\(entry.key.shortened)`; it has "
              + names.joined(last: "and"), at: entry.mark, suggestion: nearest(to: entry.key, in: names))
        } else if let reference {
          var binding = Binding(port: entry.key, mark: entry.value.mark, reference: reference)
          if case .output(let stage, _, let gathers) = reference {
            binding.producers = producers(
              of: spec.matrix, among: variants[stage] ?? [], matrices, gathers: gathers)
            gathered += binding.producers.count
            if gathered > 10 * mostVariants {
              return diagnostics.report("stages gather more than \(10 * mostVariants) outputs", at: entry.value.mark)
            }
            if gathers && drafts[index].stage.description.kind.name != "cmd" {
              diagnostics.report(
                "the input `\(entry.key)` of stage `\(spec.name)` takes one artifact; only `cmd` stages gather several",
                at: entry.value.mark)
            }
          }
          drafts[index].bindings.append(binding)
        }
      }
      for input in description.inputs where !input.isOptional && !entries.contains(where: { $0.key == input.name }) {
        diagnostics.report(
          "stage `\(spec.name)` needs the input `\(input.name)`: \(input.documentation)",
          at: spec.fields["in"]?.mark ?? spec.mark)
        drafts[index].isSound = false
      }
    }
  }

  /// The variants that a stage with `matrix` takes an output from: the one that agrees with all of it, or, gathering,
  /// every one that does not contradict it.
  private func producers(
    of matrix: Combination, among variants: [Int], _ matrices: [Combination], gathers: Bool
  ) -> [Int] {
    if gathers { return variants.filter { matrix.joined(matrices[$0]) != nil } }
    let fitting = variants.filter { matrices[$0].isPart(of: matrix) }
    return fitting.max { matrices[$0].count < matrices[$1].count }.map { [$0] } ?? []
  }

  private func report(_ cycle: [Int], of drafts: [Draft]) {
    let stages = cycle.map { drafts[$0] }
    let names = (stages + [stages[0]]).map(\.spec.name)
    let next = cycle[cycle.count > 1 ? 1 : 0]
    let mark = stages[0].bindings.first { $0.producers.contains(next) }?.mark
    diagnostics.report(
      "these stages wait for each other: \(names.joined(separator: " ← "))", at: mark ?? stages[0].spec.mark)
  }

  /// The stage with its inputs, given the ids of all stages before it, by draft.
  private func complete(
    _ draft: Draft, _ id: StageID, _ ids: [Int: StageID], _ drafts: [Draft], _ plan: inout Plan
  ) -> PlannedStage {
    var stage = draft.stage
    stage.id = id
    var isBound = true
    for binding in draft.bindings {
      let port = binding.port
      let location = diagnostics.location(binding.mark)
      switch binding.reference {
      case .file(let url):
        stage.inputs.append(PlannedInput(port: port, source: .file(url), type: nil, location: location))
      case .hub(let model):
        plan.obstacles.append(
          diagnostics.problem(
            "models of the hub are not supported yet; download it and name its folder", at: binding.mark))
        stage.inputs.append(PlannedInput(port: port, source: .hub(model), type: .model, location: location))
      case .output(_, let output, let gathers):
        for draft in binding.producers {
          guard let producer = ids[draft] else {
            isBound = false  // in a cycle, which is reported
            continue
          }
          let type = plan[producer].outputs.first { $0.port == output }?.type
          let own = drafts[draft].spec.matrix.filter { value in stage.coordinates.allSatisfy { $0.name != value.name } }
          stage.inputs.append(
            PlannedInput(
              port: gathers ? port + own.coordinates.suffix : port, source: .stage(producer, port: output), type: type,
              location: location))
        }
      }
    }
    stage.inputs.sort { $0.port < $1.port }
    let fit = checkTypes(stage)
    for (index, output) in stage.outputs.enumerated() {
      guard let like = stage.description.outputs.first(where: { $0.name == output.port })?.like else { continue }
      stage.outputs[index].type = stage.inputs.first { $0.port == like }?.type
    }
    if draft.isSound && isBound && fit && stage.command == nil { askForProblems(&stage, draft) }
    return stage
  }

  private func checkTypes(_ stage: PlannedStage) -> Bool {
    var fit = true
    for input in stage.inputs {
      guard let type = input.type,
        let declared = stage.description.inputs.first(where: { $0.name == input.declaredPort }),
        !declared.accepts.contains(type)
      else { continue }
      fit = false
      let accepted = declared.accepts.map(\.rawValue).joined(last: "or")
      diagnostics.report(
        "the input `\(input.declaredPort)` of stage `\(stage.base)` takes \(accepted), not \(type.rawValue)",
        at: diagnostics.mark(input.location))
    }
    return fit
  }

  /// What the stage itself says of its parameters together, bound to places where nothing lies.
  private func askForProblems(_ stage: inout PlannedStage, _ draft: Draft) {
    let nowhere = URL(filePath: "/dev/null", directoryHint: .notDirectory)
    let inputs = stage.inputs.map { input in
      if case .file(let url) = input.source { return (input.port, BoundArtifact(url: url)) }
      return (input.port, BoundArtifact(url: nowhere, type: input.type))
    }
    let binding = StageBinding(
      inputs: Dictionary(uniqueKeysWithValues: inputs), parameters: stage.parameters,
      outputs: Dictionary(uniqueKeysWithValues: stage.outputs.map { ($0.port, nowhere) }), seed: stage.seed)
    let mark = draft.spec.fields["with"]?.mark ?? draft.spec.mark
    do {
      let bound = try catalog.make(stage.description.kind.name, binding)
      for problem in bound.problems() { diagnostics.report(problem, at: mark) }
      stage.obstacleToExtending = bound.obstacleToExtending()
    } catch {
      diagnostics.report("\(error)", at: mark)
    }
  }
}

extension StageDescription {
  /// Of a stage whose kind is not known.
  fileprivate init(unknown name: String) {
    self.init(
      kind: StageKind("", revision: 0), abstract: "", numeric: false, outsideTools: [], usesSeed: false, inputs: [],
      parameters: [], outputs: [])
  }
  fileprivate var isUnknown: Bool { kind.name.isEmpty }
}
