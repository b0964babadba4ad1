/// `retort validate FILE…`: checks pipeline files.
import ArgumentParser
import Pipelines

struct Validate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Checks pipeline files, and the models that they name, and reports every problem at once.")

  @Argument(help: "Pipeline files.", completion: .file(extensions: ["yaml", "yml"])) var files: [String]
  @OptionGroup var values: SetOption
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  private struct Report: Encodable {
    struct Problem: Encodable {
      var line: Int
      var column: Int
      var message: String
      var suggestion: String?

      init(_ problem: Pipelines.Problem) {
        (line, column) = (problem.location.line, problem.location.column)
        (message, suggestion) = (problem.message, problem.suggestion)
      }
    }
    var file: String
    var stages: Int
    var problems: [Problem]
    /// What stops nothing.
    var warnings: [Problem]
  }

  func run() throws {
    var reports: [Report] = []
    var (found, warnings): ([Problem], [Problem]) = ([], [])
    for file in files {
      do {
        let plan = try Plan.read(file, settings: values.settings, lookingAtModels: storeOptions)
        warnings += plan.warnings
        reports.append(
          Report(
            file: file, stages: plan.stages.count, problems: [], warnings: plan.warnings.map(Report.Problem.init)))
      } catch let problems as Problems {
        found += problems.all
        reports.append(
          Report(file: file, stages: 0, problems: problems.all.map(Report.Problem.init), warnings: []))
      }
    }
    if json {
      try printJSON(reports)
    } else {
      for warning in warnings { Terminal.complain("\(warning)") }
      for report in reports where report.problems.isEmpty {
        Terminal.say("\(report.file): valid, \(counted(report.stages, "stage"))")
      }
    }
    guard found.isEmpty else {
      if json { throw ExitCode(Exit.usage.rawValue) }
      throw Failure(verbatim: found.map(\.description).joined(separator: "\n"))
    }
  }
}
