/// From a pipeline file to its plan; every problem of the file is found before anything runs.
import Foundation

extension Plan {
  /// Reads and checks a pipeline file.
  /// - Parameters:
  ///   - file: as the user named it.
  ///   - workingFolder: decides the project's root where nothing marks it.
  /// - Throws: `Problems`.
  package init(file: URL, catalog: StageCatalog, workingFolder: URL) throws(Problems) {
    let root = projectRoot(of: file, workingFolder: workingFolder)
    try self.init(bytes: try readPipeline(file), of: file, root: root, catalog: catalog)
  }

  /// Checks the bytes of a pipeline file.
  init(bytes: [UInt8], of file: URL, root: URL, catalog: StageCatalog) throws(Problems) {
    let diagnostics = Diagnostics(file: file, bytes: bytes)
    let document = parseYAML(diagnostics)
    var plan = Plan(name: file.deletingPathExtension().lastPathComponent, file: file, root: root, stages: [])
    if let document {
      var planner = Planner(file: file, root: root, catalog: catalog, diagnostics)
      planner.plan(Spec(document, diagnostics), into: &plan)
    }
    guard diagnostics.problems.isEmpty else { throw Problems(diagnostics.problems) }
    self = plan
  }
}

/// The file's bytes. Throws if it cannot be read or is too large to be a pipeline.
private func readPipeline(_ file: URL) throws(Problems) -> [UInt8] {
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
  let folder: URL
  let publications: PublicationChecker
  /// What a stage may use where the file does not say: the machine's processors, three quarters of its memory.
  private let processors = ProcessInfo.processInfo.activeProcessorCount
  private let memory = Int(ProcessInfo.processInfo.physicalMemory / 4 * 3)
  private var commands: CommandReader

  /// A stage on its way into the plan: its ports are known, what they are bound to is not.
  private struct Draft {
    var spec: StageSpec
    var stage: PlannedStage
    /// For each bound input, in the file's order: its port, and what it refers to.
    var bindings: [(port: String, mark: Mark, reference: Reference)] = []
    /// Whether nothing of it has been reported, so that the stage can be bound.
    var isSound = true
  }

  init(file: URL, root: URL, catalog: StageCatalog, _ diagnostics: Diagnostics) {
    self.catalog = catalog
    self.diagnostics = diagnostics
    decoder = ValueDecoder(diagnostics: diagnostics)
    folder = file.absoluteURL.standardizedFileURL.deletingLastPathComponent()
    publications = PublicationChecker(diagnostics, file: file, root: root)
    commands = CommandReader(diagnostics, folder: folder, root: root)
  }

  mutating func plan(_ spec: Spec, into plan: inout Plan) {
    var spec = spec
    plan.name = spec.name ?? plan.name
    var drafts: [Draft] = []
    for stage in spec.stages { drafts.append(draft(stage, of: &spec)) }
    bind(&drafts)
    let places = Dictionary(drafts.enumerated().map { ($1.spec.name, $0) }) { first, _ in first }
    let dependencies = drafts.map { draft in
      Set(
        draft.bindings.compactMap { binding in
          if case .output(let stage, _) = binding.reference { places[stage] } else { nil }
        }
      ).sorted()
    }
    let (order, cycles) = orderStages(dependencies)
    for cycle in cycles { report(cycle.map { drafts[$0] }) }
    var ids: [String: StageID] = [:]
    for place in order {
      let id = StageID(index: plan.stages.count)
      ids[drafts[place].spec.name] = id
      plan.stages.append(complete(drafts[place], id, ids, &plan))
    }
    publications.check(
      zip(order, plan.stages).map { ($1, drafts[$0].spec.fields["publish"]?.mark ?? drafts[$0].spec.mark) })
  }

  // MARK: - What a stage is

  private mutating func draft(_ stage: StageSpec, of spec: inout Spec) -> Draft {
    let fields = stage.fields
    let resources = Resources(fields, over: spec.resources)
    var planned = PlannedStage(
      id: StageID(index: 0), base: stage.name, location: diagnostics.location(stage.mark),
      description: StageDescription(unknown: stage.name))
    planned.threads = resources.threads ?? processors
    planned.memory = resources.memory ?? memory
    planned.precision = resources.precision
    planned.retry = fields.integer("retry", in: 0...100) ?? 0
    planned.timeout = fields.quantity("timeout", "a time such as 4h, 90m or 1h30m", parseDuration)
    var draft = Draft(spec: stage, stage: planned)
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
    var resolver = ReferenceResolver(
      diagnostics, folder: folder, ports: Dictionary(ports) { first, _ in first })
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
          drafts[index].bindings.append((entry.key, entry.value.mark, reference))
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

  private func report(_ cycle: [Draft]) {
    let names = (cycle + [cycle[0]]).map(\.spec.name)
    let next = names[1]
    let mark = cycle[0].bindings.first { binding in
      if case .output(next, _) = binding.reference { true } else { false }
    }?.mark
    diagnostics.report(
      "these stages wait for each other: \(names.joined(separator: " ← "))", at: mark ?? cycle[0].spec.mark)
  }

  /// The stage with its inputs, given the ids of all stages before it.
  private func complete(_ draft: Draft, _ id: StageID, _ ids: [String: StageID], _ plan: inout Plan) -> PlannedStage {
    var stage = draft.stage
    stage.id = id
    for (port, mark, reference) in draft.bindings {
      let location = diagnostics.location(mark)
      switch reference {
      case .file(let url):
        stage.inputs.append(PlannedInput(port: port, source: .file(url), type: nil, location: location))
      case .hub(let model):
        plan.obstacles.append(
          diagnostics.problem("models of the hub are not supported yet; download it and name its folder", at: mark))
        stage.inputs.append(PlannedInput(port: port, source: .hub(model), type: .model, location: location))
      case .output(let name, let output):
        guard let producer = ids[name] else { continue }  // in a cycle, which is reported
        let type = plan[producer].outputs.first { $0.port == output }?.type
        stage.inputs.append(
          PlannedInput(port: port, source: .stage(producer, port: output), type: type, location: location))
      }
    }
    stage.inputs.sort { $0.port < $1.port }
    let fit = checkTypes(stage)
    for (index, output) in stage.outputs.enumerated() {
      guard let like = stage.description.outputs.first(where: { $0.name == output.port })?.like else { continue }
      stage.outputs[index].type = stage.inputs.first { $0.port == like }?.type
    }
    let isBound = stage.inputs.count == draft.bindings.count
    if draft.isSound && isBound && fit && stage.command == nil { askForProblems(stage, draft) }
    return stage
  }

  private func checkTypes(_ stage: PlannedStage) -> Bool {
    var fit = true
    for input in stage.inputs {
      guard let type = input.type, let declared = stage.description.inputs.first(where: { $0.name == input.port }),
        !declared.accepts.contains(type)
      else { continue }
      fit = false
      let accepted = declared.accepts.map(\.rawValue).joined(last: "or")
      diagnostics.report(
        "the input `\(input.port)` of stage `\(stage.name)` takes \(accepted), not \(type.rawValue)",
        at: Mark(line: input.location.line, column: input.location.column))
    }
    return fit
  }

  /// What the stage itself says of its parameters together, bound to places where nothing lies.
  private func askForProblems(_ stage: PlannedStage, _ draft: Draft) {
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
      for problem in try catalog.make(stage.description.kind.name, binding).problems() {
        diagnostics.report(problem, at: mark)
      }
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
