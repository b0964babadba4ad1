/// `retort plan FILE`: what a run would do, and what it would take.
import ArgumentParser
import Foundation
import Reports
import Scheduling

struct PlanCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Says of each stage whether it is cached, will run or may run, why, and forecasts time, memory and disk.",
    discussion: """
      Forecasts rest on earlier executions of the same stage of the same file, else of its kind: time and files grow \
      with the bytes of a stage's input files, a training's time with epochs × samples, time also with the bytes of \
      models that go in; the range is what this rule missed the history by. A training that was never run, but could, is timed for three steps, its validation not \
      included. What a stage's inputs will be, while they are not there, is taken from its last execution.
      """)

  @OptionGroup var source: PlanOptions
  @Flag(inversion: .prefixedNo, help: "Time three steps of each training that was never run.") var probe = true
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  func run() async throws {
    let plan = try source.plan(lookingAtModels: storeOptions)
    let preview = try Preview(plan, store: storeOptions)
    var report = try PlanReport(preview)
    let prober = probe ? StageProbe(try .thisBinary(for: plan)) : nil
    let (forecasts, total) = try await preview.forecasts(probe: prober) { notice in
      Terminal.complain("\(notice)")
    }
    report.add(forecasts, of: preview, total)
    try report.show(json: json)
  }
}
