/// `retort plan FILE`: what a run would do.
import ArgumentParser

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Says of each stage whether it is cached, will run or may run, and why.")

  @Argument(help: "The pipeline file.", completion: .file(extensions: ["yaml", "yml"])) var file: String
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  func run() throws {
    try PlanReport(try .read(file), store: storeOptions).print(json: json)
  }
}
