/// `retry`: how often, and after which time.
import Foundation
import Testing

@testable import Pipelines

struct RetryTests {
  let project: Project
  init() throws { project = try Project() }

  private func stages(_ retry: String, defaults: String = "") throws -> [PlannedStage] {
    try project.plan(
      """
      version: 1
      defaults: {\(defaults)}
      stages:
        a:
          cmd: echo > ${out.x}
          out: {x: {path: x, type: text}}
          \(retry)
        b: {uses: split, in: {data: data/qa.json}}
      """
    ).stages
  }

  @Test func `a number and a mapping say how often, defaults hold for every stage, and a stage changes a part`() throws
  {
    let plain = try stages("retry: 4")
    #expect(plain.map(\.retry) == [4, 0])
    #expect(plain[0].backOff == BackOff())
    let given = try stages("retry: {delay: 500ms}", defaults: "retry: {attempts: 3, delay: 5s, max_delay: 2m}")
    #expect(given.map(\.retry) == [3, 3])
    #expect(given.map(\.backOff.delay) == [.milliseconds(500), .seconds(5)])
    #expect(given.map(\.backOff.limit) == [.seconds(120), .seconds(120)])
    let mistakes = #expect(throws: Problems.self) { try stages("retry: {attempts: -1, delay: soon, often: 1}") }
    #expect(mistakes?.all.count == 3)
  }

  @Test func `each delay is twice the one before, up to the limit`() {
    var backOff = BackOff()
    #expect((2...9).map(backOff.delay(before:)) == [1, 2, 4, 8, 16, 32, 60, 60].map { .seconds($0) })
    (backOff.delay, backOff.limit) = (.seconds(5), .seconds(12))
    #expect((2...5).map(backOff.delay(before:)) == [5, 10, 12, 12].map { .seconds($0) })
    #expect(backOff.delay(before: 100) == .seconds(12))
    (backOff.delay, backOff.limit) = (.seconds(9), .seconds(3))
    #expect(backOff.delay(before: 2) == .seconds(3))
  }

  @Test func `how a stage is retried does not enter its key`() throws {
    let keys = try ["", "retry: 3", "retry: {attempts: 2, delay: 1h}"].map {
      KeyMaterial(stage: try stages($0)[0], inputs: [:], numericsProfile: "").key
    }
    #expect(Set(keys).count == 1)
  }
}
