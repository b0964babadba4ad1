/// Signatures of key files, against Python's hmac and hashlib.
import Artifacts
import Foundation
import TestSupport
import Testing

@Suite struct RemoteKeyTests {
  private let secret = Data("a secret of sixteen bytes or more".utf8)
  private let signed = Data("what is signed".utf8)
  /// `hmac.new(hashlib.sha256(secret).digest(), signed, "sha256").hexdigest()`
  private let signature = "52ca6dfe278d7f390f60b231c865d36c1e7074e1a289eb22319a62a1888cba16"

  @Test func `a signature is HMAC-SHA256 under the digest of the secret`() throws {
    let key = try RemoteKey(secret: secret, from: "test")
    #expect(key.signature(of: signed) == signature)
    #expect(key.isValid(signature, of: signed))
  }

  @Test func `a signature with another digit, of another length or of other bytes is not valid`() throws {
    let key = try RemoteKey(secret: secret, from: "test")
    for wrong in [
      "", String(signature.dropLast()), signature + "0", "6" + signature.dropFirst(), signature.dropLast() + "7",
    ] {
      #expect(!key.isValid(wrong, of: signed))
    }
    #expect(!key.isValid(signature, of: signed + [0]))
    #expect(try !RemoteKey(secret: secret + Data("x".utf8), from: "test").isValid(signature, of: signed))
  }

  @Test func `a file's last line end does not count, and what is derived is the same key`() throws {
    let scratch = try ScratchFolder()
    for end in ["", "\n", "\r\n"] {
      let key = try RemoteKey(file: scratch.write(secret + Data(end.utf8), to: "key"))
      #expect(key.signature(of: signed) == signature)
      #expect(key.derived.count == RemoteKey.derivedBytes)
      #expect(RemoteKey(derived: key.derived).signature(of: signed) == signature)
    }
  }

  @Test(arguments: [0, 15, 4097])
  func `a secret that is too short or too long is refused`(count: Int) throws {
    let error = #expect(throws: UnusableRemoteKey.self) {
      try RemoteKey(secret: Data(repeating: 7, count: count), from: "$KEY")
    }
    #expect("\(try #require(error))".hasPrefix("the key of the remote store, $KEY, holds \(count) bytes, expected 16 "))
  }

  @Test func `a key that cannot be read is named`() throws {
    #expect(throws: UnusableRemoteKey.self) { try RemoteKey(file: URL(filePath: "/nonexistent/key")) }
  }
}
