/// Files are read again exactly when their stamps cannot be trusted.
import Artifacts
import Foundation
import Synchronization
import TestSupport
import Testing

@Suite struct SourceHasherTests {
  private let scratch: ScratchFolder
  init() throws { scratch = try ScratchFolder() }

  private final class Memory: StampMemory {
    let digests = Mutex<[FileStamp: Digest]>([:])
    func digest(for stamp: FileStamp) -> Digest? { digests.withLock { $0[stamp] } }
    func remember(_ digest: Digest, for stamp: FileStamp) { digests.withLock { $0[stamp] = digest } }
    var count: Int { digests.withLock { $0.count } }
  }

  @Test func `a file younger than two seconds is not remembered`() throws {
    let memory = Memory()
    let file = try scratch.write("abc", to: "a")
    let changed = try #require(FileStatus.of(file)).stamp.changed
    _ = try SourceHasher(memory: memory, now: { changed + 1_999_999_999 }).hash(file)
    #expect(memory.count == 0)
    _ = try SourceHasher(memory: memory, now: { changed + 2_000_000_001 }).hash(file)
    #expect(memory.count == 1)
  }

  @Test func `a remembered file is not read`() throws {
    let memory = Memory()
    let file = try scratch.write("abc", to: "a")
    memory.remember(Digest(of: "told"), for: try #require(FileStatus.of(file)).stamp)
    #expect(try SourceHasher(memory: memory).hash(file).artifact.digest == Digest(of: "told"))
  }

  @Test func `a change of one byte with the old modification time is seen`() throws {
    let memory = Memory()
    let file = try scratch.write("abc", to: "a")
    let before = try SourceHasher(memory: memory, now: { .max }).hash(file).artifact
    let attributes = try FileManager.default.attributesOfItem(atPath: file.posixPath)
    try Data("abd".utf8).write(to: file)
    try FileManager.default.setAttributes(
      [.modificationDate: try #require(attributes[.modificationDate])], ofItemAtPath: file.posixPath)
    #expect(try SourceHasher(memory: memory, now: { .max }).hash(file).artifact != before)
  }
}
