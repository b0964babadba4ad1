/// What a manifest may say, whoever wrote it.
@testable import Artifacts
import Foundation
import TestSupport
import Testing

@Suite struct FolderManifestTests {
  private static let digest = String(repeating: "ab", count: 32)

  private func problem(_ entries: [String], atMost limit: Int = .max) -> String? {
    let text = "retort folder 1\n" + entries.map { $0 + "\0" }.joined()
    do { _ = try FolderManifest(encoded: Data(text.utf8), atMost: limit) } catch { return "\(error)" }
    return nil
  }
  private func problem(ofPath path: String) -> String? { problem(["f \(Self.digest) 1 \(path)"]) }

  @Test(arguments: [
    "", "/", "/etc/passwd", "a//b", "a/", ".", "..", "../x", "a/../b", "a/./b", "a/..", ".git/config", "a/.git",
    ".retort", "a/.retort/x", "a\0b", String(repeating: "n", count: 256),
    String(repeating: "n/", count: 2048) + "n",
  ])
  func `a path that no folder gives is refused`(path: String) {
    #expect(problem(ofPath: path) != nil)
  }

  @Test(arguments: ["...", ".gitignore", "a b", "é", "e\u{301}", "\u{301}", "a\n/b", "..a", ".git ", "-rf"])
  func `a path that is only odd is taken`(path: String) {
    #expect(problem(ofPath: path) == nil)
  }

  @Test func `paths are there once, in the order of their bytes, and no file is a folder`() {
    func files(_ paths: String...) -> String? { problem(paths.map { "f \(Self.digest) 1 \($0)" }) }
    #expect(files("a", "a-b", "a0") == nil)
    #expect(files("a-b", "a/c", "a/d/e", "a0") == nil)
    #expect(files("b", "a")?.contains("`a` is there twice or is not sorted") == true)
    #expect(files("a", "a")?.contains("is there twice") == true)
    #expect(files("a", "a-b", "a/c") == "the path `a` is a file and a folder")
    #expect(files("x/a", "x/a/b/c") == "the path `x/a` is a file and a folder")
    #expect(problem(["d - 0 a", "f \(Self.digest) 1 a/b"]) == "the path `a` is a file and a folder")
  }

  @Test(arguments: [
    "f \(digest) -1 a", "f \(digest) +1 a", "f \(digest) 01 a", "f \(digest) 9223372036854775808 a",
    "f \(digest.uppercased()) 1 a", "f \(digest.dropLast()) 1 a", "f - 0 a", "d \(digest) 0 a", "d - 1 a",
    "l \(digest) 1 a", " \(digest) 1 a", "f \(digest) 1", "",
  ])
  func `an entry that is not spelled as it is written is refused`(entry: String) {
    #expect(problem([entry]) == "entry 1 is malformed")
  }

  @Test func `sizes whose sum is no number are refused`() {
    #expect(problem(["f \(Self.digest) \(Int.max) a"]) == nil)
    #expect(
      problem(["f \(Self.digest) \(Int.max) a", "f \(Self.digest) 1 b"])
        == "its files have more bytes than there are numbers")
  }

  @Test func `what is no manifest, or the beginning of one, is refused`() throws {
    let whole = FolderManifest(entries: [.init(path: "a", content: .emptyFolder)]).encoded
    for count in 0..<whole.count where count != "retort folder 1\n".utf8.count {
      #expect(throws: BadManifest.self) { try FolderManifest(encoded: whole.prefix(count)) }
    }
    let bytes = Data("retort folder 1\nd - 0 ".utf8) + [0xFF, 0x00]
    #expect(throws: BadManifest.self) { try FolderManifest(encoded: bytes) }
  }

  @Test func `whatever bytes are taken for a manifest are the bytes that it is written as`() {
    let text =
      "retort folder 1\nf \(Self.digest) 12 a\0x \(Self.digest) 0 b/c d\0d - 0 b/e\0f \(Self.digest) 7 \u{E9}\0"
    var draws = SplitMix(state: 7)
    var taken = 0
    for _ in 0..<20_000 {
      var bytes = Array(text.utf8)
      for _ in 0..<Int.random(in: 1...3, using: &draws) {
        let place = Int.random(in: 0..<bytes.count, using: &draws)
        switch Int.random(in: 0..<4, using: &draws) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &draws)
        case 1: bytes[place] = Array("\0/. 019-fxd\n".utf8).randomElement(using: &draws) ?? 0
        case 2: bytes.remove(at: place)
        default: bytes.insert(bytes[Int.random(in: 0..<bytes.count, using: &draws)], at: place)
        }
      }
      guard let manifest = try? FolderManifest(encoded: Data(bytes)) else { continue }  // refused, which is as well
      taken += 1
      #expect(manifest.encoded == Data(bytes))
      for entry in manifest.entries { #expect(problem(ofPath: entry.path) == nil) }
    }
    #expect(taken > 1000)
  }

  @Test func `files and the folders they imply are counted`() {
    #expect(problem(["d - 0 a/b/c"], atMost: 3) == nil)
    #expect(problem(["d - 0 a/b/c"], atMost: 2) == "it is of more than 2 files and folders")
    #expect(problem(["d - 0 a/b", "d - 0 a/c"], atMost: 3) == nil)
  }

  @Test func `names that look alike are two files`() throws {
    let scratch = try ScratchFolder()
    try scratch.write("composed", to: "folder/\u{E9}")
    try scratch.write("decomposed", to: "folder/e\u{301}")
    let folder = scratch.url.appending(path: "folder")
    try #require(try FolderScan.names(in: folder).count == 2)
    let store = try Store(at: scratch.url.appending(path: ".retort"))
    let artifact = try store.ingest(folder, owner: "test")
    let manifest = try #require(try store.manifest(artifact.digest))
    #expect(manifest.entries.map { Array($0.path.utf8) } == [[0x65, 0xCC, 0x81], [0xC3, 0xA9]])
    #expect(try FolderManifest(encoded: manifest.encoded) == manifest)
    #expect(try store.damage(of: artifact, owner: "test") == nil)
    let tree = store.url(of: artifact)
    #expect(try String(contentsOf: tree.appending(path: "\u{E9}"), encoding: .utf8) == "composed")
    #expect(try String(contentsOf: tree.appending(path: "e\u{301}"), encoding: .utf8) == "decomposed")
    #expect(try StoreCheck(store, folders: []) { _, _ in }.findings.isEmpty)
    #expect(try ArtifactDifference.first(folder, tree) == nil)
    #expect(try ContentDifference.differences(folder, tree).isEmpty)
    try scratch.write("other", to: "folder/e\u{301}")
    #expect(try ContentDifference.differences(folder, tree).map { Array($0.path.utf8) } == [[0x65, 0xCC, 0x81]])
    #expect(try ArtifactDifference.first(folder, tree)?.path.map { Array($0.utf8) } == [0x65, 0xCC, 0x81])
  }
}
