/// Runs that are followed from elsewhere, go on in the background, and tell others how they ended.
import Foundation
import Testing

@Suite struct WatchTests {
  /// `retort watch --json`.
  private struct Snapshot: Decodable {
    struct Stage: Decodable {
      struct Series: Decodable { var name: String, last: Double?, values: [Double?] }
      var name: String
      var state: String
      var done: Int?
      var total: Int?
      var rate: Double?
      var secondsLeft: Double?
      var memory: Int?
      var series: [Series]
    }
    var run: Int
    var state: String
    var planned: Int?
    var seconds: Double?
    var stages: [Stage]
  }

  /// A stage that looks at itself after it has reported as a training does, and `more`.
  private func pipeline(_ more: String = "") -> String {
    let events =
      (1...8).map { #"{"metric":{"_0":"loss","_1":\#($0),"step":\#($0)}}"# }
      + [#"{"metric":{"_0":"validation_ap","_1":0.5,"step":8}}"#, #"{"progress":{"done":8,"total":16,"detail":""}}"#]
    return """
      version: 1
      name: watched
      stages:
        first: {cmd: "echo one > ${out.text}", out: {text: {path: text.txt, type: text}}}
        second:
          cmd: |
            printf '%s\\n' '\(events.joined(separator: "' '"))' >> ../events.jsonl
            \(retortProgram.path) watch --json --store $HOME/.retort > $HOME/snapshot.json
            \(retortProgram.path) watch --store $HOME/.retort > $HOME/snapshot.txt
            \(more)
            cat ${in.text} > ${out.text}
          in: {text: first.text}
          out: {text: {path: text.txt, type: text}}
        third: {cmd: "cat ${in.text} > ${out.text}", in: {text: second.text}, out: {text: {path: t, type: text}}}

      """
  }

  @Test func `watch shows states, progress, metrics, rate and memory of a run that goes on`() async throws {
    let project = try Project(pipeline())
    #expect(try await project.run().count == 3)
    let snapshot = try JSONDecoder().decode(Snapshot.self, from: Data(project.read("snapshot.json").utf8))
    #expect(snapshot.run == 1 && snapshot.state == "running" && snapshot.planned == 3)
    #expect(snapshot.stages.map(\.name) == ["first", "second"])
    #expect(snapshot.stages.map(\.state) == ["ran", "running"])
    let second = snapshot.stages[1]
    #expect(second.done == 8 && second.total == 16)
    #expect(second.series.map(\.name) == ["loss", "validation_ap"])
    #expect(second.series[0].values == [1, 2, 3, 4, 5, 6, 7, 8] && second.series[0].last == 8)
    let (rate, left) = (try #require(second.rate), try #require(second.secondsLeft))
    #expect(abs(rate * left - 8) < 1e-6)
    // The worker is this program, and a shell beside it.
    #expect(try #require(second.memory) > 1_000_000)

    let text = try project.read("snapshot.txt")
    #expect(text.contains("run 1 of watched: running, 1 of 3 stages done (1 ran)"))
    #expect(text.contains("▶ second  ██████████░░░░░░░░░░  50 %  8/16"))
    #expect(text.contains("loss 8 ▁▂▃▄▅▆▇█\n") && text.contains("validation_ap 0.5000 ▁\n"))
    #expect(!text.contains("\u{1B}"))
    let after = try await project.retort("watch", "--once")
    #expect(after.code == 0 && after.output.contains("run 1 of watched: done, 3 of 3 stages done (3 ran)"))
  }

  @Test func `watch says that a run's process is gone, and how to go on`() async throws {
    let coordinator = "$(cut -d' ' -f4 /proc/$PPID/stat)"
    let project = try Project(
      pipeline("[ -e $HOME/again ] || { touch $HOME/again; kill -9 \(coordinator); sleep 100; }"))
    #expect(try await project.retort("run", "pipeline.yaml").code == 128 + SIGKILL)
    let snapshot = try await project.retort("watch", "--json").decoded(Snapshot.self)
    #expect(snapshot.state == "died" && snapshot.seconds == nil)
    let text = try await project.retort("watch").output
    #expect(text.contains("Nobody runs it any more") && text.contains("continues."))
    #expect(try await project.run() == ["second", "third"])
    #expect(try await project.retort("watch", "1").output.contains("run 1 of watched: interrupted"))
    #expect(try await project.retort("watch", "7").code == 2)
  }

  @Test func `a detached run tells its number and its log, and goes on alone`() async throws {
    struct Started: Decodable { var run: Int, pid: Int32, log: String }
    let project = try Project(pipeline("cat $HOME/gate > $HOME/opened"))
    // Whoever opens a pipe for writing waits for the reader: so the run goes on when this one has been told of it.
    #expect(mkfifo(project.root.appending(path: "gate").path, 0o600) == 0)
    let started = try await project.retort("run", "pipeline.yaml", "--detach", "--json").decoded(Started.self)
    #expect(started.run == 1 && getsid(started.pid) == started.pid)
    let end = try await project.run(URL(filePath: "/bin/bash"), ["-c", "echo go > gate"])
    #expect(end.code == 0)
    // Its lock is free when it has ended.
    _ = try await project.run(URL(filePath: "/usr/bin/flock"), [".retort/logs/1/lock", "true"])
    let run = try await project.retort("show", "latest", "--json").decoded(Run.self)
    #expect(run.state == "done" && run.stages.count == 3)
    #expect(try String(contentsOf: URL(filePath: started.log), encoding: .utf8).contains("\"event\":\"began\""))
  }

  @Test func `what is wrong before a detached run begins is told at once`() async throws {
    let project = try Project(pipeline().replacing("in: {text: first.text}", with: "in: {text: first.nothing}"))
    let wrong = try await project.retort("run", "pipeline.yaml", "--detach")
    #expect(wrong.code == 2 && wrong.errors.contains("pipeline.yaml:") && wrong.errors.contains("nothing"))
    #expect(try await project.retort("run", "none.yaml", "--detach").code == 2)
    try project.write(pipeline())
    let late = try await project.retort("run", "pipeline.yaml", "--detach", "--openlineage", "none/events.jsonl")
    #expect(late.code == 2 && late.errors.contains("none/events.jsonl"))
    #expect(try await project.retort("run", "pipeline.yaml", "--detach", "-n").code == 2)
  }

  @Test func `the command of --notify learns how the run ended, and its failure changes nothing`() async throws {
    let project = try Project(pipeline())
    let command =
      "echo $RETORT_RUN $RETORT_OUTCOME $RETORT_PIPELINE $RETORT_RAN $RETORT_CACHED $RETORT_FAILED >> told; exit 3"
    let first = try await project.retort("run", "pipeline.yaml", "--notify", command)
    #expect(first.code == 0 && first.errors.contains("warning: the command of --notify ended with exit code 3"))
    try project.write(pipeline("exit 1"))
    #expect(try await project.retort("run", "pipeline.yaml", "--notify", command).code == 1)
    #expect(try project.read("told") == "1 done watched 3 0 0\n2 failed watched 0 1 1\n")
  }

  @Test func `events of a run are appended to a file`() async throws {
    let project = try Project(pipeline())
    for _ in 0..<2 {
      let ended = try await project.retort("run", "pipeline.yaml", "--openlineage", "events.jsonl")
      #expect(ended.code == 0 && ended.errors.isEmpty)
    }
    struct Event: Decodable { var eventType: String }
    let events = try project.read("events.jsonl").split(separator: "\n").map {
      try JSONDecoder().decode(Event.self, from: Data($0.utf8)).eventType
    }
    #expect(events.count == 16 && events.count { $0 == "COMPLETE" } == 8)
  }
}
