/// Any bytes at all are a folder's manifest or none.
import Foundation
import TestSupport
import Testing

@testable import Artifacts

@Suite struct FuzzTests {
  @Test func `mutated manifests are read or refused`() throws {
    let digest = Digest(of: "content")
    let manifest = FolderManifest(entries: [
      .init(path: "a b/c.txt", content: .file(digest, bytes: 12, executable: false)),
      .init(path: "empty", content: .emptyFolder),
      .init(path: "tool", content: .file(digest, bytes: 0, executable: true)),
    ])
    let tokens = [
      "\0", "\0f ", "\0d - 0 ", "../", "/", "..", ".", " ", "\u{301}", "f \(digest) -1 x\0", "\(Int.max)", "-",
    ]
    let result = try Fuzz("manifest", [Array(manifest.encoded)], tokens: tokens).run { bytes in
      // What is read is spelled in one way alone: a digest stands for one folder.
      do { return try Array(FolderManifest(encoded: Data(bytes)).encoded) == bytes } catch is BadManifest {
        return false
      }
    }
    #expect(result.failures == [] && result.accepted > 0 && result.refused > 0, "\(result)")
  }
}
