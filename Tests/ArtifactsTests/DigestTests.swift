/// Digests are those of `sha256sum`, and canonical encodings are unambiguous.
import Foundation
import TestSupport
import Testing

@testable import Artifacts

struct DigestTests {
  private static let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  // FIPS 180-2, B.1

  @Test func `digests of bytes, texts, streams and files are SHA-256`() throws {
    let folder = try ScratchFolder()
    var stream = StreamingDigest()
    stream.update(Data("a".utf8))
    stream.update(Data("bc".utf8))
    let digests = [
      Digest(of: "abc"), Digest(of: Data("abc".utf8)), try Digest(ofFile: folder.write("abc", to: "f")),
      stream.finish(),
    ]
    #expect(digests.map(\.description) == Array(repeating: Self.abc, count: 4))
    #expect(
      try Digest(ofFile: folder.write(Data(repeating: UInt8(ascii: "a"), count: 1_000_000), to: "g")).description
        == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")  // FIPS 180-2, B.3
    #expect(throws: (any Error).self) { try Digest(ofFile: folder.url.appending(path: "missing")) }
    #expect(throws: (any Error).self) { try Digest(ofFile: folder.url) }
  }

  @Test func `hexadecimal text, JSON and order agree`() throws {
    let digest = try #require(Digest(hex: Self.abc))
    #expect(digest == Digest(of: "abc"))
    #expect(digest.bytes.map { String(format: "%02x", $0) }.joined() == Self.abc)
    let json = try JSONEncoder().encode([digest])
    #expect(String(decoding: json, as: UTF8.self) == "[\"\(Self.abc)\"]")
    #expect(try JSONDecoder().decode([Digest].self, from: json) == [digest])
    #expect(
      [String(Self.abc.dropLast()), Self.abc + "0", "", String(repeating: "g", count: 64)].allSatisfy {
        Digest(hex: $0) == nil
      })
    let many = (0..<100).map { Digest(of: "\($0)") }
    #expect(many.sorted().map(\.description) == many.map(\.description).sorted())
  }

  @Test func `different sequences of values have different digests`() {
    typealias Add = (inout CanonicalHash) -> Void
    let sequences: [Add] = [
      { _ in }, { $0.addNull() }, { $0.add(false) }, { $0.add(true) }, { $0.add(0) }, { $0.add(1) }, { $0.add(1.0) },
      { $0.add("1") }, { $0.add("") }, { $0.addList(count: 0) }, { $0.addMap(count: 0) },
      {
        $0.add("a"); $0.add("b")
      }, { $0.add("ab") },
      {
        $0.addList(count: 1); $0.add("ab")
      }, { $0.add(-1) },
      { $0.add("\u{e9}") }, { $0.add("e\u{301}") }, { $0.add(Double.nan) }, { $0.add(Double.infinity) },
    ]
    let digests = sequences.map { add in
      var hash = CanonicalHash(domain: "test")
      add(&hash)
      return hash.finish()
    }
    #expect(Set(digests).count == sequences.count)
    #expect(CanonicalHash(domain: "other").finish() != digests[0])
  }

  @Test func `equal numbers have equal digests`() {
    func digest(_ value: Double) -> Digest {
      var hash = CanonicalHash(domain: "test")
      hash.add(value)
      return hash.finish()
    }
    #expect(digest(0.0) == digest(-0.0))
    #expect(digest(2e-1) == digest(0.20))
    #expect(digest(.nan) == digest(-.nan))
  }
}
