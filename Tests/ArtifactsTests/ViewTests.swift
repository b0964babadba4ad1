/// Files of the store under the names that people know them by.
import Artifacts
import Foundation
import TestSupport
import Testing

@Suite struct ViewTests {
  private let scratch: ScratchFolder
  private let store: Store
  private let artifact: StoredArtifact

  init() throws {
    scratch = try ScratchFolder()
    store = try Store(at: scratch.url.appending(path: ".retort"))
    artifact = try store.ingest(scratch.write("{}", to: "out"), owner: "test")
  }

  @Test func `a name is the same file, and is made once`() throws {
    let view = try store.view(of: artifact, named: "results.json")
    #expect(view.lastPathComponent == "results.json")
    #expect(try String(contentsOf: view, encoding: .utf8) == "{}")
    #expect(FileStatus.of(view)?.stamp == FileStatus.of(store.url(of: artifact))?.stamp)
    #expect(try store.view(of: artifact, named: "results.json") == view)
    #expect(FileStatus.of(view)?.links == 2)
    #expect(try store.contents().unknown.isEmpty)
  }

  @Test func `a name that leads elsewhere by now is made again`() throws {
    let view = try store.view(of: artifact, named: "results.json")
    try FileManager.default.removeItem(at: view)
    try Data("mine".utf8).write(to: view)
    #expect(try store.view(of: artifact, named: "results.json") == view)
    #expect(try String(contentsOf: view, encoding: .utf8) == "{}")
  }

  @Test func `a file that is not there gets no name, and a folder needs none`() throws {
    let gone = StoredArtifact(digest: Digest(of: "gone"), bytes: 4, kind: .file)
    #expect(try store.view(of: gone, named: "x") == store.url(of: gone))
    try scratch.write("weights", to: "model/weights")
    let folder = try store.ingest(scratch.url.appending(path: "model"), owner: "test")
    #expect(try store.view(of: folder, named: "model") == store.url(of: folder))
  }

  @Test func `what is found to be damaged loses its names too`() throws {
    let view = try store.view(of: artifact, named: "results.json")
    let object = store.url(of: artifact)
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: object.posixPath)
    let handle = try FileHandle(forWritingTo: object)
    try handle.write(contentsOf: Data("[]".utf8))
    try handle.close()
    let check = try StoreCheck(store, folders: []) { _, _ in }
    #expect(try store.takeAway(check, owner: "test").map(\.digest) == [artifact.digest])
    #expect(FileStatus.of(view) == nil)
  }
}
