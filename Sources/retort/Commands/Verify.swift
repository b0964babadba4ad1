/// `retort verify`: reads the whole store again, or runs a stage again, and compares.
import ArgumentParser
import Artifacts
import Foundation
import Lineage
import Reports
import Scheduling
import Synchronization

struct Verify: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Reads every file of the store again and compares it with its digest.",
    discussion: """
      Damaged files are moved to .retort/damaged, where they stay until the next `gc --apply`, and results that lack \
      an output are forgotten, so that the next run makes them again; -n only says so. Damage ends with exit code 3. \
      With --rerun a recorded stage runs again, beside the store, from the same job and inputs; other bytes than \
      recorded end with exit code 1, and with where they first differ.
      """)

  @Option(help: "Run this stage again instead and compare its outputs.") var rerun: String?
  @Argument(
    help: ArgumentHelp("Whose stage: a run's number, name or tag; else the latest with a result.", valueName: "run"),
    completion: .runNames)
  var name: String?

  @Flag(name: [.customShort("n"), .long], help: "Only report; leave damage where it is.") var dryRun = false
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  func validate() throws {
    if name != nil && rerun == nil { throw ValidationError("a run is named together with --rerun STAGE") }
  }

  func run() async throws {
    let store = try Store(at: storeOptions.existing())
    if let rerun { return try await compare(rerun, store) }
    let progress = Progress()
    let report = try Verifier(store: store, journal: try Journal(at: store.database))
      .verify(repair: !dryRun) { progress.show($0, $1) }
    progress.erase()
    if json { try printJSON(report) } else { show(report) }
    if !report.isSound { throw ExitCode(Exit.storeDamaged.rawValue) }
  }

  private struct Comparison: Encodable {
    struct Output: Encodable {
      var port: String
      var recorded: Digest
      var now: Digest
      var difference: ArtifactDifference?
    }
    var run: Int
    var stage: String
    var key: String
    var outputs: [Output]
  }

  private func compare(_ stage: String, _ store: Store) async throws {
    let journal = try Journal(at: store.database)
    let run = try name.map { try journal.run(named: $0) }
    guard let (recorded, origin) = try journal.recordedResult(ofStage: stage, run: run) else {
      throw Failure("no run has a result of a stage `\(stage)`; `retort runs` and `retort show RUN` list them")
    }
    let report: RerunReport
    do {
      report = try await Rerun(
        recorded, ofRun: origin, store: store, context: .thisMachine, executor: LocalExecutor(try .thisBinary())
      ).run { [json] event in
        if case .event(.log(let line)) = event, !json { Terminal.say("[\(stage)] \(line)") }
      }
    } catch let error as CannotRerun {
      throw Failure("\(error)")
    } catch let failure as StageFailure {
      throw Failure("\(stage) \(failure)", exit: .stageFailed)
    }
    let differs = report.outputs.contains { $0.recorded != $0.now }
    if json {
      try printJSON(
        Comparison(
          run: origin, stage: stage, key: recorded.key.description,
          outputs: report.outputs.map {
            .init(port: $0.port, recorded: $0.recorded.digest, now: $0.now.digest, difference: $0.difference)
          }))
    } else {
      for output in report.outputs {
        if output.recorded == output.now {
          Terminal.say("\(stage).\(output.port): the same bytes, \(output.now.digest)")
        } else {
          let place = output.difference.map { ": \($0)" } ?? ""
          Terminal.say("\(stage).\(output.port): DIFFERENT bytes than recorded\(place)")
          Terminal.say("  recorded \(output.recorded.digest)\n  now      \(output.now.digest)")
        }
      }
    }
    if differs { throw ExitCode(Exit.stageFailed.rawValue) }
  }

  private func show(_ report: VerificationReport) {
    for item in report.damaged {
      Terminal.say("damaged: \(item.path): found \(item.found), expected \(item.expected)")
      for stage in item.stages { Terminal.say("  of stage \(stage)") }
    }
    for item in report.lost { Terminal.say("lost: output `\(item.port)` of stage \(item.stage), \(item.digest)") }
    for path in report.unknown { Terminal.say("unknown: \(path) is not of retort") }
    if report.unrecorded > 0 {
      Terminal.say("\(report.unrecorded) objects belong to no recorded result; `retort gc` removes them")
    }
    let size = "\(report.files) files, \(formatted(bytes: report.bytes)), \(report.folders) folders"
    if report.isSound { return Terminal.say("sound: \(size), and the database") }
    Terminal.say(
      "\(report.damaged.count) damaged, \(report.lost.count) lost, of \(size); "
        + (report.isRepaired
          ? "damaged files are in .retort/damaged, and the next `retort run` makes again what is missing"
          : "`retort verify` without -n takes them out of the way, so that the next `retort run` makes them again"))
  }
}

/// One line on a terminal that tells how far the reading is.
private final class Progress: Sendable {
  private let isLive = isatty(STDERR_FILENO) == 1
  private let shown = Mutex(ContinuousClock.now)

  func show(_ bytes: Int, _ total: Int) {
    guard isLive else { return }
    shown.withLock { last in
      guard ContinuousClock.now - last > .milliseconds(200) else { return }
      last = .now
      Terminal.replaceErrorLine(with: "\(formatted(bytes: bytes)) of \(formatted(bytes: total)) read")
    }
  }

  func erase() { if isLive { Terminal.replaceErrorLine(with: "") } }
}
