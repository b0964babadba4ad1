/// The store takes files and folders in as a whole or not at all, whatever fails on the way.
@testable import Artifacts
import Foundation
import TestSupport
import Testing

@Suite struct IngestTests {
  private let scratch: ScratchFolder
  init() throws { scratch = try ScratchFolder() }

  private func folder() throws -> URL {
    try scratch.write("weights", to: "model/model.safetensors")
    let script = try scratch.write("#!/bin/sh\n", to: "model/bin/run.sh")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script.posixPath)
    let model = scratch.url.appending(path: "model")
    try FileManager.default.createDirectory(at: model.appending(path: "empty"), withIntermediateDirectories: true)
    return model
  }

  @Test func `a file is found under the SHA-256 of its bytes`() throws {
    let store = try Store(at: scratch.url.appending(path: ".retort"))
    let artifact = try store.ingest(scratch.write("abc", to: "a.txt"), owner: "test")
    // The digest of "abc" from FIPS 180-2.
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    #expect(artifact.digest.description == expected)
    #expect(artifact.bytes == 3)
    let url = store.url(of: artifact)
    #expect(url.posixPath.hasSuffix("objects/ba/7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"))
    #expect(try String(contentsOf: url, encoding: .utf8) == "abc")
  }

  @Test func `a folder keeps its files, empty folders and executable bits`() throws {
    let store = try Store(at: scratch.url.appending(path: ".retort"))
    let artifact = try store.ingest(folder(), owner: "test")
    let tree = store.url(of: artifact)
    let entries = try FolderScan.entries(of: tree)
    #expect(entries.map(\.path) == ["bin/run.sh", "empty", "model.safetensors"])
    #expect(entries.map(\.isExecutable) == [true, false, false])
    #expect(try store.damage(of: artifact, owner: "test") == nil)
  }

  @Test func `a folder hashes alike inside and outside of the store`() throws {
    let store = try Store(at: scratch.url.appending(path: ".retort"))
    let folder = try folder()
    let artifact = try store.ingest(folder, owner: "test")
    let hasher = SourceHasher(memory: KnownStamps())
    #expect(try hasher.hash(folder).artifact == artifact)
    #expect(try hasher.hash(store.url(of: artifact)).artifact == artifact)
  }

  @Test func `a folder where none can be made is an error`() {
    #expect(throws: FileError.self) { try FileOperations().makeFolder(URL(filePath: "/proc/none/below")) }
  }

  @Test func `a cut object is reported and replaced when its bytes come again`() throws {
    let store = try Store(at: scratch.url.appending(path: ".retort"))
    let folder = try folder()
    let artifact = try store.ingest(folder, owner: "test")
    let weights = try store.ingest(folder.appending(path: "model.safetensors"), owner: "test")
    #expect(truncate(store.url(of: weights).posixPath, 2) == 0)
    let damage = try #require(try store.damage(of: artifact, owner: "test"))
    #expect(damage.description.hasSuffix("is damaged: found 2 bytes, expected 7 bytes"))
    #expect(try store.ingest(folder, owner: "test") == artifact)
    #expect(try store.damage(of: artifact, owner: "test") == nil)
  }

  @Test func `a tree that is gone is made again from its objects`() throws {
    let store = try Store(at: scratch.url.appending(path: ".retort"))
    let artifact = try store.ingest(folder(), owner: "test")
    try FileOperations().remove(store.url(of: artifact))
    #expect(try store.damage(of: artifact, owner: "test") == nil)
    #expect(try SourceHasher(memory: KnownStamps()).hash(store.url(of: artifact)).artifact == artifact)
  }

  /// The inode tells a moved file from a copy.
  private func inode(_ url: URL) throws -> Int64 { try #require(FileStatus.of(url)).stamp.inode }

  @Test func `what the caller needs no more is moved, sealed and read-only, and executables stay executable`() throws {
    let store = try Store(at: scratch.url.appending(path: ".retort"))
    let folder = try folder()
    let weights = try settled(folder.appending(path: "model.safetensors"))
    let digest = try SourceHasher(memory: KnownStamps()).hash(folder).artifact.digest
    let before = try inode(weights)
    let artifact = try store.ingest(folder, owner: "test", moves: true)
    #expect(artifact.digest == digest)
    let kept = store.url(of: artifact).appending(path: "model.safetensors")
    #expect(try inode(kept) == before && FileStatus.of(weights) == nil)
    // 2000-01-01T00:00:00Z, by which a later change is seen.
    let status = try #require(FileStatus.of(kept))
    #expect(status.mode & 0o222 == 0 && status.stamp.modified == 946_684_800_000_000_000)
    #expect(try FolderScan.entries(of: store.url(of: artifact)).map(\.isExecutable) == [true, false, false])
    #expect(try store.damage(of: artifact, owner: "test") == nil)
  }

  @Test func `a copy gets the mode that a new file has, and so does what is moved`() throws {
    let store = try Store(at: scratch.url.appending(path: ".retort"))
    let copied = try store.ingest(scratch.write("one", to: "one"), owner: "test")
    let secret = try settled(scratch.write("two", to: "two"))
    chmod(secret.posixPath, 0o600)
    let moved = try store.ingest(secret, owner: "test", moves: true)
    let modes = [copied, moved].map { FileStatus.of(store.url(of: $0))?.mode }
    #expect(modes[0] == modes[1])
  }

  @Test func `a file that somebody may yet write to is copied`() throws {
    let store = try Store(at: scratch.url.appending(path: ".retort"))
    let open = try scratch.write("open", to: "open")
    let writer = try FileHandle(forUpdating: open)
    let mapped = try scratch.write("mapped", to: "mapped")
    let memory: UnsafeMutableRawPointer?
    do {
      let file = try FileHandle(forUpdating: mapped)
      memory = mmap(nil, 6, PROT_READ | PROT_WRITE, MAP_SHARED, file.fileDescriptor, 0)
      try file.close()
    }
    let linked = try scratch.write("linked", to: "linked")
    #expect(try FileOperations().link(linked, at: scratch.url.appending(path: "elsewhere")))
    for url in [open, mapped, linked] {
      let artifact = try store.ingest(url, owner: "test", moves: true)
      #expect(try inode(store.url(of: artifact)) != inode(url), "\(url)")
    }
    // What is written later does not reach the store.
    try writer.write(contentsOf: Data("shut".utf8))
    try writer.close()
    let bytes = try #require(memory)
    bytes.storeBytes(of: UInt8(ascii: "M"), as: UInt8.self)
    munmap(bytes, 6)
    for text in ["open", "mapped", "linked"] {
      let url = store.url(of: StoredArtifact(digest: Digest(of: text), bytes: text.utf8.count, kind: .file))
      #expect(try String(contentsOf: url, encoding: .utf8) == text)
    }
    let free = try inode(open)
    #expect(try inode(store.url(of: store.ingest(settled(open), owner: "test", moves: true))) == free)
  }

  @Test(.enabled(if: geteuid() == 0, "only root gives files away"))
  func `a file of another user is copied`() throws {
    let store = try Store(at: scratch.url.appending(path: ".retort"))
    let file = try scratch.write("theirs", to: "theirs")
    try #require(chown(file.posixPath, 65534, 65534) == 0)
    let artifact = try store.ingest(file, owner: "test", moves: true)
    #expect(try inode(store.url(of: artifact)) != inode(file))
  }

  @Test func `files that links in a folder lead to are taken in once for each`() throws {
    let store = try Store(at: scratch.url.appending(path: ".retort"))
    let file = try scratch.write("x", to: "made/data/file")
    let folder = scratch.url.appending(path: "made")
    for (name, target) in [("again", "data"), ("first", "data/file")] {
      try FileManager.default.createSymbolicLink(
        atPath: folder.appending(path: name).posixPath, withDestinationPath: target)
    }
    let expected = try SourceHasher(memory: KnownStamps()).hash(folder).artifact
    #expect(try store.ingest(folder, owner: "test", moves: true) == expected)
    #expect(FileStatus.of(file) != nil)
    #expect(try FolderScan.entries(of: store.url(of: expected)).map(\.path) == ["again/file", "data/file", "first"])
  }
}
