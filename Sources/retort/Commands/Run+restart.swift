/// `retort run --detach --restart`: the same run, kept going by a process that the machine starts again.
import ArgumentParser
import Artifacts
import Foundation
import Lineage
import Pipelines
import Scheduling

extension Run {
  private struct Kept: Encodable {
    var run: Int
    /// The process that keeps it going.
    var pid: Int32
    var log: String
    /// systemd, cron
    var restart: Registration.Kind
    var order: String
  }

  /// Waits until the run has begun; what goes wrong before that is told as if it had not been detached.
  func startKept(_ plan: Plan, _ selected: Set<StageID>, _ forced: Set<StageID>, in store: Store) async throws {
    try refuseSecrets(plan, selected, forced, store)
    guard let kind = Registration.available else {
      throw Failure(
        "--restart needs what starts programs with the machine, and found neither a user's systemd (`systemctl --user`) "
          + "nor cron (`crontab`); install cron: apt-get install cron", exit: .stageFailed)
    }
    let file = OrderFile(in: store)
    let registration = Registration(kind: kind, order: file)
    try file.makeFolder()
    try file.write(
      RestartOrder(
        arguments: CommandLine.arguments.dropFirst().filter { $0 != "--detach" && $0 != "--restart" },
        folder: FileManager.default.currentDirectoryPath, environment: environment(for: plan), notify: notify,
        registration: registration.kind, boot: RestartOrder.currentBoot))
    try file.await()
    let order: RestartOrder
    do {
      try registration.begin()
      order = try await beginning(of: file, registration)
    } catch {
      // What could not be begun must not begin with the next start of the machine.
      do {
        try file.end()
        _ = try file.takeEnd()
        try Registration.removeAll(of: file)
        try file.removeRest()
      } catch { Terminal.complain("warning: what was registered is still there: \(error)") }
      throw error is Failure ? error : Failure("--restart: \(error)", exit: .stageFailed)
    }
    guard let run = order.runs.first else {
      while try file.isKept { try await Task.sleep(for: .milliseconds(20)) }
      Terminal.complain(String(decoding: try store.files.enclosure.read(file.log), as: UTF8.self))
      try store.files.remove(file.log)
      throw ExitCode(order.exitCode ?? RunOutcome.failed.exitCode)
    }
    try say(run, order, file, registration)
  }

  private func say(_ run: Int, _ order: RestartOrder, _ file: OrderFile, _ registration: Registration) throws {
    let log = file.store.logFolder(ofRun: run).appending(path: "run.log").posixPath
    let pid = order.keeper ?? 0
    if json {
      return try printJSON(
        Kept(run: run, pid: pid, log: log, restart: registration.kind, order: file.url.posixPath))
    }
    let place = storeOptions.store.map { " --store \($0)" } ?? ""
    Terminal.say("run \(run) goes on in the background, process \(pid)")
    Terminal.say("log    \(log)\nwatch  retort watch \(run)\(place)")
    Terminal.say("stop   kill -INT \(pid) (for good); kill \(pid) (until the machine starts again)")
    Terminal.say("again  by itself after a crash or a reboot, by \(registration.words)")
    if let (found, remedy) = Registration.obstacle(of: registration.kind) {
      Terminal.complain("warning: \(found): \(remedy)")
    }
  }

  /// The order once its first run has a number, or as it was when it ended without.
  private func beginning(of file: OrderFile, _ registration: Registration) async throws -> RestartOrder {
    let start = ContinuousClock.now
    while true {
      if let order = try file.read() {
        guard order.runs.isEmpty else {
          // It may have ended by now.
          return try file.takeEnd() ?? order
        }
      } else if let ended = try file.takeEnd() {
        return ended
      }
      if ContinuousClock.now - start > .seconds(30), try !file.isKept {
        throw NoKeeper(complaints: try registration.complaints())
      }
      try await Task.sleep(for: .milliseconds(20))
    }
  }

  /// What the run is given of this environment, now and after a reboot.
  private func environment(for plan: Plan) -> [String: String] {
    let known =
      "PATH HOME USER LOGNAME LANG LC_ALL TZ LD_LIBRARY_PATH OPENLINEAGE_NAMESPACE XDG_CACHE_HOME HF_HOME HF_HUB_CACHE "
      + "HF_ENDPOINT HF_HUB_OFFLINE HF_HUB_DOWNLOAD_TIMEOUT HF_TOKEN_PATH HTTPS_PROXY https_proxy NO_PROXY no_proxy"
    let names = Set(known.split(separator: " ").map(String.init))
      .union(plan.stages.flatMap { $0.command?.environment ?? [] })
    let secrets = plan.secrets.union(["RETORT_REMOTE_KEY", "OPENLINEAGE_API_KEY"])
    return ProcessInfo.processInfo.environment.filter { name, _ in
      (names.contains(name) || name.hasPrefix("RETORT_")) && !secrets.contains(name)
    }
  }

  /// Secrets are written nowhere, so a run that is started again would lack them.
  private func refuseSecrets(
    _ plan: Plan, _ selected: Set<StageID>, _ forced: Set<StageID>, _ store: Store
  ) throws {
    func refuse(_ what: String, _ remedy: String) -> Failure {
      Failure(
        "--restart: \(what), which is written nowhere, so that a run that is started again would lack it; \(remedy)")
    }
    let environment = ProcessInfo.processInfo.environment
    if pull, remoteOptions.remoteKey == nil, environment["RETORT_REMOTE_KEY"] != nil {
      throw refuse("--pull takes its key from $RETORT_REMOTE_KEY", "name a file with it: --remote-key FILE")
    }
    if openlineage != nil, environment["OPENLINEAGE_API_KEY"] != nil {
      throw refuse("--openlineage uses $OPENLINEAGE_API_KEY", "leave one of the three out")
    }
    let secret = plan.stages.filter { selected.contains($0.id) && $0.command?.secrets.isEmpty == false }
    guard !secret.isEmpty else { return }
    let preview = plan.preview(
      selected, forced: forced, store: store, journal: try Journal(reading: store.database), context: .thisMachine)
    let cached = Set(preview.filter { if case .cached = $0.verdict { true } else { false } }.map(\.id))
    guard let stage = secret.first(where: { !cached.contains($0.id) }), let name = stage.command?.secrets.first else {
      return
    }
    throw refuse(
      "stage `\(stage.name)` needs the secret \(name)",
      "run it before, `retort run \(source.file) --only \(stage.name)`, or leave --restart out")
  }
}

private struct NoKeeper: Error, CustomStringConvertible {
  let complaints: String
  var description: String {
    "the process that is to keep the run going did not start within 30 s; \(complaints)"
  }
}
