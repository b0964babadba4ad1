/// Replaces secrets in a stream of bytes, also where a secret is cut in two by the stream's pieces.
import Foundation

package struct MaskingFilter {
  private static let mask = Array("***".utf8)
  private let secrets: [[UInt8]]
  private var held: [UInt8] = []

  /// - Parameter secrets: values; of one with several lines every line is masked for itself too.
  package init(_ secrets: [String]) {
    let parts = Set(secrets.flatMap { [$0] + $0.split(whereSeparator: \.isNewline).map(String.init) })
    // The longest first: one secret may be part of another.
    self.secrets = parts.filter { !$0.isEmpty }.map { Array($0.utf8) }.sorted { $0.count > $1.count }
  }

  /// What can be passed on now: all but an end that may become a secret.
  package mutating func feed(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    var rest = (held + bytes)[...]
    var output: [UInt8] = []
    while !rest.isEmpty {
      if let secret = secrets.first(where: { rest.starts(with: $0) }) {
        output += Self.mask
        rest.removeFirst(secret.count)
      } else if secrets.contains(where: { $0.count > rest.count && $0.starts(with: rest) }) {
        break
      } else {
        output.append(rest.removeFirst())
      }
    }
    held = Array(rest)
    return output
  }

  /// What was held back at the stream's end.
  package mutating func finish() -> [UInt8] {
    defer { held = [] }
    return held
  }
}
