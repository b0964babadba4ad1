/// An experiment as the program runs it: what variants share is done once, and the comparison stands at the end.
import Foundation
import TestSupport
import Testing

@Suite struct ExperimentRunTests {
  private let pipeline = """
    version: 1
    params: {x: 0}
    stages:
      shared: {cmd: "echo s > ${out.o}", out: {o: o}}
      measured:
        cmd: |
          cat ${in.i} > ${out.o}
          echo '{"value": ${params.x}}' > m.json
        in: {i: shared.o}
        out: {o: o}
        metrics: m.json
    """
  private let experiment = """
    pipeline: pipeline.yaml
    matrix: {params.x: [1, 3, 2]}
    compare: {metrics: [measured.value], sort: -measured.value}
    """

  @Test func `variants share what they have in common and are compared, best first`() async throws {
    let project = try Project(pipeline)
    try project.write(experiment, to: "x.yaml")
    let first = try await project.retort("run", "x.yaml")
    #expect(first.code == 0 && first.output.contains("done: 4 ran, 0 cached"), "\(first)")
    let rows = first.output.split(separator: "\n").compactMap { $0.wholeMatch(of: /1\[x=(\d)\] .*/)?.output.1 }
    #expect(rows.map(String.init) == ["3", "2", "1"], "\(first.output)")

    let second = try await project.retort("run", "x.yaml")
    #expect(second.output.contains("done: 0 ran, 4 cached"), "\(second)")
    #expect(second.output.contains("2[x=3]"))
    // What an experiment has made the pipeline itself finds too.
    let alone = try await project.retort("run", "pipeline.yaml", "--set", "params.x=2")
    #expect(alone.output.contains("done: 0 ran, 2 cached"), "\(alone)")
  }

  @Test func `only and from run nothing else`() async throws {
    let project = try Project(pipeline)
    let missing = try await project.retort("run", "pipeline.yaml", "--only", "measured")
    #expect(missing.code == 1 && missing.output.contains("the result of stage `shared` is not known"), "\(missing)")
    #expect(try await project.run("--until", "shared") == ["shared"])
    #expect(try await project.run("--from", "measured") == ["measured"])
    #expect(try await project.run("--only", "measured", "--set", "params.x=5") == ["measured"])
  }
}
