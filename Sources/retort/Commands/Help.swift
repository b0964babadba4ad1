/// `retort help [KIND | COMMAND | TOPIC]`: a stage kind's ports and parameters, a command's options, or how things work.
import ArgumentParser
import Basics
import Pipelines

struct Help: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows a stage kind's ports and parameters, a command's options, or a topic.",
    discussion: "Topics: \(Topic.all.map(\.name).joined(separator: ", ")).")

  @Argument(help: "A stage kind, a command or a topic.", completion: .kinds) var subject: String?
  @Argument(help: "What the command is asked for, as in `help model inspect`.") var detail: String?

  func run() throws {
    guard let subject else { throw CleanExit.helpRequest(Retort.self) }
    let commands = Retort.configuration.subcommands
    let command = commands.first { $0._commandName == subject }
    if let detail {
      guard let inner = command?.configuration.subcommands.first(where: { $0._commandName == detail }) else {
        throw Failure("`\(subject)` has no command `\(detail)`")
      }
      throw CleanExit.helpRequest(inner)
    }
    if let stage = StageCatalog.builtIn.describe(subject) { return Terminal.say(stage.reference) }
    if subject == "cmd" { return Terminal.say(commandReference) }
    if let command { throw CleanExit.helpRequest(command) }
    if let topic = Topic.all.first(where: { $0.name == subject }) { return try Terminal.pass(topic.text) }
    let known = StageCatalog.builtIn.kinds + ["cmd"] + commands.map { $0._commandName } + Topic.all.map(\.name)
    let topics = Topic.all.map { "`\($0.name)`" }.joined(separator: ", ")
    let hint = didYouMean(
      nearest(to: subject, in: known),
      otherwise: "; the topics are \(topics); `retort stages` lists the kinds, `retort --help` the commands")
    throw Failure("there is no stage kind, command or topic `\(subject)`\(hint)")
  }
}

/// How something works: a Markdown file of the folder `Topics`, compiled in.
struct Topic {
  let name: String
  private let bytes: [UInt8]

  var text: String { String(decoding: bytes, as: UTF8.self) }

  static let all = [
    Topic(name: "automation", bytes: PackageResources.automation_md),
    Topic(name: "caching", bytes: PackageResources.caching_md),
    Topic(name: "experiments", bytes: PackageResources.experiments_md),
    Topic(name: "memory", bytes: PackageResources.memory_md),
    Topic(name: "models", bytes: PackageResources.models_md),
    Topic(name: "store", bytes: PackageResources.store_md),
    Topic(name: "tracing", bytes: PackageResources.tracing_md),
  ]
}
/// A `cmd` stage declares its own ports, so it has no `StageDescription` to print.
private let commandReference = """
  cmd: Runs a shell command of your own, in bash, in an empty folder.

    cmd: python3 ${in.script} ${in.data} > ${out.table}
    in: {script: tools/table.py, data: split.train}
    out: {table: {path: table.md, type: text}}

  ${in.PORT} and ${out.PORT} stand for paths; ${params.NAME} and ${matrix.NAME} for values. Outside quotes each is one
  word, whatever it holds; inside "…" or '…' it is a part of that text. Where it would become code (a here-document,
  `python -c "…"`, backquotes, `eval`) it is refused, with the way to hand it over. $${name} is the shell's own ${name}.

    out      by port: `path` in the folder, and `type`, as `retort help` shows them for other kinds
    env      variables to hand on; their values enter the key
    secrets  variables to hand on to this stage alone; their values enter nothing and are masked in logs, also within
             one another, percent-encoded, JSON-escaped and in base64
    tools    programs whose content enters the key
    metrics  a flat JSON file of numbers that the command writes

  Not masked: secrets of fewer than 4 bytes (a warning says so), and what a command makes of a secret otherwise: hashed,
  hexadecimal, reversed, compressed, encrypted, encoded twice, in pieces. Values of `env`, and what a command writes into
  its outputs, are stored as they are.
  """
