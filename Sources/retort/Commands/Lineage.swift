/// `retort lineage WHAT`: what made a run, a stage, an artifact or a folder, and what was made of it.
import ArgumentParser
import Artifacts
import Foundation
import Lineage
import Reports
import Scheduling

struct LineageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lineage", abstract: "Shows what something was made from, or what was made from it.",
    discussion: """
      A folder that was published or exported tells from its retort.json, without a store; write ./NAME for one that \
      has the name of a stage.
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable { case text, json, mermaid, dot }

  @Argument(
    help: """
      A run's number, name or tag, or `latest`; `STAGE` or `STAGE.PORT` of the latest run that has it; the beginning of a digest; a \
      folder that was published or exported.
      """, completion: .runNames)
  var what: String
  @Flag(help: "What it was made from (the default).") var up = false
  @Flag(help: "What was made from it.") var down = false
  @Option(help: "text, json, mermaid (a flowchart) or dot (for Graphviz).") var format = Format.text
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  func validate() throws {
    if up && down { throw ValidationError("--up and --down exclude each other") }
    if json && format != .text && format != .json { throw ValidationError("--json and --format exclude each other") }
  }

  func run() throws {
    let graph = try graph()
    switch format {
    case _ where json, .json: try printJSON(graph)
    case .text: printText(graph)
    case .mermaid: try Terminal.pass(graph.mermaid + "\n")
    case .dot: try Terminal.pass(graph.dot + "\n")
    }
  }

  private func graph() throws -> LineageGraph {
    let url = URL(filePath: what).absoluteURL
    let isPath = what.hasPrefix("/") || what.hasPrefix("./") || what.hasPrefix("../") || what == "."
    // The rest is a name in the store if there is one by it, else a folder's.
    let exists = FileStatus.of(url) != nil
    if !isPath {
      do {
        let journal = try storeOptions.reading().journal
        return try journal.lineage(of: journal.lineageRoot(named: what), down ? .down : .up)
      } catch let error where exists && (error is UnknownArtifact || error is Failure) {
      }
    }
    guard exists else { throw Failure("there is no folder \(what)") }
    guard !down else {
      throw Failure("what was made of \(what) only the store knows: name a run, a stage or a digest")
    }
    do { return try LineageGraph(at: url) } catch let error as NoProvenance { throw Failure("\(error)") }
  }

  private func printText(_ graph: LineageGraph) {
    let artifacts = Dictionary(uniqueKeysWithValues: graph.artifacts.map { ($0.digest, $0) })
    func line(_ port: String, _ digest: Digest) -> String {
      let source = artifacts[digest]?.source.map { "  \($0)" } ?? ""
      let bytes = artifacts[digest].map { "  \(formatted(bytes: $0.bytes))" } ?? ""
      return "\(port)  \(digest.description.prefix(12))\(bytes)\(source)"
    }
    let title = down ? "made from" : "what made"
    Terminal.say(graph.root.map { line(title, $0) } ?? "\(title) \(graph.of)")
    for stage in graph.stages {
      Terminal.say("\n\(stage.name) (\(stage.kind)), " + (stage.run.map { "run \($0) of " } ?? "") + stage.pipeline)
      for (port, digest) in stage.inputs.sorted(by: { $0.key < $1.key }) { Terminal.say("  in  " + line(port, digest)) }
      for (port, digest) in stage.outputs.sorted(by: { $0.key < $1.key }) {
        Terminal.say("  out " + line(port, digest))
      }
    }
  }
}
