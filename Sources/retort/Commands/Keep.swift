/// `retort keep ORDER`: keeps a run going; started by `retort run --restart` and with the machine, seldom by people.
import ArgumentParser
import Artifacts
import Foundation

struct Keep: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Goes on with a run that was begun with `retort run --detach --restart`.", shouldDisplay: false)

  @Argument(help: "The order, a file of the store.", completion: .file(extensions: ["json"])) var order: String
  @Flag(help: "Give it up instead: the run does not go on by itself any more.") var remove = false

  func run() async throws {
    let file = try OrderFile(path: order)
    try await waitForDisk(of: file)
    let lock = try file.lock()
    guard try lock.take() else {
      if remove {
        throw Failure("the run goes on at this moment; `kill -INT \(try keeper(of: file))` ends it for good")
      }
      return  // somebody keeps it
    }
    defer { withExtendedLifetime(lock) {} }
    guard let found = try file.read() else {
      try Registration.removeAll(of: file)
      return try file.removeRest()
    }
    if remove {
      try file.end()
      try Registration(kind: found.registration, order: file).remove()
      return try file.removeRest()
    }
    try await Keeper(file).keep(found)
  }

  private func keeper(of file: OrderFile) throws -> String { try file.read()?.keeper.map { "\($0)" } ?? "PID" }

  /// A machine that starts may not have mounted it yet; an order that seems to be gone would be given up.
  private func waitForDisk(of file: OrderFile) async throws {
    let end = ContinuousClock.now + .seconds(120)
    while !file.isReachable {
      guard ContinuousClock.now < end else {
        let folder = file.url.deletingLastPathComponent().posixPath
        throw Failure("there is no folder \(folder); is its disk mounted?", exit: .stageFailed)
      }
      try await Task.sleep(for: .seconds(1))
    }
  }
}
