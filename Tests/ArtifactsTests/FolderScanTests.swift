/// What of a folder counts as its content.
@testable import Artifacts
import Foundation
import TestSupport
import Testing

@Suite struct FolderScanTests {
  private let scratch: ScratchFolder
  init() throws { scratch = try ScratchFolder() }

  private func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: scratch.url.appending(path: name).posixPath, withDestinationPath: target)
  }

  @Test func `paths are sorted by bytes, and version control stays out`() throws {
    for path in ["b", "a/z", "a.txt", "한글.txt", ".git/HEAD", ".retort/x", "Z"] { try scratch.write("x", to: path) }
    #expect(try FolderScan.entries(of: scratch.url).map(\.path) == ["Z", "a.txt", "a/z", "b", "한글.txt"])
  }

  @Test func `a link inside the folder counts as what it links to`() throws {
    try scratch.write("one", to: "data/one.txt")
    try link("two.txt", to: "data/one.txt")
    try link("copy", to: "data")
    #expect(
      try FolderScan.entries(of: scratch.url).map(\.path) == ["copy/one.txt", "data/one.txt", "two.txt"])
  }

  @Test(arguments: ["/etc/hostname", "missing"])
  func `a link that leads out of the folder or nowhere is refused`(target: String) throws {
    try link("away", to: target)
    let error = #expect(throws: (any Error).self) { try FolderScan.entries(of: scratch.url) }
    #expect(String(describing: try #require(error)).contains("away") || target == "missing")
  }

  @Test func `a link to a folder around it is refused`() throws {
    try scratch.write("x", to: "inner/x")
    try link("inner/loop", to: "../inner")
    #expect(throws: FolderScan.Problem.self) { try FolderScan.entries(of: scratch.url) }
  }

  @Test func `a manifest survives encoding, also with spaces and line ends in names`() throws {
    let digest = Digest(of: "x")
    let manifest = FolderManifest(entries: [
      .init(path: "a b\nc", content: .file(digest, bytes: 1, executable: true)),
      .init(path: "d", content: .emptyFolder),
    ])
    #expect(try FolderManifest(encoded: manifest.encoded) == manifest)
    #expect(throws: BadManifest.self) { try FolderManifest(encoded: Data("anything".utf8)) }
  }
}
