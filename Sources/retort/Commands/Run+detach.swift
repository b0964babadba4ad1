/// `retort run --detach`: the same run in a session of its own, which a closed terminal leaves alone.
import ArgumentParser
import Artifacts
import Foundation
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
    let (child, answer) = try start(log: log, in: store)
    guard let run = Int(answer.trimmingCharacters(in: .whitespacesAndNewlines)) else {
      let ended = await child.end(killGroup: false)
      Terminal.complain(String(decoding: try store.files.enclosure.read(log), as: UTF8.self))
      try store.files.remove(log)
      guard case .exit(let code) = ended else { throw Failure("the run did not begin: \(ended)", exit: .stageFailed) }
      throw ExitCode(code)
    }
    let kept = store.logFolder(ofRun: run).appending(path: "run.log")
    try store.files.rename(log, to: kept)
    if json { return try printJSON(Started(run: run, pid: child.pid, log: kept.posixPath)) }
    let place = storeOptions.store.map { " --store \($0)" } ?? ""
    Terminal.say("run \(run) goes on in the background, process \(child.pid)")
    Terminal.say("log    \(kept.posixPath)\nwatch  retort watch \(run)\(place)\nstop   kill \(child.pid)")
  }

  /// - Returns: the process, and what it told before it closed its end: a number, or nothing.
  private func start(log: URL, in store: Store) throws -> (child: ChildProcess, answer: String) {
    let input = Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC))
    let output = try store.files.enclosure.open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND)
    let ends = try makePipe()
    let answers = FileHandle(fileDescriptor: ends.read, closeOnDealloc: true)
    let child = try {
      let end = Descriptor(ends.write)  // closed here, so that the child's is the last one
      return try ChildProcess(
        WorkerProgram.thisBinary().executable.posixPath,
        CommandLine.arguments.dropFirst().filter { $0 != "--detach" } + ["--announce", "3"],
        environment: ProcessInfo.processInfo.environment,
        descriptors: [input.raw, output.raw, output.raw, end.raw], newSession: true)
    }()
    return (child, String(decoding: try answers.readToEnd() ?? Data(), as: UTF8.self))
  }
}
