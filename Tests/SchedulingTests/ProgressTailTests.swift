/// What is read of a stage's event file while that grows.
import Artifacts
import Foundation
import Pipelines
@testable import Scheduling
import TestSupport
import Testing

@Suite struct ProgressTailTests {
  private let scratch: ScratchFolder
  private let work: WorkFolder

  init() throws {
    scratch = try ScratchFolder()
    work = WorkFolder(scratch.url)
  }

  @Test func `metrics by step and progress are read as they come, and a line that is not complete later`() throws {
    var tail = ProgressTail(work)
    try tail.read()
    #expect(tail.progress == nil)
    try scratch.append(
      [
        .metric("loss", 2, step: 1), .log("a"), .metric("final", 9, step: nil),
        .progress(done: 1, total: 4, detail: "x"),
      ])
    try tail.read()
    #expect(tail.progress?.done == 1 && tail.progress?.total == 4 && tail.progress?.detail == "x")
    try scratch.append([.metric("loss", 1, step: 2), .metric("validation_ap", 0.5, step: 2)], missing: 3)
    try tail.read()
    #expect(tail.series.map(\.name) == ["loss"] && tail.series[0].values == [2, 1])
    try scratch.append(text: "}}\n")
    try tail.read()
    #expect(tail.series.map(\.name) == ["loss", "validation_ap"] && tail.series[1].values == [0.5])
  }

  @Test func `what an earlier attempt had done is where a resumed one began`() throws {
    var tail = ProgressTail(work)
    try scratch.append([.progress(done: 1, total: 9, detail: ""), .progress(done: 5, total: 9, detail: "")])
    let earlier = Int(try #require(FileStatus.of(work.events)?.stamp.size))
    try tail.read(earlier: 0)
    #expect(tail.begun == 0 && tail.progress?.done == 5)
    try scratch.append([.progress(done: 6, total: 9, detail: "")])
    try tail.read(earlier: earlier)
    #expect(tail.begun == 5 && tail.progress?.done == 6)
    try scratch.append([.progress(done: 7, total: 9, detail: "")])
    try tail.read(earlier: earlier)
    #expect(tail.begun == 5 && tail.progress?.done == 7)
    try tail.read(earlier: 0)
    #expect(tail.begun == 0 && tail.progress?.done == 7)
  }

  @Test func `a file that is cut back or begun anew is read from its beginning`() throws {
    var tail = ProgressTail(work)
    try scratch.append([.metric("loss", 3, step: 1), .metric("loss", 2, step: 2)])
    try tail.read()
    let half = try #require(FileStatus.of(work.events)?.stamp.size) / 2
    #expect(truncate(work.events.posixPath, Int(half)) == 0)
    try tail.read()
    #expect(tail.series.map(\.values) == [[3]])
    try FileOperations().remove(work.events)
    try scratch.append([.metric("loss", 7, step: 1), .metric("loss", 6, step: 2), .metric("loss", 5, step: 3)])
    try tail.read()
    #expect(tail.series.map(\.values) == [[7, 6, 5]])
  }
}

extension ScratchFolder {
  /// - Parameter missing: bytes at the end that are not written yet.
  fileprivate func append(_ events: [StageEvent], missing: Int = 0) throws {
    let lines = try events.map { String(decoding: try storedJSON($0), as: UTF8.self) + "\n" }.joined()
    try append(text: String(decoding: lines.utf8.dropLast(missing), as: UTF8.self))
  }

  fileprivate func append(text: String) throws {
    let file = url.appending(path: "events.jsonl")
    if FileStatus.of(file) == nil { try write("", to: "events.jsonl") }
    let handle = try FileHandle(forWritingTo: file)
    try handle.seekToEnd()
    try handle.write(contentsOf: Data(text.utf8))
  }
}
