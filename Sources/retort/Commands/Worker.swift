/// `retort worker JOBFILE`: runs one stage; started by `retort run`, not by people.
import ArgumentParser
import Foundation
import Scheduling

struct WorkerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worker", abstract: "Runs one stage from a job file; started by `retort run`.", shouldDisplay: false)

  @Argument(help: "The job file.") var job: String

  func run() async throws {
    throw ExitCode(
      await Worker.main(
        orderFile: URL(filePath: job), catalog: .builtIn, numericsProfile: KeyContext.thisMachine.numericsProfile))
  }
}
