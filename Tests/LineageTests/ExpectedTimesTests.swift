/// What the stages of a run that goes on are expected to take.
import Foundation
@testable import Lineage
import Testing

@Suite struct ExpectedTimesTests {
  @Test func `stages take what they took in the latest run of as many, cached ones what their makers took`() throws {
    let history = try History()
    func stages(_ seconds: Double, _ input: String) -> [History.Stage] {
      [
        History.Stage(base: "data", outputs: ["out": "data"], seconds: 7),
        History.Stage(base: "train", inputs: ["in": "/d/\(input)"], outputs: ["out": nil], seconds: seconds),
      ]
    }
    try history.run(stages(10, "a"))
    let second = try history.run(stages(20, "b"))
    try history.run([stages(30, "c")[1]])
    let last = try history.run(stages(40, "d"))
    #expect(try history.journal.expectedSeconds(ofRun: last) == ["data": 7, "train": 20])
    #expect(try history.journal.expectedSeconds(ofRun: second) == ["data": 7, "train": 10])
    #expect(try history.journal.expectedSeconds(ofRun: 1) == [:])
    try history.run(stages(50, "e"), pipeline: "other")
    #expect(try history.journal.expectedSeconds(ofRun: 5) == [:])
  }
}
