/// Decoding and appending single scalars in buffers of valid UTF-8.

extension UnsafeBufferPointer<UInt8> {
  /// The scalar that starts at `index`, which moves behind it. The bytes are valid UTF-8, as a String's are.
  @inline(__always)
  func scalar(at index: inout Int) -> UInt32 {
    let lead = UInt32(self[index])
    if lead < 0x80 {
      index += 1
      return lead
    }
    let count = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
    var scalar = lead & (0x7F >> UInt32(count))
    for offset in 1..<count { scalar = scalar << 6 | UInt32(self[index + offset]) & 0x3F }
    index += count
    return scalar
  }

  @inline(__always)
  func forEachScalar(_ body: (UInt32) -> Void) {
    var index = 0
    while index < count { body(scalar(at: &index)) }
  }

  /// The scalar that ends before `index`, which moves to its start.
  func scalar(before index: inout Int) -> UInt32 {
    repeat { index -= 1 } while self[index] & 0xC0 == 0x80
    var start = index
    return scalar(at: &start)
  }
}

extension [UInt8] {
  /// Appends a Unicode scalar value as UTF-8.
  @inline(__always)
  mutating func append(scalar: UInt32) {
    switch scalar {
    case 0..<0x80: append(UInt8(scalar))
    case 0..<0x800:
      append(UInt8(0xC0 | scalar >> 6))
      append(UInt8(0x80 | scalar & 0x3F))
    case 0..<0x10000:
      append(UInt8(0xE0 | scalar >> 12))
      append(UInt8(0x80 | scalar >> 6 & 0x3F))
      append(UInt8(0x80 | scalar & 0x3F))
    default:
      append(UInt8(0xF0 | scalar >> 18))
      append(UInt8(0x80 | scalar >> 12 & 0x3F))
      append(UInt8(0x80 | scalar >> 6 & 0x3F))
      append(UInt8(0x80 | scalar & 0x3F))
    }
  }
  /// Appends the lowercase of the single scalar, without context: Σ becomes σ at a word's end too.
  mutating func append(lowercased scalar: UInt32) {
    guard ScalarTraits.of(scalar).contains(.lowercases), let scalar = Unicode.Scalar(scalar) else {
      return append(scalar: scalar)
    }
    append(contentsOf: scalar.properties.lowercaseMapping.utf8)
  }
}
