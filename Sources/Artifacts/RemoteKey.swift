/// The secret with which key files of a remote store are signed, so that not everybody who can write there is trusted.
import Crypto
import Foundation

package struct RemoteKey: Sendable {
  /// Printed nowhere.
  private let key: SymmetricKey

  private static let fewestBytes = 16
  private static let mostBytes = 4096

  /// - Parameter secret: a line end at its end does not count.
  /// - Throws: `UnusableRemoteKey` if it is too short to be a secret, or too long.
  package init(secret: Data, from source: String) throws {
    var secret = secret
    for end in "\n\r".utf8 where secret.last == end { secret.removeLast() }
    guard (Self.fewestBytes...Self.mostBytes).contains(secret.count) else {
      throw UnusableRemoteKey(
        source: source,
        reason: "holds \(secret.count) bytes, expected \(Self.fewestBytes) to \(Self.mostBytes); "
          + "`openssl rand -hex 32` makes a good one")
    }
    // One length for whatever was given, so that it can be handed to a worker.
    key = SymmetricKey(data: SHA256.hash(data: secret))
  }

  package init(file: URL) throws {
    let data: Data
    do {
      // Not a regular file alone: a shell's `<(…)` is a pipe.
      let handle = try FileHandle(forReadingFrom: file)
      data = try handle.read(upToCount: Self.mostBytes + 3) ?? Data()
    } catch { throw UnusableRemoteKey(source: file.posixPath, reason: "cannot be read: \(error.localizedDescription)") }
    try self.init(secret: data, from: file.posixPath)
  }

  /// What a worker is handed, on a pipe.
  package static let derivedBytes = 32
  package var derived: Data { key.withUnsafeBytes { Data($0) } }
  package init(derived: Data) { key = SymmetricKey(data: derived) }

  /// HMAC-SHA256, in hexadecimal digits.
  package func signature(of data: Data) -> String {
    HMAC<SHA256>.authenticationCode(for: data, using: key).map { byte in
      let digits = String(byte, radix: 16)
      return digits.count == 1 ? "0" + digits : digits
    }.joined()
  }

  /// Takes as long for a signature that is wrong in its first byte as for any other.
  package func isValid(_ signature: String, of data: Data) -> Bool {
    guard let code = Digest(hex: signature) else { return false }
    return HMAC<SHA256>.isValidAuthenticationCode(code.bytes, authenticating: data, using: key)
  }
}

package struct UnusableRemoteKey: Error, CustomStringConvertible {
  let source: String
  let reason: String
  package var description: String { "the key of the remote store, \(source), \(reason)" }
}
