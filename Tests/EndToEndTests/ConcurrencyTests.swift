/// Several runs at once, and commands that read meanwhile.
import Foundation
import Testing

@Suite struct ConcurrencyTests {
  /// Two stages, of which the first ends when another run has said that it waits for it.
  private let pipeline = """
    version: 1
    stages:
      slow:
        cmd: |
          echo $PPID >> $HOME/executions
          until grep -qs 'waits for process' $HOME/.*.output; do sleep 0.05; done
          echo one > ${out.text}
        out: {text: {path: text.txt, type: text}}
        timeout: 120s
      next:
        cmd: cat ${in.text} > ${out.text}
        in: {text: slow.text}
        out: {text: {path: text.txt, type: text}}
        publish: kept/text.txt

    """

  @Test func `four runs from an empty store execute each stage once, all end well, and who waits says for whom`()
    async throws
  {
    let project = try Project(pipeline)
    let ended = try await withThrowingTaskGroup(of: Ended.self) { group in
      for _ in 0..<4 { group.addTask { try await project.retort("run", "pipeline.yaml") } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(ended.map(\.code) == [0, 0, 0, 0], "\(ended)")
    #expect(try project.read("executions").split(separator: "\n").count == 1)
    #expect(
      ended.contains {
        $0.output.contains("[slow] waits for process ") && $0.output.contains("which runs stage `slow`")
      })
    struct Line: Decodable { var state: String, stages: [String: Int] }
    let runs = try await project.retort("runs", "--all", "--json").decoded([Line].self)
    #expect(runs.map(\.state) == Array(repeating: "done", count: 4))
    #expect(runs.reduce(0) { $0 + ($1.stages["ran"] ?? 0) } == 2)
    #expect(try project.read("kept/text.txt") == "one\n")
  }

  @Test func `a run that may not wait so long ends with 4`() async throws {
    let project = try Project(
      pipeline.replacing(
        "until grep -qs 'waits for process' $HOME/.*.output", with: "touch $HOME/begun; until [ -e $HOME/go ]"))
    async let first = project.retort("run", "pipeline.yaml")
    while !FileManager.default.fileExists(atPath: project.root.appending(path: "begun").path) {
      try await Task.sleep(for: .milliseconds(20))
    }
    let second = try await project.retort("run", "pipeline.yaml", "--lock-timeout", "0")
    #expect(second.code == 4 && second.output.contains("waited too long for process"), "\(second)")
    // Reading does not wait either.
    #expect(try await project.retort("status", "pipeline.yaml").code == 0)
    #expect(try await project.retort("runs", "--all", "--json").output.contains("running"))
    try project.write("", to: "go")
    #expect(try await first.code == 0)
  }

  @Test func `commands that read make no store and change nothing in one`() async throws {
    let project = try Project(pipeline)
    try FileManager.default.removeItem(at: project.store)
    for command in [["plan"], ["status"], ["why"], ["run", "-n"], ["validate"]] {
      let arguments = command + ["pipeline.yaml"] + (command == ["why"] ? ["slow"] : [])
      let ended = try await project.run(retortProgram, arguments)
      #expect(ended.code == 0, "\(arguments): \(ended.errors)")
      #expect(!FileManager.default.fileExists(atPath: project.store.path), "\(arguments)")
    }
  }

  @Test func `a failed run names each failed stage, what was skipped for which, and the command for more`() async throws
  {
    let project = try Project(
      """
      version: 1
      stages:
        bad:
          cmd: echo no luck >&2; exit 9; echo > ${out.text}
          out: {text: {path: text.txt, type: text}}
          retry: {attempts: 1, delay: 10ms}
        after:
          cmd: cat ${in.text} > ${out.text}
          in: {text: bad.text}
          out: {text: {path: text.txt, type: text}}
        good:
          cmd: echo fine > ${out.text}
          out: {text: {path: text.txt, type: text}}

      """)
    let ended = try await project.retort("run", "pipeline.yaml", "-k")
    #expect(ended.code == 1)
    for line in [
      "failed: bad: failed with exit code 9: error: the command ended with exit code 9; more: retort show 1 bad\n",
      "skipped: after: `bad` failed\n", "1 ran, 0 cached, 1 failed, 1 skipped",
    ] {
      #expect(ended.output.contains(line), "\(line) is not in \(ended.output)")
    }
    let show = try await project.retort("show", "1", "bad")
    #expect(show.output.contains("2 attempts"))
    #expect(show.output.components(separatedBy: "\nfailed, ").count == 3)
    #expect(show.output.contains("no luck") && show.output.contains("logs/1/bad.2.log"))
    #expect(try await project.retort("show", "1", "good").output.contains("logs/1/good.1.log"))
  }
}
