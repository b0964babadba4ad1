/// What the program prints where its output is a terminal.
import Foundation
import Testing

@Suite struct TerminalTests {
  /// What `retort run` prints on a terminal of that kind; little enough for the terminal to hold.
  private func printed(term: String) throws -> String {
    let groups = (0..<4).map {
      #"{"id":"q\#($0)","query":"query \#($0)","positives":[{"id":"p\#($0)","text":"text \#($0)"}],"negatives":[]}"#
    }
    let project = try Project(
      "version: 1\nstages: {mined: {uses: mine, in: {groups: groups.jsonl}, with: {num_negatives: 2}}}\n",
      data: ["groups.jsonl": groups.joined(separator: "\n") + "\n"])
    let master = posix_openpt(O_RDWR | O_NOCTTY)
    defer { close(master) }
    try #require(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0)
    let slave = try #require(ptsname(master).map { open($0, O_RDWR | O_NOCTTY) })
    let process = Process()
    process.executableURL = retortProgram
    process.arguments = ["run", "pipeline.yaml"]
    process.currentDirectoryURL = project.root
    process.environment = ProcessInfo.processInfo.environment.filter { $0.key != "RETORT_STORE" }
      .merging(["HOME": project.root.path, "TERM": term]) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(fileDescriptor: slave, closeOnDealloc: true)
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    try #require(fcntl(master, F_SETFL, O_NONBLOCK) == 0)
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    var text: [UInt8] = []
    while case let count = read(master, &bytes, bytes.count), count > 0 { text += bytes[..<count] }
    return String(decoding: text, as: UTF8.self)
  }

  @Test(arguments: [("xterm", true), ("dumb", false)])
  func `the cursor moves only where the terminal can`(term: String, moves: Bool) throws {
    let text = try printed(term: term)
    #expect(text.contains("[mined] done in") && text.contains("\u{1B}[") == moves, "\(text)")
  }
}
