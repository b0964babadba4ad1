/// `retort help [KIND | COMMAND]`: a stage kind's ports and parameters, or a command's options.
import ArgumentParser
import Pipelines

struct Help: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows a stage kind's ports, parameters, defaults and ranges, or a command's options.")

  @Argument(help: "A stage kind or a command.") var subject: String?

  func run() throws {
    guard let subject else { throw CleanExit.helpRequest(Retort.self) }
    if let stage = StageCatalog.builtIn.describe(subject) {
      print(stage.reference)
      return
    }
    let commands = Retort.configuration.subcommands
    if let command = commands.first(where: { $0._commandName == subject }) { throw CleanExit.helpRequest(command) }
    let known = StageCatalog.builtIn.kinds + commands.map { $0._commandName }
    let hint = nearest(to: subject, in: known).map { "; did you mean `\($0)`?" } ?? ""
    throw Failure("there is no stage kind or command `\(subject)`\(hint)")
  }
}
