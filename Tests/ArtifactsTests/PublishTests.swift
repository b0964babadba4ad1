/// Publishing replaces what it put there itself, and nothing else.
import Artifacts
import Foundation
import TestSupport
import Testing

@Suite struct PublishTests {
  private let scratch: ScratchFolder
  private let store: Store
  private let target: URL
  private let hasher = SourceHasher(memory: KnownStamps())

  init() throws {
    scratch = try ScratchFolder()
    store = try Store(at: scratch.url.appending(path: ".retort"))
    target = scratch.url.appending(path: "models/student")
  }

  private func content(_ text: String) throws -> PublishedContent {
    try scratch.write(text, to: "made/\(text)/weights")
    let folder = try store.ingest(scratch.url.appending(path: "made/\(text)"), owner: "test")
    return PublishedContent(artifacts: ["": folder], description: Data("{\"of\":\"\(text)\"}".utf8))
  }

  private func publish(_ text: String, last: Digest?, overwrite: Bool = false) throws -> Digest {
    try store.publish(content(text), to: target, last: last, overwrite: overwrite, hasher: hasher)
  }

  private func read(_ path: String) throws -> String {
    try String(contentsOf: target.appending(path: path), encoding: .utf8)
  }

  @Test func `a second publication replaces the first as a whole`() throws {
    let first = try publish("one", last: nil)
    let second = try publish("two", last: first)
    #expect(first != second)
    #expect(try read("weights") == "two")
    #expect(try read("retort.json") == "{\"of\":\"two\"}")
    #expect(try FolderScan.names(in: target.deletingLastPathComponent()) == ["student"])
  }

  @Test func `a target that was changed by hand is refused and stays as it is`() throws {
    let first = try publish("one", last: nil)
    try Data("mine".utf8).write(to: target.appending(path: "weights"))
    #expect(throws: PublicationRefused.self) { try publish("two", last: first) }
    #expect(try read("weights") == "mine")
    _ = try publish("two", last: first, overwrite: true)
    #expect(try read("weights") == "two")
  }

  @Test func `a target that nobody published is refused`() throws {
    try scratch.write("mine", to: "models/student")
    #expect(throws: PublicationRefused.self) { try publish("one", last: nil) }
  }

  @Test func `the same content is accepted wherever it comes from`() throws {
    let first = try publish("one", last: nil)
    #expect(try publish("one", last: nil) == first)
  }

  @Test func `a single file is published as it is`() throws {
    let file = try store.ingest(scratch.write("table", to: "t"), owner: "test")
    let target = scratch.url.appending(path: "out/table.md")
    let content = PublishedContent(artifacts: ["": file], description: Data())
    #expect(try store.publish(content, to: target, last: nil, overwrite: false, hasher: hasher) == file.digest)
    #expect(try String(contentsOf: target, encoding: .utf8) == "table")
  }

  @Test func `what lies there under an earlier version's names is replaced as a whole`() throws {
    let file = try store.ingest(scratch.write("table", to: "t"), owner: "test")
    let names = ["results", "results.json"]
    var last: Digest?
    for name in names {
      let content = PublishedContent(artifacts: [name: file], description: Data())
      last = try store.publish(content, to: target, last: last, overwrite: false, hasher: hasher)
    }
    #expect(try FolderScan.names(in: target).sorted() == ["results.json", "retort.json"])
  }

  @Test func `an export goes to a new place only`() throws {
    try store.export(content("one"), to: target)
    #expect(try read("weights") == "one")
    #expect(throws: FileError.self) { try store.export(content("one"), to: target) }
  }
}
