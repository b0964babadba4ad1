/// The canonical, type-tagged encoding of values whose digest must be the same everywhere and for ever.
import Foundation

/// Hashes a sequence of values without ambiguity: no two different sequences encode to the same bytes.
///
/// Every value is one tag byte and a body; integers in the encoding are 8 bytes, big-endian:
///
///     n                       null
///     b 00|01                 boolean
///     i int64                 integer, two's complement
///     d bits                  IEEE 754 double; −0 as 0, every NaN as 7ff8000000000000
///     s count bytes           text, as its UTF-8 bytes (not normalised)
///     l count values…         list, in its order
///     m count (s… value)…     map, its keys by ascending UTF-8 bytes
///
/// The digest is SHA-256 of the domain as an `s` value, then of the values in the order in which they are added.
package struct CanonicalHash: Sendable {
  private var hash = StreamingDigest()

  /// - Parameter domain: what is hashed and the version of its form, so that different things never share a digest.
  package init(domain: String) { add(domain) }

  package mutating func addNull() { hash.update([UInt8(ascii: "n")]) }
  package mutating func add(_ value: Bool) { hash.update([UInt8(ascii: "b"), value ? 1 : 0]) }
  package mutating func add(_ value: Int) { tag("i", UInt64(bitPattern: Int64(value))) }
  package mutating func add(_ value: Double) {
    tag("d", value.isNaN ? 0x7ff8_0000_0000_0000 : value == 0 ? 0 : value.bitPattern)
  }
  package mutating func add(_ value: String) {
    var value = value
    value.withUTF8 { bytes in
      tag("s", UInt64(bytes.count))
      hash.update(UnsafeRawBufferPointer(bytes))
    }
  }
  /// The caller adds `count` values next.
  package mutating func addList(count: Int) { tag("l", UInt64(count)) }
  /// The caller adds `count` pairs of a text and a value next, ordered by `canonicalOrder`.
  package mutating func addMap(count: Int) { tag("m", UInt64(count)) }

  package func finish() -> Digest { hash.finish() }

  private mutating func tag(_ tag: Unicode.Scalar, _ word: UInt64) {
    hash.update([UInt8(ascii: tag)])
    withUnsafeBytes(of: word.bigEndian) { hash.update($0) }
  }
}

/// The order of map keys and of everything else that is stored or hashed in order: by UTF-8 bytes.
package func canonicalOrder(_ left: String, _ right: String) -> Bool {
  left.utf8.lexicographicallyPrecedes(right.utf8)
}
