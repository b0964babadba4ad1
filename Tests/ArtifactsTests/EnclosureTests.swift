/// What may lie in a store that others prepared, and is neither read nor written.
@testable import Artifacts
import Foundation
import TestSupport
import Testing

@Suite struct EnclosureTests {
  private let scratch: ScratchFolder
  private let root: URL
  private let outside: URL
  private let files: FileOperations

  /// A folder `root`, and beside it `outside` with one file.
  init() throws {
    scratch = try ScratchFolder()
    try scratch.write("mine", to: "outside/secret")
    (root, outside) = (scratch.url.appending(path: "root"), scratch.url.appending(path: "outside"))
    files = FileOperations(beneath: root)
    try FileOperations().makeFolder(root)
  }

  private func link(_ name: String, to target: String) throws -> URL {
    let url = root.appending(path: name)
    try FileManager.default.createSymbolicLink(atPath: url.posixPath, withDestinationPath: target)
    return url
  }
  private func found(_ body: () throws -> Void) -> String? {
    do { try body() } catch let error as UnexpectedFile { return error.found } catch { return "\(error)" }
    return nil
  }
  private func expectUntouched() throws {
    #expect(try FolderScan.names(in: outside) == ["secret"])
    #expect(try String(contentsOf: outside.appending(path: "secret"), encoding: .utf8) == "mine")
  }

  @Test(arguments: ["../outside/secret", "/dev/zero", "nowhere", "fifo", "folder"])
  func `a link is opened neither for reading nor for writing`(target: String) throws {
    #expect(mkfifo(root.appending(path: "fifo").posixPath, 0o600) == 0)
    try files.makeFolder(root.appending(path: "folder"))
    let url = try link("file", to: target)
    #expect(found { _ = try files.enclosure.read(url) } == "a symbolic link")
    #expect(found { _ = try files.enclosure.open(url, O_WRONLY | O_CREAT | O_APPEND) } == "a symbolic link")
    #expect(found { _ = try FileLock(at: url, beneath: root) } == "a symbolic link")
    #expect(found { _ = try FileLock.isHeld(url, beneath: root) } == "a symbolic link")
    try expectUntouched()
  }

  @Test func `nothing behind a link to a folder is read or changed`() throws {
    let inner = try link("folder", to: "../outside").appending(path: "secret")
    let new = inner.sibling("new")
    let here = try scratch.write("x", to: "root/here")
    #expect(found { _ = try files.enclosure.read(inner) } == "a symbolic link")
    #expect(found { try files.write(Data("x".utf8), toNew: new) } == "a symbolic link")
    #expect(found { try files.replace(inner, with: Data("x".utf8)) } == "a symbolic link")
    #expect(found { try files.makeFolder(new) } == "a symbolic link")
    #expect(found { try files.makeFolder(new.appending(path: "deeper")) } == "a symbolic link")
    #expect(found { try files.rename(here, to: new) } == "a symbolic link")
    #expect(found { try files.rename(inner, to: root.appending(path: "mine")) } == "a symbolic link")
    #expect(found { try files.exchange(here, inner) } == "a symbolic link")
    #expect(found { _ = try files.link(here, at: new) } == "a symbolic link")
    #expect(found { try files.makeLink(new, to: here) } == "a symbolic link")
    #expect(found { try files.remove(inner) } == "a symbolic link")
    #expect(found { try files.seal(inner) } == "a symbolic link")
    #expect(found { try files.makeReadOnly(inner) } == "a symbolic link")
    #expect(found { _ = try files.copy(here, to: new) } == "a symbolic link")
    try expectUntouched()
  }

  @Test func `what is removed is the link and not what it leads to`() throws {
    try scratch.write("x", to: "root/folder/file")
    _ = try link("folder/away", to: "../../outside")
    try files.remove(root.appending(path: "folder"))
    #expect(try FolderScan.names(in: root).isEmpty)
    try expectUntouched()
  }

  @Test func `a fifo and a folder are named and nobody waits for them`() throws {
    let fifo = root.appending(path: "fifo")
    #expect(mkfifo(fifo.posixPath, 0o600) == 0)
    #expect(found { _ = try files.enclosure.read(fifo) } == "a fifo")
    #expect(found { _ = try files.enclosure.open(fifo, O_WRONLY | O_CREAT) } == "a fifo")
    #expect(found { _ = try FileContent.read(fifo) } == "a fifo")
    #expect(found { _ = try files.enclosure.read(root.appending(path: ".")) } != nil)
    try files.makeFolder(root.appending(path: "folder"))
    #expect(found { _ = try files.enclosure.read(root.appending(path: "folder")) } == "a folder")
    #expect(found { try files.makeFolder(fifo) } == "a fifo")
  }

  @Test func `a file with more bytes than allowed is an error`() throws {
    let file = try scratch.write("12345", to: "root/file")
    #expect(try files.enclosure.read(file, atMost: 5) == Data("12345".utf8))
    #expect(throws: FileTooLarge.self) { try files.enclosure.read(file, atMost: 4) }
  }

  @Test(arguments: ["..", "a/../../outside/secret", "."])
  func `a path that climbs is an error`(path: String) throws {
    try files.makeFolder(root.appending(path: "a"))
    #expect(throws: FileError.self) { try files.enclosure.read(URL(filePath: "\(root.posixPath)/\(path)")) }
  }

  @Test func `the folder itself may be reached by a link, and be named with slashes at its end`() throws {
    try scratch.write("x", to: "root/inner/file")
    _ = try link("inner/away", to: "../../outside/secret")
    let linked = scratch.url.appending(path: "linked")
    try FileManager.default.createSymbolicLink(atPath: linked.posixPath, withDestinationPath: "root")
    for path in [linked.posixPath, root.posixPath + "/", root.posixPath + "//"] {
      let files = FileOperations(beneath: URL(filePath: path))
      #expect(try files.enclosure.read(URL(filePath: "\(path)/inner/file")) == Data("x".utf8))
      #expect(found { _ = try files.enclosure.read(URL(filePath: "\(path)/inner/away")) } == "a symbolic link")
    }
  }

  @Test func `a store with links in it is refused`() throws {
    _ = try link("logs", to: "../outside")
    #expect(found { _ = try Store(at: root) } == "a symbolic link")
    try expectUntouched()
  }

  @Test func `staging goes into the store although a link waits for it`() throws {
    let store = try Store(at: root)
    _ = try link("tmp/owner", to: "../../outside")
    let artifact = try store.ingest(scratch.write("x", to: "data"), owner: "owner")
    #expect(try store.damage(of: artifact, owner: "owner") == nil)
    try expectUntouched()
  }

  @Test func `an object's place behind a link is refused`() throws {
    let store = try Store(at: root)
    let data = try scratch.write("x", to: "data")
    _ = try link("objects/\(Digest(of: "x").description.prefix(2))", to: "../../outside")
    #expect(found { _ = try store.ingest(data, owner: "owner") } == "a symbolic link")
    try expectUntouched()
  }

  @Test func `a folder becomes read-only without giving anybody anything`() throws {
    let folder = root.appending(path: "folder")
    for (before, after) in [(0o770, 0o550), (0o700, 0o500), (0o775, 0o555)] as [(mode_t, mode_t)] {
      try files.makeFolder(folder)
      #expect(chmod(folder.posixPath, before) == 0)
      try files.makeReadOnly(folder)
      #expect(FileStatus.of(folder)?.mode == after)
      try files.makeWritable(folder)
      #expect(FileStatus.of(folder)?.mode == after | 0o700)
      try files.makeReadOnly(folder)
      try files.remove(folder)
    }
  }
}
