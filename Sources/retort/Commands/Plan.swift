/// `retort plan FILE`: what a run would do.
import ArgumentParser

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Says of each stage whether it is cached, will run or may run, and why.")

  @OptionGroup var source: PlanOptions
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  func run() throws {
    try PlanReport(source.plan(), store: storeOptions).print(json: json)
  }
}
