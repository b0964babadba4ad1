/// `retort watch [RUN]`: follows a run from another terminal.
import ArgumentParser
import Artifacts
import Foundation
import Lineage
import Reports
import Scheduling

struct Watch: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Follows a run from another terminal until it ends.",
    discussion: """
      Goes over to the run that goes on where this one is cut off. Ends with the exit code of the run, or 130 if the \
      run's process is gone. Prints the run once, and ends with 0, if \
      standard output is no terminal.
      """)

  @Argument(
    help: ArgumentHelp("A run's number, name or tag; else the one that goes on, or the last one.", valueName: "run"),
    completion: .runNames)
  var name: String?
  @Flag(help: "Print the run as it is now, and end.") var once = false
  @Flag(help: "Print it as JSON, once.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  func run() async throws {
    let (store, journal) = try storeOptions.reading()
    guard var run = try name.map(journal.run(named:)) ?? journal.runToWatch() else {
      throw Failure("there was no run yet; `retort run FILE` makes one")
    }
    var watcher = try RunWatcher(run, journal: journal, store: store)
    if json { return try printJSON(try watcher.look()) }
    guard Terminal.isInteractive, !once else {
      let columns = Terminal.isInteractive ? Screen.current.columns : .max
      for line in try watcher.look().lines(columns: columns) { Terminal.say(line) }
      return
    }
    var block = LiveBlock()
    var snapshot = try watcher.look()
    while true {
      block.show(snapshot.lines(height: Screen.current.rows - 1, columns: Screen.current.columns))
      if snapshot.isOver {
        guard let next = try await watcher.next(after: snapshot) else { break }
        run = next
        watcher = try RunWatcher(run, journal: journal, store: store)
        block = LiveBlock()
      } else {
        try await Task.sleep(for: .milliseconds(500))
      }
      snapshot = try watcher.look()
    }
    let evaluations = ReportSection(evaluationsOf: try journal.report(of: run, store: store), .builtIn)
    if !evaluations.isEmpty { Terminal.say("\n" + evaluations.text) }
    let code = RunOutcome(rawValue: snapshot.state)?.exitCode ?? Exit.interrupted.rawValue
    if code != 0 { throw ExitCode(code) }
  }
}
