/// A remote store whose folder somebody else has prepared, read from and written to.
@testable import Artifacts
import Foundation
import TestSupport
import Testing

@Suite struct RemoteStoreTests {
  private let scratch: ScratchFolder
  private let remote: RemoteStore
  /// That pushes, and that pulls.
  private let (ours, theirs): (Store, Store)

  init() throws {
    scratch = try ScratchFolder()
    try scratch.write("mine", to: "outside/secret")
    try FileOperations().makeFolder(scratch.url.appending(path: "remote"))
    remote = try RemoteStore(at: scratch.url.appending(path: "remote"))
    ours = try Store(at: scratch.url.appending(path: "ours"))
    theirs = try Store(at: scratch.url.appending(path: "theirs"))
  }

  private func file(_ text: String = "content") throws -> StoredArtifact {
    try ours.ingest(scratch.write(text, to: "data"), owner: "test")
  }
  private func folder() throws -> StoredArtifact {
    try scratch.write("composed", to: "folder/\u{E9}")
    try scratch.write("decomposed", to: "folder/e\u{301}")
    try scratch.write("deep", to: "folder/a/b")
    try FileOperations().makeFolder(scratch.url.appending(path: "folder/empty"))
    return try ours.ingest(scratch.url.appending(path: "folder"), owner: "test")
  }
  private func link(_ url: URL, to target: String) throws {
    try FileOperations().remove(url)
    try FileOperations().makeFolder(url.deletingLastPathComponent())
    try FileManager.default.createSymbolicLink(atPath: url.posixPath, withDestinationPath: target)
  }

  /// What is refused and why; nothing may be left in the store for it.
  private func refusal(_ artifact: StoredArtifact) throws -> String {
    let before = try theirs.contents()
    let error = #expect(throws: RemoteDamage.self) { try theirs.receive(artifact, from: remote, owner: "test") }
    #expect(try FolderScan.names(in: theirs.root.appending(path: "tmp")).isEmpty)
    #expect(try theirs.contents().trees == before.trees)
    #expect(!(try theirs.contents().objects.contains(artifact.digest)))
    return try #require(error).found
  }
  private func expectOutsideUntouched() throws {
    let outside = scratch.url.appending(path: "outside")
    #expect(try FolderScan.names(in: outside) == ["secret"])
    #expect(try String(contentsOf: outside.appending(path: "secret"), encoding: .utf8) == "mine")
  }

  @Test func `a folder comes through whole, also with names that look alike`() throws {
    let artifact = try folder()
    _ = try remote.send(artifact, from: ours)
    try theirs.receive(artifact, from: remote, owner: "test")
    #expect(try theirs.damage(of: artifact, owner: "test") == nil)
    #expect(try SourceHasher(memory: KnownStamps()).hash(theirs.url(of: artifact)).artifact == artifact)
    #expect(try FolderScan.entries(of: theirs.url(of: artifact)).count == 4)
    #expect(try remote.send(artifact, from: ours) == (0, 0))
  }

  @Test(arguments: ["/dev/zero", "/dev/stdin", "../../../outside/secret", "nowhere"])
  func `an object that is a link is refused`(target: String) throws {
    let artifact = try file()
    try link(remote.object(artifact.digest), to: target)
    #expect(try refusal(artifact) == "a symbolic link")
  }

  @Test func `an object that is a fifo, a folder or missing is refused`() throws {
    let artifact = try file()
    #expect(try refusal(artifact) == "nothing")
    let url = remote.object(artifact.digest)
    try FileOperations().makeFolder(url.deletingLastPathComponent())
    #expect(mkfifo(url.posixPath, 0o644) == 0)
    #expect(try refusal(artifact) == "a fifo")
    try FileOperations().remove(url)
    try FileOperations().makeFolder(url)
    #expect(try refusal(artifact) == "a folder")
  }

  @Test func `an object of another size than announced, or with other bytes, is refused`() throws {
    let artifact = try file("content")
    let path = "remote/objects/\(artifact.digest.description.prefix(2))/\(artifact.digest.description.dropFirst(2))"
    for (text, reason) in [
      ("contents", "8 bytes instead of 7"), ("conten", "6 bytes instead of 7"), ("", "0 bytes instead of 7"),
      ("CONTENT", "bytes of \(Digest(of: "CONTENT"))"),
    ] {
      try scratch.write(text, to: path)
      #expect(try refusal(artifact) == reason)
    }
  }

  @Test func `more bytes than the disk has are not begun`() throws {
    let artifact = StoredArtifact(digest: Digest(of: "x"), bytes: 1 << 43, kind: .file)
    let file = try scratch.write("x", to: "made").posixPath
    try #require(truncate(file, off_t(artifact.bytes)) == 0, "TMPDIR's filesystem has no files of 8 TB")
    try FileOperations().makeFolder(remote.object(artifact.digest).deletingLastPathComponent())
    try FileOperations().rename(URL(filePath: file), to: remote.object(artifact.digest))
    let error = #expect(throws: FileError.self) { try theirs.receive(artifact, from: remote, owner: "test") }
    #expect(error?.code == ENOSPC)
    #expect(try FolderScan.names(in: theirs.root.appending(path: "tmp")).isEmpty)
  }

