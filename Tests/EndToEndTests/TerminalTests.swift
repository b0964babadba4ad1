/// What the program prints where its output is a terminal.
import Foundation
import Testing

@Suite struct TerminalTests {
  @Test(arguments: [("xterm", true), ("dumb", false)])
  func `the cursor moves only where the terminal can`(term: String, moves: Bool) async throws {
    let groups = (0..<4).map {
      #"{"id":"q\#($0)","query":"query \#($0)","positives":[{"id":"p\#($0)","text":"text \#($0)"}],"negatives":[]}"#
    }
    let project = try Project(
      "version: 1\nstages: {mined: {uses: mine, in: {groups: groups.jsonl}, with: {num_negatives: 2}}}\n",
      data: ["groups.jsonl": groups.joined(separator: "\n") + "\n"])
    let ended = try await project.run(
      URL(filePath: "/usr/bin/env"),
      [
        "python3", "-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)", retortProgram.path, "run",
        "pipeline.yaml",
      ],
      environment: ["TERM": term])
    #expect(ended.code == 0 && ended.output.contains("[mined] done in"), "\(ended)")
    #expect(ended.output.contains("\u{1B}[") == moves, "\(ended)")
  }
}
