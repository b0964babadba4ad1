/// What git calls a file's content: the name of small files in a hub's cache.
import Crypto
import Foundation

/// 40 hexadecimal digits: SHA-1 of `blob`, the length and the bytes. Throws if the file cannot be read.
package func gitBlobHash(ofFile url: URL) throws -> String {
  guard let status = FileStatus.of(url) else { throw FileError("read", url) }
  var hash = Insecure.SHA1()
  hash.update(data: Data("blob \(status.stamp.size)\0".utf8))
  _ = try FileContent.read(url) { hash.update(bufferPointer: $0) }
  return hash.finalize().map { String(format: "%02x", $0) }.joined()
}
