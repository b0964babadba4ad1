/// Whole runs of small commands: what is executed again, and what a failure leaves.
import Artifacts
import Foundation
@testable import Scheduling
import Testing

@Suite struct CoordinatorTests {
  /// data.txt → first (keeps lines with a) → second (counts them).
  private func chain() throws -> Bench {
    var bench = try Bench()
    try bench.scratch.write("a\nb\n", to: "data.txt")
    bench.add("first", "grep a <data >out", inputs: ["data": "data.txt"])
    bench.add("second", "wc -l <lines >out", inputs: ["lines": "first.out"], publish: "published/count.txt")
    return bench
  }

  @Test func `a second run executes nothing`() async throws {
    let bench = try chain()
    #expect(try await bench.run().executed == ["first", "second"])
    #expect(try bench.text("published/count.txt").hasPrefix("1 "))
    let again = try await bench.run()
    #expect(again.executed == [])
    #expect(again.summary.outcome == .done)
  }

  @Test func `a run that executes nothing writes one transaction, publications aside`() async throws {
    let bench = try chain()
    _ = try await bench.run()
    let before = bench.journal.transactions
    _ = try await bench.run()
    #expect(bench.journal.transactions - before <= 2)
  }

  @Test func `a changed input that leaves the output as it was stops there`() async throws {
    let bench = try chain()
    _ = try await bench.run()
    try bench.scratch.write("a\nc\n", to: "data.txt")
    #expect(try await bench.run().executed == ["first"])
    try bench.scratch.write("a\nab\n", to: "data.txt")
    #expect(try await bench.run().executed == ["first", "second"])
  }

  @Test func `a publication is repeated when it is gone, and refused when it was changed`() async throws {
    let bench = try chain()
    _ = try await bench.run()
    try FileOperations().remove(bench.root.appending(path: "published"))
    #expect(try await bench.run().executed == [])
    #expect(try bench.text("published/count.txt").hasPrefix("1 "))
    try bench.scratch.write("mine", to: "published/count.txt")
    let refused = try await bench.run()
    #expect(refused.summary.outcome == .failed)
    #expect(refused.failures.first?.contains("was changed since it was published") == true)
    #expect(try bench.text("published/count.txt") == "mine")
    #expect(try await bench.run(overwrite: true).summary.outcome == .done)
  }

  @Test func `a failure skips what depends on it and keeps what was finished`() async throws {
    var bench = try Bench()
    bench.add("good", "echo one >out")
    bench.add("bad", "echo <in ; exit 7", inputs: ["in": "good.out"], retry: 1)
    bench.add("after", "cat <in >out", inputs: ["in": "bad.out"])
    let ran = try await bench.run()
    #expect(ran.states["good"] == .ran)
    #expect(ran.states["bad"] == .failed)
    #expect(ran.states["after"] == .skipped)
    #expect(ran.failures == Array(repeating: "the command ended with exit code 7", count: 2))
    #expect(ran.summary.outcome.exitCode == 1)
    #expect(try await bench.run().states["good"] == .cached)
  }

  @Test func `a damaged object is named and made again`() async throws {
    let bench = try chain()
    _ = try await bench.run()
    let first = try bench.store.ingest(bench.scratch.write("a\n", to: "copy"), owner: "test")
    #expect(truncate(bench.store.url(of: first).posixPath, 1) == 0)
    let ran = try await bench.run()
    #expect(ran.executed == ["first"])
    #expect(ran.warnings.first?.contains("is damaged: found 1 bytes, expected 2 bytes") == true)
  }

  @Test func `a forced run that gives other bytes keeps the recorded result and says so`() async throws {
    var bench = try Bench()
    try bench.scratch.write("", to: "counter")
    bench.add("drift", "echo x >> \(bench.root.path)/counter; cat \(bench.root.path)/counter >out")
    bench.add("use", "cat <in >out", inputs: ["in": "drift.out"])
    _ = try await bench.run()
    let forced = try await bench.run(forced: ["drift"])
    #expect(forced.executed == ["drift"])
    #expect(forced.states["use"] == .cached)
    #expect(forced.warnings.first?.contains("is not deterministic: out differs") == true)
  }

  @Test func `an input that cannot be read fails its stage alone`() async throws {
    var bench = try Bench()
    bench.add("broken", "cat <in >out", inputs: ["in": "missing.txt"])
    bench.add("fine", "echo 1 >out")
    let ran = try await bench.run(keepGoing: true)
    #expect(ran.states == ["broken": .failed, "fine": .ran])
    #expect(ran.failures.first?.contains("missing.txt: No such file or directory") == true)
  }

  @Test func `a published folder carries what made it`() async throws {
    var bench = try Bench()
    bench.add(
      "make", "echo 1 >a ; echo 2 >b ; echo '{\"score\":0.5}' > m.json", outputs: ["a", "b"], publish: "out",
      metrics: "m.json")
    _ = try await bench.run()
    #expect(try bench.text("out/a") == "1\n")
    #expect(try bench.text("out/b") == "2\n")
    let provenance = try JSONDecoder().decode(Provenance.self, from: Data(bench.text("out/retort.json").utf8))
    #expect(provenance.stages.map(\.name) == ["make"])
    #expect(provenance.stages[0].metrics == ["score": 0.5])
    #expect(provenance.stages[0].outputs["a"]?.digest == Digest(of: "1\n"))
    #expect(provenance.contents == ["a": "make.a", "b": "make.b"])
  }

  @Test func `of what nobody judged nothing is withheld, and that is said`() async throws {
    var bench = try Bench()
    bench.add("make", "echo 1 >out", publish: "out.txt")
    bench.stages[0].publish?.condition = .notWorse
    let ran = try await bench.run()
    #expect(try bench.text("out.txt") == "1\n")
    #expect(ran.warnings.count == 1 && ran.warnings[0].hasPrefix("published although no verdict is known"))
  }

  @Test func `an interrupted run ends what runs and starts nothing`() async throws {
    var bench = try Bench()
    bench.add("long", "echo 1 >out")
    bench.add("next", "cat <in >out", inputs: ["in": "long.out"])
    let coordinator = bench.coordinator(executor: Endless())
    let run = Task { try await coordinator.run() }
    for await events in coordinator.events {
      for case .moved(_, .running) in events { coordinator.interrupt() }
    }
    let summary = try await run.value
    #expect(summary.outcome == .interrupted)
    #expect(summary.outcome.exitCode == 130)
    #expect(bench.journal.ended == [.interrupted])
  }

  /// Ends only by being cancelled.
  private struct Endless: Executor {
    func run(
      _ order: WorkOrder, as name: String, logs: URL, timeout: Duration?,
      report: @escaping @Sendable (AttemptReport) -> Void
    ) async throws -> AttemptEnd {
      while !Task.isCancelled { await Task.yield() }
      return .failure(StageFailure(.signal(SIGKILL)), again: true)
    }
  }
}
