/// Links that wait in a store for a stage's work: nothing behind them is read, written or removed.
import Artifacts
import Foundation
import Pipelines
@testable import Scheduling
import Testing

@Suite struct HostileStoreTests {
  /// A stage, and a folder `outside` with one file.
  private func bench() throws -> (bench: Bench, order: WorkOrder) {
    var bench = try Bench()
    bench.add("make", "echo made >out")
    try bench.scratch.write("mine", to: "outside/secret")
    return (bench, try bench.order("make"))
  }
  private func work(_ order: WorkOrder, in bench: Bench) async throws -> WorkerExit {
    try await Worker(
      order, catalog: StageCatalog([]), numericsProfile: Bench.context.numericsProfile,
      environment: ["PATH": "/usr/bin:/bin"],
      output: FileHandle(forWritingTo: bench.scratch.write("", to: "printed"))
    ).run()
  }
  private func link(_ url: URL, to target: URL) throws {
    try FileOperations().makeFolder(url.deletingLastPathComponent())
    try FileManager.default.createSymbolicLink(atPath: url.posixPath, withDestinationPath: target.posixPath)
  }
  private func expectUntouched(_ bench: Bench) throws {
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: bench.root.appending(path: "outside").path) == ["secret"])
    #expect(try bench.text("outside/secret") == "mine")
  }

  @Test func `a work folder that is a link is refused`() async throws {
    let (bench, order) = try bench()
    try link(order.job.work, to: bench.root.appending(path: "outside"))
    let error = await #expect(throws: UnexpectedFile.self) { try await work(order, in: bench) }
    #expect(error?.url.posixPath == order.job.work.posixPath)
    try expectUntouched(bench)
  }

  @Test(arguments: ["lock", "result.json"])
  func `a file of the work that is a link is refused`(name: String) async throws {
    let (bench, order) = try bench()
    try link(order.job.work.appending(path: name), to: bench.root.appending(path: "outside/secret"))
    let error = await #expect(throws: UnexpectedFile.self) { try await work(order, in: bench) }
    #expect(error?.url.lastPathComponent == name)
    try expectUntouched(bench)
  }

  @Test(arguments: ["out", "cwd", "in", "events.jsonl"])
  func `a link where the stage writes goes, and what it leads to stays`(name: String) async throws {
    let (bench, order) = try bench()
    let target = name == "events.jsonl" ? "outside/secret" : "outside"
    try link(order.job.work.appending(path: name), to: bench.root.appending(path: target))
    #expect(try await work(order, in: bench) == .done)
    try expectUntouched(bench)
  }

  @Test func `a scratch folder that is a link is refused`() async throws {
    let (bench, order) = try bench()
    try link(order.job.work.appending(path: "scratch"), to: bench.root.appending(path: "outside"))
    await #expect(throws: UnexpectedFile.self) { try await work(order, in: bench) }
    try expectUntouched(bench)
  }

  @Test(arguments: ["make.1.log", "make.1.job.json"])
  func `a log that is a link is refused, and a job file replaces one`(name: String) async throws {
    let (bench, order) = try bench()
    let logs = bench.store.logFolder(ofRun: 1)
    try link(logs.appending(path: name), to: bench.root.appending(path: "outside/secret"))
    let executor = LocalExecutor(WorkerProgram(executable: URL(filePath: "/bin/true"), arguments: []))
    do { _ = try await executor.run(order, as: "make.1", logs: logs, timeout: nil) { _ in } } catch {
      #expect(error is UnexpectedFile || name == "make.1.job.json", "\(error)")
    }
    try expectUntouched(bench)
  }

  @Test func `a run's folder that is a link is refused`() async throws {
    let (bench, _) = try bench()
    try link(bench.store.logFolder(ofRun: 1), to: bench.root.appending(path: "outside"))
    await #expect(throws: UnexpectedFile.self) { try await bench.run() }
    try expectUntouched(bench)
  }

  @Test func `a worker gets the remote store's key on its standard input and not from a file`() async throws {
    var (bench, order) = try bench()
    let key = try RemoteKey(secret: Data("a secret of sixteen bytes".utf8), from: "test")
    order.remote = RemoteOrder(folder: bench.root, isOnly: false, isSigned: true)
    let logs = bench.store.logFolder(ofRun: 1)
    try FileOperations().makeFolder(logs)
    let given = bench.root.appending(path: "given")
    let executor = LocalExecutor(
      WorkerProgram(
        executable: URL(filePath: "/bin/bash"),
        arguments: ["-c", "env > \(given.path).env; head -c 32 > \(given.path); exit 7", "worker"]),
      remoteKey: key)
    _ = try await executor.run(order, as: "make.1", logs: logs, timeout: nil) { _ in }
    #expect(try Data(contentsOf: given) == key.derived)
    let digits = key.derived.map { String($0, radix: 16) }.joined()
    for file in ["given.env", ".retort/logs/1/make.1.job.json"] { #expect(try !bench.text(file).contains(digits)) }
  }
}
