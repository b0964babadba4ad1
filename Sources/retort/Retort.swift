/// `retort`: the command line. Parses arguments, runs one command, and turns how it ended into an exit code.
import ArgumentParser
import Basics
import CPU
import CSystem
import Foundation
import Lineage
import Pipelines
import Scheduling

@main
struct Retort: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retort",
    abstract: "Runs pipelines that train and evaluate text-embedding models, and only what changed.",
    discussion: """
      Exit codes: 0 done, 1 a stage failed, 2 the file or the arguments are wrong, 3 the store is damaged, \
      4 waited too long for another run, 130 interrupted (the next run continues).
      """,
    version: retortVersion,
    subcommands: [
      Run.self, PlanCommand.self, Why.self, Status.self, Runs.self, Show.self, Watch.self, Compare.self, Diff.self,
      LineageCommand.self, Tag.self, Note.self, Validate.self, SchemaCommand.self, New.self,
      StagesCommand.self, Help.self, Export.self, Collect.self, Pin.self, Verify.self, Push.self, Pull.self,
      SearchCommand.self, Chat.self, RewardsCommand.self, ModelCommand.self, Tokenize.self, Vectors.self, Doctor.self,
      Products.self,
      WorkerCommand.self, Keep.self,
    ])

  /// What `--json` counts a run's seconds from.
  static let start = ContinuousClock.now

  static func main() async {
    _ = start
    retort_open_standard()
    signal(SIGPIPE, SIG_IGN)  // a reader that goes away ends what it read, not a run
    do {
      _ = try Kernels.chosen()
      try checkCommandName()
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
      try Terminal.finish()
    } catch {
      leave(error)
    }
  }

  /// Throws with the nearest name if the first word is no command.
  private static func checkCommandName() throws {
    let known = configuration.subcommands.map { $0._commandName }
    guard let word = CommandLine.arguments.dropFirst().first, !word.hasPrefix("-"), !known.contains(word) else {
      return
    }
    let hint = didYouMean(nearest(to: word, in: known), otherwise: "; `retort help` lists them")
    throw Failure("there is no command `\(word)`\(hint)")
  }

  private static func leave(_ error: any Error) -> Never {
    switch error {
    case let code as ExitCode:
      Terminal.flush()
      Foundation.exit(code.rawValue)
    case let lost as OutputLost where lost.isReaderGone:
      Foundation.exit(0)
    case let failure as Failure:
      Terminal.complain(failure.message)
      Foundation.exit(failure.exit.rawValue)
    case let problems as Problems:
      Terminal.complain(problems.description)
      Foundation.exit(Exit.usage.rawValue)
    case is UnknownRun, is InvalidRunName, is RunFilterError, is UnknownArtifact, is ComparisonError,
      is UnavailableKernels:
      Terminal.complain("error: \(error)")
      Foundation.exit(Exit.usage.rawValue)
    case _ where isDamage(error):
      Terminal.complain("error: the store is damaged: \(error)")
      Foundation.exit(Exit.storeDamaged.rawValue)
    default:
      // Help and version texts are errors to the argument parser, with code 0; wrong arguments have its code 64.
      switch exitCode(for: error) {
      case .success:
        Terminal.say(fullMessage(for: error))
        do { try Terminal.finish() } catch { leave(error) }
        Foundation.exit(0)
      case .validationFailure:
        Terminal.complain(fullMessage(for: error))
        Foundation.exit(Exit.usage.rawValue)
      default:
        Terminal.complain("error: \(error)")
        Foundation.exit(Exit.stageFailed.rawValue)
      }
    }
  }
}

/// How a command may end, besides well.
enum Exit: Int32 {
  /// A stage, or the machine: a disk that is full, a file that cannot be read.
  case stageFailed = 1
  case usage = 2
  case storeDamaged = 3
  case waitedTooLong = 4
  case interrupted = 130
}

/// An end with a message for people.
struct Failure: Error {
  let message: String
  let exit: Exit

  init(_ message: String, exit: Exit = .usage) {
    self.init(verbatim: "error: \(message)", exit: exit)
  }

  init(verbatim message: String, exit: Exit = .usage) {
    self.message = message
    self.exit = exit
  }
}
