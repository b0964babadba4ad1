/// Memory, time and the processes of a stage: what is allowed, what is ended, and what is said of it.
import Foundation
import Testing

@Suite struct ResourceTests {
  private func pipeline(_ command: String, _ more: String = "") -> String {
    """
    version: 1
    stages:
      greedy:
        cmd: |
          \(command.replacing("\n", with: "\n      "))
          echo done > ${out.text}
        out: {text: {path: text.txt, type: text}}
        \(more)

    """
  }
  /// Holds the megabytes that its argument says, until somebody ends it.
  private func hold(_ megabytes: Int) -> String {
    "python3 -c 'import time; x = bytearray(\(megabytes) << 20); time.sleep(100)'"
  }
  private func lives(_ project: Project, _ file: String) throws -> Bool {
    let pid = try project.read(file).trimmingCharacters(in: .whitespacesAndNewlines)
    let stat = FileManager.default.contents(atPath: "/proc/\(pid)/stat").map { String(decoding: $0, as: UTF8.self) }
    return stat.map { !$0.contains(") Z ") } ?? false
  }

  @Test func `a stage that uses more memory than it may is ended, told why, and not tried again`() async throws {
    let project = try Project(pipeline("echo before\n" + hold(400), "memory: 200MB\n    retry: 3"))
    let ended = try await project.retort("run", "pipeline.yaml")
    #expect(ended.code == 1, "\(ended)")
    #expect(ended.output.contains("[greedy] failed: used "), "\(ended)")
    #expect(ended.output.contains("of memory, and its `memory: 200MB` allows no more; raise `memory` in the stage"))
    #expect(!ended.output.contains("attempt 2"))
    let show = try await project.retort("show", "latest", "greedy")
    #expect(show.output.contains("`memory: 200MB` allows no more") && show.output.contains("  before\n"))
  }

  @Test func `memory is counted over everything that a command starts, in whatever session`() async throws {
    let command = "setsid \(hold(150)) & \(hold(150)) & wait"
    let project = try Project(pipeline(command, "memory: 250MB"))
    let ended = try await project.retort("run", "pipeline.yaml")
    #expect(ended.code == 1 && ended.output.contains("`memory: 250MB` allows no more"), "\(ended)")
  }

  @Test func `a timeout ends all that a command started, and the next run need not wait for it`() async throws {
    let command = """
      [ -e $HOME/again ] && { echo done > ${out.text}; exit 0; }
      touch $HOME/again
      setsid bash -c 'echo $$ > $HOME/daemon; exec sleep 1000' > /dev/null 2>&1 &
      sleep 1000 & echo $! > $HOME/child
      wait
      """
    let project = try Project(pipeline(command, "timeout: 3s500ms"))
    let ended = try await project.retort("run", "pipeline.yaml")
    #expect(ended.code == 1 && ended.output.contains("ran longer than its timeout of 3"), "\(ended)")
    #expect(try !lives(project, "daemon") && !lives(project, "child"))
    #expect(try await project.run() == ["greedy"])
  }

  /// The states of stages in the order in which they came, of a run of three that ask for 300 MB each.
  private func states(memory: String) async throws -> [String] {
    struct Line: Decodable { var event: String, state: String? }
    let stage = """
          cmd: echo NAME > ${out.text}
          out: {text: {path: text.txt, type: text}}
          threads: 1
          memory: 300MB

      """
    let project = try Project(
      "version: 1\nstages:\n" + ["a", "b", "c"].map { "  \($0):\n" + stage.replacing("NAME", with: $0) }.joined())
    let ended = try await project.retort(
      "run", "pipeline.yaml", "--json", "-j", "3", "--threads", "4", "--memory", memory)
    try #require(ended.code == 0, "\(ended)")
    return try ended.output.split(separator: "\n").map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
      .filter { $0.event == "stage" }.compactMap(\.state)
  }

  @Test func `stages run together only within --memory`() async throws {
    #expect(try await states(memory: "500MB") == ["running", "ran", "running", "ran", "running", "ran"])
    #expect(try await states(memory: "1GB").prefix(3) == ["running", "running", "running"])
    let wrong = try await Project(pipeline("true")).retort("run", "pipeline.yaml", "--memory", "lots")
    #expect(wrong.code == 2 && wrong.errors.contains("--memory takes a size such as 6GB"))
  }
}
