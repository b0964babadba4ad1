/// What a worker does with an order, in this process.
import Artifacts
import Foundation
import Pipelines
@testable import Scheduling
import Testing

@Suite struct WorkerTests {
  private func work(_ order: WorkOrder, in bench: Bench) async throws -> (exit: WorkerExit, printed: String) {
    let file = try bench.scratch.write("", to: "printed")
    let exit = try await Worker(
      order, catalog: StageCatalog([]), numericsProfile: Bench.context.numericsProfile,
      environment: ["PATH": "/usr/bin:/bin", "HOME": "/home", "TOKEN": "s3cret", "OTHER": "x"],
      output: FileHandle(forWritingTo: file)
    ).run()
    return (exit, try String(contentsOf: file, encoding: .utf8))
  }

  @Test func `a command sees what is declared and nothing else`() async throws {
    var bench = try Bench()
    bench.add("env", "env | cut -d= -f1 | sort | tr '\\n' ' ' >out", secrets: ["TOKEN"])
    let order = try bench.order("env")
    #expect(try await work(order, in: bench).exit == .done)
    let result = try #require(try WorkFolder(order.job.work).readResult())
    let names = try String(contentsOf: bench.store.url(of: try #require(result.outputs["out"])), encoding: .utf8)
    // `_`, PWD and SHLVL are bash's own.
    #expect(names.split(separator: " ") == ["HOME", "LANG", "PATH", "PWD", "SHLVL", "TMPDIR", "TOKEN", "_"])
  }

  @Test func `an order says which precision auto is on the machine that wrote it`() throws {
    var bench = try Bench()
    bench.add("some", "touch >out")
    bench.stages[0].compute.precision = "auto"
    #expect(try bench.order("some").job.compute.precision == "bf16")
  }

  @Test func `secrets are masked and not in the order`() async throws {
    var bench = try Bench()
    bench.add("print", "echo $TOKEN; echo $TOKEN 1>&2; touch out", secrets: ["TOKEN"])
    let order = try bench.order("print")
    #expect(try await work(order, in: bench).printed == "***\n***\n")
    #expect(!String(decoding: try JSONEncoder().encode(order), as: UTF8.self).contains("s3cret"))
  }

  @Test func `a command longer than an argument may be reaches bash`() async throws {
    var bench = try Bench()
    bench.add("long", "set -- \(String(repeating: "word ", count: 60_000)); echo $# >out")
    let order = try bench.order("long")
    #expect(try await work(order, in: bench).exit == .done)
    let result = try #require(try WorkFolder(order.job.work).readResult())
    #expect(try String(contentsOf: bench.store.url(of: #require(result.outputs["out"])), encoding: .utf8) == "60000\n")
  }

  @Test func `a secret in the names of metrics is masked`() async throws {
    var bench = try Bench()
    bench.add("measure", "echo '{\"x-'$TOKEN'\": 1}' > m.json; touch out", secrets: ["TOKEN"], metrics: "m.json")
    let order = try bench.order("measure")
    _ = try await work(order, in: bench)
    #expect(try WorkFolder(order.job.work).readEvents() == [.metric("x-***", 1, step: nil)])
  }

  @Test func `a secret too short to be masked is warned of, and one named twice is one`() async throws {
    var bench = try Bench()
    bench.add("print", "echo $OTHER; touch out", secrets: ["OTHER", "OTHER", "TOKEN"])
    let printed = try await work(bench.order("print"), in: bench).printed
    #expect(printed.contains("warning: the secret OTHER has fewer than 4 bytes: it is not masked in this log\n"))
    #expect(!printed.contains("secret TOKEN") && printed.hasSuffix("x\n"))
  }

  @Test func `metrics of a command become events`() async throws {
    var bench = try Bench()
    bench.add("measure", "echo '{\"b\":2,\"a\":0.5}' > m.json; touch out", metrics: "m.json")
    let order = try bench.order("measure")
    _ = try await work(order, in: bench)
    #expect(
      try WorkFolder(order.job.work).readEvents() == [.metric("a", 0.5, step: nil), .metric("b", 2, step: nil)])
  }

  @Test func `an output that was not written fails the stage and leaves no result`() async throws {
    var bench = try Bench()
    bench.add("lazy", "true")
    let order = try bench.order("lazy")
    let error = await #expect(throws: (any Error).self) { try await work(order, in: bench) }
    #expect("\(try #require(error))" == "the stage ended without writing its output `out` (out)")
    #expect(try WorkFolder(order.job.work).readResult() == nil)
  }

  @Test func `a pipe that fails in the middle fails the command`() async throws {
    var bench = try Bench()
    bench.add("pipe", "false | cat >out")
    let order = try bench.order("pipe")
    await #expect(throws: (any Error).self) { try await work(order, in: bench) }
  }

  @Test func `a complete result is adopted unless the order forces`() async throws {
    var bench = try Bench()
    bench.add("count", "echo x >> \(bench.root.path)/count; touch out")
    let order = try bench.order("count")
    #expect(try await work(order, in: bench).exit == .done)
    #expect(try await work(order, in: bench).exit == .adopted)
    #expect(try bench.text("count") == "x\n")
    #expect(try await work(bench.order("count", force: true), in: bench).exit == .done)
    #expect(try bench.text("count") == "x\nx\n")
  }

  @Test func `a result whose output is gone is not adopted`() async throws {
    var bench = try Bench()
    bench.add("make", "echo 1 >out")
    let order = try bench.order("make")
    _ = try await work(order, in: bench)
    let artifact = try #require(try WorkFolder(order.job.work).readResult()?.outputs["out"])
    try FileOperations().remove(bench.store.url(of: artifact))
    #expect(try await work(order, in: bench).exit == .done)
    #expect(try bench.store.damage(of: artifact, owner: "test") == nil)
  }

  @Test
  func `a worker of other numerics than the key's computes nothing, names both, and takes a result that is there`()
    async throws
  {
    var bench = try Bench()
    bench.add("make", "echo 1 >out")
    var order = try bench.order("make")
    order.numerics = "engine 4, fp32, avx2"
    let error = await #expect(throws: OtherNumerics.self) { try await work(order, in: bench) }
    #expect(
      error?.description.contains("planned for `engine 4, fp32, avx2`, and this worker computes with `fp32`") == true)
    #expect(FileStatus.of(order.job.work.appending(path: "cwd")) == nil)
    order.numerics = "fp32"
    #expect(try await work(order, in: bench).exit == .done)
    order.numerics = "engine 4, fp32, avx2"
    #expect(try await work(order, in: bench).exit == .adopted)
  }

