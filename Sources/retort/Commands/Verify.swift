/// `retort verify`: reads the whole store again, or runs a stage again, and compares.
import ArgumentParser
import Artifacts
import Foundation
import Lineage
import Synchronization

struct Verify: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Reads every file of the store again and compares it with its digest.",
    discussion: """
      Damaged files are moved to .retort/damaged, where they stay until the next `gc --apply`, and results that lack \
      an output are forgotten, so that the next run makes them again; -n only says so. Damage ends with exit code 3.
      """)

  @Flag(name: [.customShort("n"), .long], help: "Only report; leave damage where it is.") var dryRun = false
  @Flag(help: "Print JSON.") var json = false
  @OptionGroup var storeOptions: StoreOptions

  func run() async throws {
    let store = try Store(at: storeOptions.existing())
    let progress = Progress()
    let report = try Verifier(store: store, journal: try Journal(at: store.database))
      .verify(repair: !dryRun) { progress.show($0, $1) }
    progress.erase()
    if json { try printJSON(report) } else { show(report) }
    if !report.isSound { throw ExitCode(Exit.storeDamaged.rawValue) }
  }

  private func show(_ report: VerificationReport) {
    for item in report.damaged {
      print("damaged: \(item.path): found \(item.found), expected \(item.expected)")
      for stage in item.stages { print("  of stage \(stage)") }
    }
    for item in report.lost { print("lost: output `\(item.port)` of stage \(item.stage), \(item.digest)") }
    for path in report.unknown { print("unknown: \(path) is not of retort") }
    if report.unrecorded > 0 { print("\(report.unrecorded) objects belong to no recorded result; `retort gc` removes them") }
    let size = "\(report.files) files, \(formatted(bytes: report.bytes)), \(report.folders) folders"
    if report.isSound { return print("sound: \(size), and the database") }
    print(
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
      write("\r\u{1B}[K\(formatted(bytes: bytes)) of \(formatted(bytes: total)) read")
    }
  }

  func erase() { if isLive { write("\r\u{1B}[K") } }

  private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
