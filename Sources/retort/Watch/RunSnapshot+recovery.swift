/// What a snapshot says of runs that were cut off and of those that go on with them.
import Artifacts
import Escaping
import Foundation
import Lineage
import Pipelines
import Reports
import Scheduling

extension Recovery {
  /// - Parameter isOver: whether the run that went on has ended.
  func words(run: Int, isOver: Bool) -> String {
    let kept = "\(counted(kept, "stage")) kept"
    return "run \(run) \(isOver ? "went" : "goes") on where run \(of.run) was cut off (\(of.reason.rawValue)): "
      + ([kept] + resumed.map { "\($0.stage) \($0.words)" }).joined(separator: ", ")
  }
}

extension RunSnapshot {
  var recoveryLines: [StyledLine] {
    recovery.map { [StyledLine($0.words(run: run, isOver: isOver))] } ?? []
  }

  /// What to do next with a run that was cut off; `nil` if it does not go on by itself.
  var restartAdvice: [StyledLine]? {
    if let continuedBy { return [StyledLine("Run \(continuedBy) goes on with it: retort watch \(continuedBy)")] }
    guard let restart else { return nil }
    if restart.isKept { return [StyledLine("It goes on by itself in a moment.")] }
    let isSoon = restart.registration == .systemd && state == "died"
    let order = Escape.shellWord(restart.order)
    return [
      StyledLine(
        "It goes on by itself \(isSoon ? "as soon as systemd starts it" : "when the machine starts") again; at once with: "
          + "retort keep \(order)"),
      StyledLine("To give it up: retort keep \(order) --remove"),
    ]
  }
}

extension RunWatcher {
  init(_ run: Int, journal: Journal, store: Store) throws {
    try self.init(run, journal: journal, store: store) { run in
      try OrderFile.order(after: run, in: store).map { file, order in
        RunSnapshot.Restart(order: file.url.posixPath, registration: order.registration, isKept: try file.isKept)
      }
    }
  }

  /// The run that goes on where this one was cut off; waits for it where it is about to be started.
  mutating func next(after snapshot: RunSnapshot) async throws -> Int? {
    var snapshot = snapshot
    // systemd waits before it starts a keeper again that was killed itself.
    let end = ContinuousClock.now + .seconds(15)
    while snapshot.continuedBy == nil {
      guard let restart = snapshot.restart, restart.isKept || ContinuousClock.now < end else { return nil }
      try await Task.sleep(for: .milliseconds(500))
      snapshot = try look()
    }
    return snapshot.continuedBy
  }
}
