/// What `watch` shows fits a terminal.
import Escaping
import Foundation
import Testing

@testable import Reports
@testable import retort

@Suite struct RunSnapshotTests {
  private func snapshot(_ name: String, state: String = "running") -> RunSnapshot {
    var stage = RunSnapshot.Stage(name: name, kind: "distill", state: "running", attempt: 3, seconds: 45_296)
    (stage.done, stage.total, stage.rate, stage.secondsLeft) = (123_456, 1_234_567, 123.4, 9004)
    (stage.memory, stage.detail) = (12_345_678_901, "")
    stage.series = [.init("loss", (0..<100).map { Double($0) }), .init("validation_ndcg@10", [0.1, 0.2])]
    var failed = RunSnapshot.Stage(name: "teacher", kind: "teacher", state: "failed", attempt: 1)
    failed.error = String(repeating: "a word or another ", count: 20)
    var snapshot = RunSnapshot(
      run: 1234, pipeline: "a-pipeline-with-a-name", file: "/project/pipelines/p.yaml", state: state, pid: 1234567,
      host: "a-machine.with.a.long.name", started: Date(timeIntervalSince1970: 0), seconds: 45_296, planned: 12,
      stages: [stage, failed])
    (snapshot.secondsLeft, snapshot.unknown) = (12_345, 2)
    return snapshot
  }

  @Test(arguments: ["student", "student[tau=0.05,K=16,stages.student.with.seed=3]", "학생[tau=0.05]"])
  func `no line is wider than 80 columns, and nothing is left out`(name: String) {
    for state in ["running", "died", "failed", "interrupted"] {
      let lines = snapshot(name, state: state).lines(columns: 80).map { $0.rendered(columns: nil, colour: false) }
      #expect(lines.allSatisfy { $0.terminalColumns < 80 }, "\(lines)")
      let text = lines.joined(separator: " ")
      #expect(text.contains(name) && text.contains("ETA at least 3 h 25 min"))
      guard state == "running" else { continue }
      for word in ["123456/1234567", "123/s", "ETA 2 h 30 min", "12.3 GB", "attempt 3", "elapsed 12 h 34 min"] {
        #expect(text.contains(word), "\(word) \(text)")
      }
    }
  }

  @Test func `a wide terminal has a stage in one line`() {
    let lines = snapshot("student").lines(columns: 200).map { $0.rendered(columns: nil, colour: false) }
    #expect(
      lines[1].hasPrefix("▶ student") && lines[1].contains("9 %  123456/1234567  123/s  ETA 2 h 30 min  12.3 GB"))
  }
}
