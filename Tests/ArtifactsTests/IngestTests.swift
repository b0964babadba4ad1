/// The store takes files and folders in as a whole or not at all, whatever fails on the way.
import Artifacts
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
}