  @Test func `an output is moved into the store, unless it is a part of another or a link leads to it`() async throws {
    var bench = try Bench()
    bench.add("apart", "echo 1 > a; echo 2 > b; stat -c %i a b > \(bench.root.path)/inodes", outputs: ["a", "b"])
    bench.add("linked", "echo 3 > a; ln -s a b; stat -c %i a b > \(bench.root.path)/inodes", outputs: ["a", "b"])
    for name in ["apart", "linked"] {
      let order = try bench.order(name)
      #expect(try await work(order, in: bench).exit == .done)
      let outputs = try #require(try WorkFolder(order.job.work).readResult()).outputs
      let kept = try ["a", "b"].map { port in
        let artifact = try #require(outputs[port])
        return try #require(FileStatus.of(bench.store.url(of: artifact))).stamp.inode
      }
      #expect((try bench.text("inodes") == "\(kept[0])\n\(kept[1])\n") == (name == "apart"), "\(name)")
    }
    bench.add("nested", "echo 4 > d/run; chmod +x d/run", outputs: ["d", "run"])
    bench.stages[2].command?.outputs["run"] = "d/run"
    let order = try bench.order("nested")
    #expect(try await work(order, in: bench).exit == .done)
    let folder = try #require(try WorkFolder(order.job.work).readResult()?.outputs["d"])
    #expect(try FolderScan.entries(of: bench.store.url(of: folder)).map(\.isExecutable) == [true])
  }

  @Test func `a source that changes meanwhile is named and nothing is kept`() async throws {
    var bench = try Bench()
    let source = try bench.scratch.write("old", to: "data.txt")
    bench.add("read", "cat <in >out ; printf new > \(source.path)", inputs: ["in": "data.txt"])
    let order = try bench.order("read")
    let error = await #expect(throws: SourceChanged.self) { try await work(order, in: bench) }
    #expect(error?.url == source)
    #expect(try WorkFolder(order.job.work).readResult() == nil)
  }

  @Test func `what failed leaves nothing for the next attempt to trip over`() async throws {
    var bench = try Bench()
    bench.add("twice", "test ! -e left; touch left; test -e \(bench.root.path)/again && touch out")
    let order = try bench.order("twice")
    await #expect(throws: (any Error).self) { try await work(order, in: bench) }
    try bench.scratch.write("", to: "again")
    #expect(try await work(order, in: bench).exit == .done)
  }
}
