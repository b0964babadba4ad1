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
    plan.warnings = Problems(diagnostics.warnings).all
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
      if experiment.variants.count == 1 { name = part.name }
    }
    if let own = experiment.name { name = own }
    stages = merger.finish()
    comparison = experiment.comparison
    headline = experiment.headline ?? declaredHeadline
    planner.publications.check(stages)
  }
}

extension Plan {
  private var declaredHeadline: [String]? {
    var seen: Set<String> = []
    let names = stages.filter { seen.insert($0.base).inserted }.flatMap { stage in
      stage.description.metrics.filter(\.isHeadline).map { "\(stage.base).\($0.name)" }
    }
    return names.isEmpty ? nil : names
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
