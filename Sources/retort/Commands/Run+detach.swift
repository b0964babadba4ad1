/// `retort run --detach`: the same run in a session of its own, which a closed terminal leaves alone.
import ArgumentParser
import Artifacts
import Foundation
import Processes
import Scheduling

extension Run {
  private struct Started: Encodable {
    var run: Int
    var pid: Int32
    var log: String
  }

  /// Waits until the run has begun; what goes wrong before that is told as if it had not been detached.
  func startDetached(in store: Store) async throws {
    let log = store.root.appending(path: "logs/detached-\(getpid()).log")
    let background = try BackgroundRun(
      CommandLine.arguments.dropFirst().filter { $0 != "--detach" }, log: log, in: store)
    let pid = background.child.pid
    guard let run = try background.number() else {
      let ended = await background.child.end(killGroup: false)
      Terminal.complain(String(decoding: try store.files.enclosure.read(log), as: UTF8.self))
      try store.files.remove(log)
      guard case .exit(let code) = ended else { throw Failure("the run did not begin: \(ended)", exit: .stageFailed) }
      throw ExitCode(code)
    }
    let kept = store.logFolder(ofRun: run).appending(path: "run.log")
    try store.files.rename(log, to: kept)
    if json { return try printJSON(Started(run: run, pid: pid, log: kept.posixPath)) }
    let place = storeOptions.store.map { " --store \($0)" } ?? ""
    Terminal.say("run \(run) goes on in the background, process \(pid)")
    Terminal.say("log    \(kept.posixPath)\nwatch  retort watch \(run)\(place)\nstop   kill \(pid)")
  }
}

/// A run in a process and a session of its own, which tells its number as soon as it has one.
struct BackgroundRun {
  let child: ChildProcess
  private let answers: FileHandle

  /// - Parameter log: takes what it prints, from the beginning.
  init(
    _ arguments: [String], environment: [String: String] = ProcessInfo.processInfo.environment, folder: URL? = nil,
    log: URL, in store: Store
  ) throws {
    let output = try store.files.enclosure.open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND)
    let ends = try makePipe()
    answers = FileHandle(fileDescriptor: ends.read, closeOnDealloc: true)
    let end = Descriptor(ends.write)  // closed when this returns, so that the child's is the last one
    child = try ChildProcess(
      WorkerProgram.thisBinary().executable.posixPath, arguments + ["--announce", "3"], environment: environment,
      folder: folder, descriptors: [nil, output.raw, output.raw, end.raw], newSession: true)
  }

  /// Waits for it; `nil` if the run ended before it had one.
  func number() throws -> Int? {
    let answer = String(decoding: try answers.readToEnd() ?? Data(), as: UTF8.self)
    return Int(answer.trimmingCharacters(in: .whitespacesAndNewlines))
  }
}
