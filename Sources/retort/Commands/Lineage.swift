/// `retort lineage WHAT`: what made an artifact, and what was made of it.
import ArgumentParser
import Artifacts
import Foundation
import Lineage

struct LineageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lineage", abstract: "Shows what an artifact was made from, or what was made from it.")

  @Argument(help: "The beginning of a digest, or `STAGE.PORT` or `STAGE` of the latest run that has it.")
  var what: String
  @Flag(help: "What it was made from (the default).") var up = false
  @Flag(help: "What was made from it.") var down = false
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  func validate() throws {
    if up && down { throw ValidationError("--up and --down exclude each other") }
  }

  func run() throws {
    let (store, journal) = try storeOptions.reading()
    let root = try named(in: journal, store) ?? journal.artifact(beginning: what)
    let graph = try journal.lineage(of: root, down ? .down : .up)
    if json { return try printJSON(graph) }
    let artifacts = Dictionary(uniqueKeysWithValues: graph.artifacts.map { ($0.digest, $0) })
    func line(_ port: String, _ digest: Digest) -> String {
      let source = artifacts[digest]?.source.map { "  \($0)" } ?? ""
      let bytes = artifacts[digest].map { "  \(formatted(bytes: $0.bytes))" } ?? ""
      return "\(port)  \(digest.description.prefix(12))\(bytes)\(source)"
    }
    print(line(down ? "made from" : "what made", root))
    for stage in graph.stages {
      print("\n\(stage.name) (\(stage.kind)), run \(stage.run) of \(stage.pipeline)")
      for (port, digest) in stage.inputs.sorted(by: { $0.key < $1.key }) { print("  in  " + line(port, digest)) }
      for (port, digest) in stage.outputs.sorted(by: { $0.key < $1.key }) { print("  out " + line(port, digest)) }
    }
  }

  /// The output of a stage of the latest run that has one of that name; its first one if no port is given.
  private func named(in journal: Journal, _ store: Store) throws -> Digest? {
    let parts = what.split(separator: ".", maxSplits: 1).map(String.init)
    for line in try journal.runs() {
      let report = try journal.report(of: line.run, store: store)
      guard let stage = report.stages.first(where: { $0.name == parts[0] }) else { continue }
      guard parts.count > 1 else { return stage.outputs.sorted { $0.key < $1.key }.first?.value.digest }
      return stage.outputs[parts[1]]?.digest
    }
    return nil
  }
}
