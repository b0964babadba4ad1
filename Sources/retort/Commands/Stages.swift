/// `retort stages`: the stage kinds.
import ArgumentParser
import Pipelines

struct StagesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "stages", abstract: "Lists the stage kinds.")

  @Flag(help: "Print JSON.") var json = false

  private struct Kind: Encodable {
    var kind: String
    var revision: Int
    var abstract: String
    var inputs: [String]
    var outputs: [String]
  }

  func run() throws {
    let kinds = StageCatalog.builtIn.kinds.compactMap(StageCatalog.builtIn.describe).map { stage in
      Kind(
        kind: stage.kind.name, revision: stage.kind.revision, abstract: stage.abstract,
        inputs: stage.inputs.map { $0.isOptional ? "\($0.name)?" : $0.name }, outputs: stage.outputs.map(\.name))
    }
    if json { return try printJSON(kinds) }
    var table = Table(["kind", "inputs", "outputs", "what it does"])
    for kind in kinds {
      table.add([kind.kind, kind.inputs.joined(separator: " "), kind.outputs.joined(separator: " "), kind.abstract])
    }
    table.add(["cmd", "yours", "yours", "Runs a shell command of your own."])
    Terminal.say(table.text)
    Terminal.say("\nMore: retort help KIND")
  }
}
