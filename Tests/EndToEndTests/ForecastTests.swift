/// What `retort plan` forecasts, and that it leaves no trace.
import Foundation
import Testing

/// `retort plan --json`.
private struct Plan: Decodable {
  struct Quantity: Decodable { var value: Double, least: Double?, most: Double? }
  struct Forecast: Decodable {
    var basis: String
    var samples: Int
    var seconds: Quantity
    var memory: Quantity?
    var disk: Quantity?
  }
  struct Stage: Decodable { var name: String, state: String, forecast: Forecast? }
  struct Total: Decodable { var seconds: Quantity, memory: Double?, disk: Quantity, freeDisk: Int, unknown: [String] }
  var stages: [Stage]
  var total: Total

  subscript(name: String) -> Stage? { stages.first { $0.name == name } }
}

private let training = """
  version: 1
  defaults: {seed: 7, threads: 1, memory: 500MB}
  stages:
    groups:
      uses: groups
      in: {data: data/questions.json, passages: data/book.jsonl}
    base:
      uses: init
      in: {groups: groups.groups}
      with: {hidden_size: 8, num_attention_heads: 2, num_hidden_layers: 1, intermediate_size: 16}
    candidates:
      uses: mine
      in: {groups: groups.groups}
      with: {num_negatives: 1}
    teacher:
      uses: teacher
      in: {base: base.model, train: candidates.candidates}
      with: {epochs: 2, batch_size: 8}
    after:
      cmd: ls ${in.model} > ${out.list}
      in: {model: teacher.model}
      out: {list: list.txt}

  """

@Suite struct ForecastTests {
  private func plan(_ project: Project, _ arguments: String...) async throws -> Plan {
    try await project.run(
      retortProgram, ["plan", "pipeline.yaml", "--json"] + arguments, environment: ["TMPDIR": project.root.path]
    ).decoded()
  }

  /// Every file of the store but the database, whose lock files come and go.
  private func files(_ project: Project) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: project.store.path)
      .filter { !$0.hasPrefix("retort.sqlite") }.sorted()
  }

  @Test func `a training that was never run is timed for three steps, and leaves no trace`() async throws {
    let project = try Project(training, data: smallData)
    let unknown = try await plan(project)
    #expect(unknown.stages.allSatisfy { $0.forecast == nil })
    #expect(unknown.total.unknown == unknown.stages.map(\.name) && unknown.total.freeDisk > 0)

    _ = try await project.run("base", "candidates")
    let runs = try await project.retort("runs", "--json").output
    let known = try files(project)
    let timed = try await plan(project)
    let forecast = try #require(timed["teacher"]?.forecast)
    #expect(forecast.basis == "estimated" && forecast.samples == 3)
    #expect(forecast.seconds.value > 0 && forecast.memory.map { $0.value > 1e6 } == true)
    #expect(timed.total.unknown == ["after"] && timed.total.seconds.value == forecast.seconds.value)
    #expect(try await plan(project, "--no-probe")["teacher"]?.forecast == nil)
    #expect(try files(project) == known)
    #expect(try await project.retort("runs", "--json").output == runs)
    let left = try FileManager.default.contentsOfDirectory(atPath: project.root.path)
    #expect(!left.contains { $0.hasPrefix("retort-probe") })

    _ = try await project.run()
    try project.write(
      training.replacing("epochs: 2", with: "epochs: 4").replacing("negatives: 1", with: "negatives: 2"))
    let changed = try await plan(project)
    #expect(changed["base"]?.state == "cached" && changed["base"]?.forecast == nil)
    #expect(changed["teacher"]?.state == "may run" && changed["after"]?.forecast?.basis == "history")
    let teacher = try #require(changed["teacher"]?.forecast)
    #expect(teacher.basis == "history" && teacher.samples == 1)
    #expect(teacher.disk.map { $0.value > 0 } == true && teacher.memory.map { $0.value > 1e6 } == true)
    #expect(changed.total.unknown == [])

    // What waits for candidates of half the queries is half of what waits for all of them.
    func waiting(_ samples: Int) async throws -> Double? {
      try project.write(training.replacing("negatives: 1}", with: "negatives: 1, max_samples: \(samples)}"))
      return try await plan(project)["teacher"]?.forecast?.seconds.value
    }
    let (one, two) = (try #require(try await waiting(1)), try #require(try await waiting(2)))
    #expect(abs(two - 2 * one) < 1e-9 * two)
  }

  @Test func `a training that cannot begin says why, and the plan goes on`() async throws {
    let project = try Project(training, data: smallData)
    _ = try await project.run("base", "candidates")
    try project.write(training.replacing("memory: 500MB", with: "memory: 1kB"))
    let ended = try await project.retort("plan", "pipeline.yaml")
    #expect(ended.code == 0 && ended.errors.contains("`teacher` does not come to its first steps"))
    #expect(ended.errors.contains("Raise `memory`") && ended.output.contains("without `teacher`"))
  }
}