  @Test(arguments: ["objects", "objects/ab"])
  func `a folder of the remote that is a link is neither read nor written`(path: String) throws {
    let artifact = try file()
    let ab = path.replacing("ab", with: artifact.digest.description.prefix(2))
    try link(remote.root.appending(path: ab), to: path == "objects" ? "../outside" : "../../outside")
    #expect(try refusal(artifact) == "a symbolic link")
    #expect(throws: UnexpectedFile.self) { try remote.send(artifact, from: ours) }
    try expectOutsideUntouched()
  }

  @Test func `a key file behind a link, a fifo or without end is refused`() throws {
    let key = Digest(of: "key")
    let url = remote.keyFile(key)
    #expect(try remote.read(key) == nil)
    try link(url, to: "/dev/zero")
    #expect(throws: RemoteDamage.self) { try remote.read(key) }
    try FileOperations().remove(url)
    #expect(mkfifo(url.posixPath, 0o644) == 0)
    #expect(throws: RemoteDamage.self) { try remote.read(key) }
    try FileOperations().remove(url)
    try FileOperations().write(Data(), toNew: url)
    #expect(truncate(url.posixPath, 1 << 30) == 0)
    #expect(throws: RemoteDamage.self) { try remote.read(key) }
    try link(remote.root.appending(path: "keys"), to: "../outside")
    #expect(throws: RemoteDamage.self) { try remote.read(key) }
    #expect(throws: UnexpectedFile.self) { try remote.write(Data("{}".utf8), for: key) }
    try expectOutsideUntouched()
  }

  @Test func `a push replaces a link or a fifo in an object's place, and leaves what the link leads to`() throws {
    let artifact = try file()
    let url = remote.object(artifact.digest)
    try link(url, to: "../../../outside/secret")
    #expect(try remote.send(artifact, from: ours).files == 1)
    #expect(try String(contentsOf: url, encoding: .utf8) == "content")
    try FileOperations().remove(url)
    #expect(mkfifo(url.posixPath, 0o644) == 0)
    #expect(try remote.send(artifact, from: ours).files == 1)
    #expect(FileStatus.of(url, followLinks: false)?.isFile == true)
    let key = Digest(of: "key")
    try link(remote.keyFile(key), to: "../../../outside/secret")
    try remote.write(Data("{}".utf8), for: key)
    #expect(FileStatus.of(remote.keyFile(key), followLinks: false)?.isFile == true)
    try expectOutsideUntouched()
  }

  @Test func `links that look like parts of a dead writer are left alone`() throws {
    let artifact = try file()
    let part = remote.object(artifact.digest).sibling(".part-old")
    try link(part, to: "../../../outside")
    #expect(try remote.send(artifact, from: ours).files == 1)
    #expect(FileStatus.of(part, followLinks: false)?.isLink == true)
    try expectOutsideUntouched()
  }

  @Test func `a manifest that leads out of its folder makes nothing anywhere`() throws {
    let text = "retort folder 1\nd - 0 ../../../../outside/new\0"
    let digest = Digest(of: text)
    try scratch.write(text, to: "remote/objects/\(digest.description.prefix(2))/\(digest.description.dropFirst(2))")
    #expect(
      try refusal(StoredArtifact(digest: digest, bytes: 0, kind: .folder)).hasPrefix("no folder: the path `../../"))
    try expectOutsideUntouched()
  }

  @Test func `a folder that announces other bytes than its files have is refused`() throws {
    let artifact = try folder()
    _ = try remote.send(artifact, from: ours)
    for bytes in [0, artifact.bytes - 1, Int.max] {
      let wrong = StoredArtifact(digest: artifact.digest, bytes: bytes, kind: .folder)
      #expect(try refusal(wrong) == "\(artifact.bytes) bytes instead of \(bytes)")
    }
  }

  @Test func `a folder of more files and folders than may be is neither taken nor pushed`() throws {
    let artifact = try folder()
    _ = try remote.send(artifact, from: ours)
    let strict = try RemoteStore(at: remote.root, mostEntries: 4)
    let error = #expect(throws: RemoteDamage.self) { try theirs.receive(artifact, from: strict, owner: "test") }
    #expect(error?.found == "no folder: it is of more than 4 files and folders")
    #expect(throws: TooLargeToPush.self) { try strict.send(artifact, from: ours) }
    try theirs.receive(artifact, from: RemoteStore(at: remote.root, mostEntries: 5), owner: "test")
  }
}
