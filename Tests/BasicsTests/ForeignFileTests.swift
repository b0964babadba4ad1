import Basics
import Foundation
import TestSupport
import Testing

@Suite struct ForeignFileTests {
  let scratch: ScratchFolder
  let folder: URL

  init() throws {
    scratch = try ScratchFolder()
    folder = scratch.url.appending(path: "folder")
    try scratch.write("abc", to: "folder/file")
    try scratch.write("", to: "folder/empty")
    try scratch.write("outside", to: "outside")
  }

  private func refusal(_ url: URL, atMost limit: Int = 100) -> String {
    let copied = #expect(throws: ForeignFile.Refusal.self) {
      try ForeignFile.contents(of: url, in: folder, atMost: limit)
    }
    let mapped = #expect(throws: ForeignFile.Refusal.self) { try ForeignFile.mapped(url, in: folder, atMost: limit) }
    #expect(copied == mapped)
    return copied?.description ?? ""
  }

  @Test func `a file is copied or mapped as it is`() throws {
    let file = folder.appending(path: "file")
    #expect(try ForeignFile.contents(of: file, in: folder, atMost: 3) == Data("abc".utf8))
    #expect(try ForeignFile.mapped(file, in: folder, atMost: 3) == Data("abc".utf8))
    #expect(try ForeignFile.contents(of: folder.appending(path: "empty"), atMost: 0) == Data())
    #expect(try ForeignFile.mapped(folder.appending(path: "empty")) == Data())
  }

  @Test func `what is no regular file is refused by its kind, without waiting`() throws {
    let pipe = folder.appending(path: "pipe")
    #expect(mkfifo(pipe.path, 0o600) == 0)
    #expect(refusal(pipe) == "found a named pipe, expected a regular file")
    #expect(refusal(folder) == "found a folder, expected a regular file")
    let device = #expect(throws: ForeignFile.Refusal.self) { try ForeignFile.mapped(URL(filePath: "/dev/zero")) }
    #expect(device?.found == "a device")
  }

  @Test func `what is too large, not there or named with a zero byte is refused`() throws {
    #expect(refusal(folder.appending(path: "file"), atMost: 2) == "found 3 bytes, expected at most 2 bytes")
    #expect(refusal(folder.appending(path: "none")).contains("No such file"))
    #expect(refusal(folder.appending(path: "file\0x")).contains("a zero byte"))
  }

  @Test(arguments: ["link", "inner/link"]) func `a link may stay in the folder and not leave it`(name: String) throws {
    let files = FileManager.default
    let link = folder.appending(path: name)
    try files.createDirectory(at: link.deletingLastPathComponent(), withIntermediateDirectories: true)
    try files.createSymbolicLink(at: link, withDestinationURL: folder.appending(path: "file"))
    #expect(try ForeignFile.contents(of: link, in: folder, atMost: 3) == Data("abc".utf8))
    try files.removeItem(at: link)
    try files.createSymbolicLink(at: link, withDestinationURL: scratch.url.appending(path: "outside"))
    #expect(refusal(link).contains("a link that leads out of the folder"))
  }

  @Test func `a folder whose name begins like the root's lies outside`() throws {
    let beside = try scratch.write("x", to: "folder-2/file")
    try FileManager.default.createSymbolicLink(at: folder.appending(path: "link"), withDestinationURL: beside)
    #expect(!ForeignFile.lies(folder.appending(path: "link"), in: folder))
  }
}
