/// How ends of worker processes are understood; shell scripts play the worker.
import Artifacts
import Foundation
@testable import Scheduling
import Testing

@Suite struct LocalExecutorTests {
  private func run(
    _ script: String, timeout: Duration? = nil, cancelled: Bool = false
  ) async throws -> (end: AttemptEnd, bench: Bench) {
    var bench = try Bench()
    bench.add("stage", "true")
    let order = try bench.order("stage")
    let logs = bench.store.logFolder(ofRun: 1)
    for folder in [logs, order.job.work] { try FileOperations().makeFolder(folder) }
    let program = WorkerProgram(
      executable: URL(filePath: "/bin/sh"), arguments: ["-c", script, order.job.work.path], environment: [:])
    let attempt = Task {
      try await LocalExecutor(program).run(order, as: "stage.1", logs: logs, timeout: timeout) { _ in }
    }
    if cancelled { attempt.cancel() }
    return (try await attempt.value, bench)
  }

  private func failure(_ end: AttemptEnd) throws -> StageFailure {
    guard case .failure(let failure, _) = end else {
      Issue.record("the attempt succeeded")
      throw CancellationError()
    }
    return failure
  }

  @Test func `an exit code is reported with the last lines of the log`() async throws {
    let failure = try failure(await run("for i in 1 2 3; do echo line $i; done; echo why >&2; exit 3").end)
    #expect(failure.reason == .exit(3))
    #expect(failure.lastLines == ["line 1", "line 2", "line 3", "why"])
    #expect(failure.description.hasPrefix("failed with exit code 3\n  line 1\n"))
  }

  @Test func `a worker that is killed is reported with the signal`() async throws {
    let failure = try failure(await run("echo here; kill -9 $$").end)
    #expect(failure.reason == .signal(SIGKILL))
    #expect(failure.lastLines == ["here"])
  }

  @Test func `a worker that takes too long sees the end of its input, and the timeout is reported`() async throws {
    let end = try await run("cat; echo told; exit 1", timeout: .milliseconds(1)).end
    #expect(try failure(end).reason == .timeout(.milliseconds(1)))
    #expect(try failure(end).lastLines == ["told"])
  }

  @Test(arguments: [(1, true), (116, true), (118, false)])
  func `what would fail again is not tried again`(code: Int, again: Bool) async throws {
    guard case .failure(let failure, let retried) = try await run("exit \(code)").end else {
      Issue.record("the attempt succeeded")
      return
    }
    #expect(retried == again)
    #expect(failure.headline == (code == 116 ? "was told to end from outside" : "failed with exit code 1"))
  }

  @Test func `a full disk is named although the log has no room for it`() async throws {
    let end = try await run("exit 115").end
    #expect(try failure(end).headline.contains("no space left"))
  }

  @Test func `a cancelled attempt ends its worker`() async throws {
    _ = try failure(await run("cat; exit 1", cancelled: true).end)
  }

  @Test func `what a worker leaves behind in its group is killed`() async throws {
    let (end, bench) = try await run("sleep 1000 & echo $!; exit 1")
    let child = try #require(Int32(try failure(end).lastLines[0]))
    _ = bench
    // A killed process that nobody reaped yet is a zombie at most.
    let status = FileManager.default.contents(atPath: "/proc/\(child)/stat").map { String(decoding: $0, as: UTF8.self) }
    #expect(status == nil || status?.contains(") Z ") == true)
  }

  @Test func `a result with its metrics is taken over`() async throws {
    let script = #"""
      echo '{"metric":{"_0":"loss","_1":0.25}}' > "$0/events.jsonl"
      printf '{"metric":{"_0":"cut' >> "$0/events.jsonl"
      echo '{"stage":"stage","outputs":{}}' > "$0/result.json"
      """#
    guard case .success(.ran, let made) = try await run(script).end else {
      Issue.record("the attempt failed")
      return
    }
    #expect(made.outputs.isEmpty)
    #expect(made.metrics == [StageResult.Metric(name: "loss", value: 0.25)])
  }
}
