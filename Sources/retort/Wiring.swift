/// Joins the modules: which stages there are, what enters keys from the machine, and where the store lies.
import ArgumentParser
import Artifacts
import Basics
import CPU
import Foundation
import Hub
import Lineage
import Pipelines
import Processes
import Scheduling
import Stages
import Tensors

extension StageCatalog {
  static let builtIn = StageCatalog(BuiltInStages.all, profiler: EngineProfiler())
  /// The same, for planning that looks at the models that a file names.
  static func looking(at models: HubOutlines) -> StageCatalog {
    StageCatalog(
      BuiltInStages.all, profiler: EngineProfiler(), modelChecker: ModelCheck { try models.folder(of: $0) })
  }
}

extension KeyContext {
  static let thisMachine = KeyContext(
    automaticPrecision: Kernels.active.automaticPrecision.rawValue,
    numericsProfile: { precision in
      Precision(rawValue: precision).map { Kernels.active.profile($0).description } ?? precision
    },
    outsideToolVersion: { tool in try versionLine(of: tool) })

  /// The first line that `TOOL --version` prints.
  private static func versionLine(of tool: String) throws -> String {
    guard let line = Tool.run([tool, "--version"])?.lines.first else {
      throw Failure("`\(tool)` is needed and does not run; `retort doctor` says what is missing")
    }
    return line
  }
}

extension Journal {
  /// The names of the outputs of a stage that ran, by what its kind or its command declared.
  func outputNames(ofKind kind: String?, key: StageKey?) throws -> OutputNames {
    StageCatalog.builtIn.outputNames(ofKind: kind ?? "", paths: try key.map(commandOutputs) ?? [:])
  }
}

/// The store's options, which every command shares that reads or writes it.
struct StoreOptions: ParsableArguments {
  @Option(help: "The store's folder; else $RETORT_STORE, else .retort in the project's root.")
  var store: String?

  /// Where the store of a project lies. One that is not named is refused where somebody else may have put it there.
  func folder(root: URL) throws -> URL {
    if let named = store ?? ProcessInfo.processInfo.environment["RETORT_STORE"] {
      return URL(filePath: named).absoluteURL
    }
    let found = root.appending(path: ".retort")
    do {
      try StoreTrust(workingFolder: URL(filePath: FileManager.default.currentDirectoryPath)).check(found)
    } catch let error as UntrustedStore { throw Failure("\(error)") }
    return found
  }

  /// A project's store, for commands that only read: it need not be there, and nothing is made.
  func reading(root: URL) throws -> (store: Store, journal: Journal) {
    let store = Store(reading: try folder(root: root))
    return (store, try Journal(reading: store.database))
  }

  /// The existing store that the working folder belongs to, for commands that only read.
  func reading() throws -> (store: Store, journal: Journal) {
    let store = Store(reading: try existing())
    return (store, try Journal(reading: store.database))
  }

  /// The store of the project that the working folder is in; an error if there is none yet.
  func existing() throws -> URL {
    let here = URL(filePath: FileManager.default.currentDirectoryPath)
    let folder = try folder(root: projectRoot(of: here.appending(path: "any"), workingFolder: here))
    guard FileManager.default.fileExists(atPath: folder.appending(path: "retort.sqlite").path) else {
      throw Failure("there is no store in \(folder.path) yet; `retort run FILE` makes one, `--store` names another")
    }
    return folder
  }
}

/// `--set`: values in place of the file's.
struct SetOption: ParsableArguments {
  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Replace a value of the file, such as params.epochs=3; may be repeated.", valueName: "path=value"))
  var settings: [String] = []
}

/// A pipeline or experiment file, and what is to be different in it.
struct PlanOptions: ParsableArguments {
  @Argument(help: "The pipeline or experiment file.", completion: .file(extensions: ["yaml", "yml"]))
  var file: String
  @OptionGroup var values: SetOption
  var settings: [String] { values.settings }

  /// - Parameter store: where names of models may be known; given, models that cannot be loaded are problems of the
  ///   file, and what is to be said of the others is said.
  func plan(lookingAtModels store: StoreOptions? = nil) throws -> Plan {
    let plan = try Plan.read(file, settings: settings, lookingAtModels: store)
    for warning in plan.warnings { Terminal.complain("\(warning)") }
    return plan
  }
}

/// The rest of a message on a name that is none: the nearest one, else all, or the first of many.
func hint(_ name: String, among known: [String]) -> String {
  if let near = nearest(to: name, in: known) { return didYouMean(near) }
  let all = distinct(known)
  let more = all.count > 100 ? " and \(all.count - 100) more" : ""
  return all.isEmpty ? "" : "; it has \(all.prefix(100).joined(separator: ", "))\(more)"
}

/// Files that a name that leads nowhere may have meant: in its folder, and where pipelines and experiments lie.
private func pipelineFiles(near file: String) -> [String] {
  let parts = file.split(separator: "/", omittingEmptySubsequences: false)
  let own = parts.dropLast().joined(separator: "/")
  return distinct([own, "pipelines", "experiments"]).flatMap { folder in
    let path = folder.isEmpty ? (file.hasPrefix("/") ? "/" : ".") : folder
    // A folder that cannot be read has nothing to suggest.
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.sorted()
      .map { folder.isEmpty ? (file.hasPrefix("/") ? "/\($0)" : $0) : "\(folder)/\($0)" }
  }
}

extension Plan {
  /// The plan of the file that a user named.
  /// - Parameter store: see `PlanOptions.plan`.
  static func read(
    _ file: String, settings: [String] = [], lookingAtModels store: StoreOptions? = nil
  ) throws -> Plan {
    guard let status = FileStatus.of(URL(filePath: file)) else {
      let near = nearest(to: file, in: pipelineFiles(near: file))
      throw Failure("there is no file \(file)" + (near.map { "; did you mean \($0)?" } ?? ""))
    }
    guard !status.isFolder else { throw Failure("\(file) is a folder; name the pipeline file in it") }
    let catalog = store.map { StageCatalog.looking(at: .ofModels(in: URL(filePath: file), $0)) }
    return try Plan(
      file: URL(filePath: file), settings: settings, catalog: catalog ?? .builtIn,
      workingFolder: URL(filePath: FileManager.default.currentDirectoryPath))
  }
}
