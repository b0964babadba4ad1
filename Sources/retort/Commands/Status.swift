/// `retort status FILE`: each stage against the store and what is running.
import ArgumentParser
import Artifacts
import Foundation
import Pipelines
import Reports
import Scheduling

struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows the state of each stage against what is on disk and in the store.")

  @OptionGroup var source: PlanOptions
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  private struct Report: Encodable {
    struct Output: Encodable {
      var port: String
      var digest: String
      var bytes: Int
      var path: String
    }
    var name: String
    var state: String
    var reason: String
    var outputs: [Output]
  }

  func run() throws {
    let plan = try source.plan()
    let preview = try Preview(plan, store: storeOptions)
    let store = Store(reading: try storeOptions.folder(root: plan.root))
    let reports = try preview.stages.map { stage in
      let (state, reason) = try preview.verdict(of: stage, forced: [])
      return Report(
        name: plan[stage.id].name, state: state, reason: reason,
        outputs: (stage.outputs ?? [:]).sorted { $0.key < $1.key }.map { port, artifact in
          Report.Output(
            port: port, digest: artifact.digest.description, bytes: artifact.bytes,
            path: store.url(of: artifact).path)
        })
    }
    if json { return try printJSON(reports) }
    var table = Table(["stage", "state", "output", "size", "digest"], numbers: [3])
    for report in reports {
      let state = report.reason.isEmpty ? report.state : "\(report.state): \(report.reason)"
      table.add([report.name, state, "", "", ""])
      for output in report.outputs {
        table.add(["", "", output.port, formatted(bytes: output.bytes), String(output.digest.prefix(12))])
      }
    }
    Terminal.say(table.text)
  }
}
