/// `retort validate FILE…`: checks pipeline files.
import ArgumentParser
import Pipelines

struct Validate: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Checks pipeline files and reports every problem at once.")

  @Argument(help: "Pipeline files.", completion: .file(extensions: ["yaml", "yml"])) var files: [String]
  @Flag(help: "Print JSON.") var json = false

  private struct Report: Encodable {
    struct Problem: Encodable {
      var line: Int
      var column: Int
      var message: String
      var suggestion: String?
    }
    var file: String
    var stages: Int
    var problems: [Problem]
  }

  func run() throws {
    var reports: [Report] = []
    var found: [Problem] = []
    for file in files {
      do {
        let plan = try Plan.read(file)
        reports.append(Report(file: file, stages: plan.stages.count, problems: []))
      } catch let problems as Problems {
        found += problems.all
        reports.append(
          Report(
            file: file, stages: 0,
            problems: problems.all.map {
              Report.Problem(
                line: $0.location.line, column: $0.location.column, message: $0.message, suggestion: $0.suggestion)
            }))
      }
    }
    if json {
      try printJSON(reports)
    } else {
      for report in reports where report.problems.isEmpty {
        Terminal.say("\(report.file): valid, \(report.stages) stages")
      }
    }
    guard found.isEmpty else {
      if json { throw ExitCode(Exit.usage.rawValue) }
      throw Failure(verbatim: found.map(\.description).joined(separator: "\n"))
    }
  }
}
