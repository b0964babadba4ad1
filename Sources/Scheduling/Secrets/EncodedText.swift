/// Reads a log as if all of it were written in one encoding, so that secrets are found which a program has encoded.
/// What is not of the encoding stands for itself.

/// `%2F` for a slash, and in forms a plus for a space.
struct PercentText: Sendable {
  private let plusIsSpace: Bool
  private var trail: SecretTrail
  /// The percent sign and the digit after it.
  private var escape: [UInt8] = []

  init(_ automaton: SecretAutomaton, plusIsSpace: Bool) {
    self.plusIsSpace = plusIsSpace
    trail = SecretTrail(automaton)
  }

  mutating func read(_ byte: UInt8, at place: Int, _ found: inout Stretches) {
    if !escape.isEmpty {
      if let digit = hexadecimal(byte) {
        if escape.count == 2, let high = hexadecimal(escape[1]) {
          trail.step(high << 4 | digit, at: place - 2..<place + 1, &found)
          escape = []
        } else {
          escape.append(byte)
        }
        return
      }
      let start = place - escape.count
      for (index, byte) in escape.enumerated() { trail.step(byte, at: start + index..<start + index + 1, &found) }
      escape = []
    }
    if byte == UInt8(ascii: "%") {
      escape = [byte]
    } else {
      let isSpace = plusIsSpace && byte == UInt8(ascii: "+")
      trail.step(isSpace ? UInt8(ascii: " ") : byte, at: place..<place + 1, &found)
    }
  }

  /// The first place whose meaning is not known yet, before `end`.
  func beginning(before end: Int) -> Int { trail.beginning ?? end - escape.count }
}

/// The inside of a JSON string: `\"`, `\n`, `\u00e9`; a backslash takes other punctuation along, as in most languages.
struct JSONStringText: Sendable {
  private var trail: SecretTrail
  /// The backslash and what belongs to it so far.
  private var escape: [UInt8] = []
  /// The first half of a character that takes two `\u`, and where it begins.
  private var high: (unit: UInt32, place: Int)?

  init(_ automaton: SecretAutomaton) { trail = SecretTrail(automaton) }

  mutating func read(_ byte: UInt8, at place: Int, _ found: inout Stretches) {
    guard !escape.isEmpty else { return begin(byte, at: place, &found) }
    let start = place - escape.count
    if escape.count == 1 {
      if byte == UInt8(ascii: "u") {
        escape.append(byte)
        return
      }
      if let meant = Self.meaning(of: byte) {
        escape = []
        return show([meant], at: start..<place + 1, &found)
      }
    } else if hexadecimal(byte) != nil {
      escape.append(byte)
      if escape.count == 6 { finish(at: start..<place + 1, &found) }
      return
    }
    let broken = escape
    escape = []
    for (index, byte) in broken.enumerated() { show([byte], at: start + index..<start + index + 1, &found) }
    begin(byte, at: place, &found)
  }

  private mutating func begin(_ byte: UInt8, at place: Int, _ found: inout Stretches) {
    if byte == UInt8(ascii: "\\") { escape = [byte] } else { show([byte], at: place..<place + 1, &found) }
  }

  private static func meaning(of byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "b"): 0x08
    case UInt8(ascii: "t"): 0x09
    case UInt8(ascii: "n"): 0x0A
    case UInt8(ascii: "f"): 0x0C
    case UInt8(ascii: "r"): 0x0D
    case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: byte
    default: nil
    }
  }

  private mutating func finish(at place: Range<Int>, _ found: inout Stretches) {
    let unit = escape.suffix(4).reduce(0) { $0 << 4 | UInt32(hexadecimal($1) ?? 0) }
    escape = []
    if let first = high, unit >> 10 == 0x37 {
      high = nil
      let scalar = Unicode.Scalar(0x10000 + (first.unit & 0x3FF) << 10 + unit & 0x3FF) ?? "\u{FFFD}"
      show(Array(UTF8.encode(scalar) ?? .init()), at: first.place..<place.upperBound, &found)
    } else if unit >> 10 == 0x36 {
      endHalf(&found)
      high = (unit, place.lowerBound)
    } else {
      show(Array(UTF8.encode(Unicode.Scalar(unit) ?? "\u{FFFD}") ?? .init()), at: place, &found)
    }
  }

  private mutating func show(_ bytes: [UInt8], at place: Range<Int>, _ found: inout Stretches) {
    endHalf(&found)
    for byte in bytes { trail.step(byte, at: place, &found) }
  }

  /// A first half without a second is no character.
  private mutating func endHalf(_ found: inout Stretches) {
    guard let half = high else { return }
    high = nil
    for byte in "\u{FFFD}".utf8 { trail.step(byte, at: half.place..<half.place + 6, &found) }
  }

  /// The first place whose meaning is not known yet, before `end`.
  func beginning(before end: Int) -> Int { trail.beginning ?? high?.place ?? end - escape.count }
}

/// Base64 in the standard alphabet and in that of URLs, with padding or without, also broken into lines. Where in a
/// longer text a group of four signs begins cannot be seen: four readers, one a `phase`, try each.
struct Base64Text: Sendable {
  private let phase: Int
  private var trail: SecretTrail
  /// Signs since the text began, or `nil` outside of one.
  private var index = 0
  private var bits: UInt32 = 0
  private var bitCount = 0
  /// Where the sign lies that holds the first of them.
  private var bitsPlace = 0

  init(_ automaton: SecretAutomaton, phase: Int) {
    self.phase = phase
    trail = SecretTrail(automaton)
  }

  mutating func read(_ byte: UInt8, at place: Int, _ found: inout Stretches) {
    guard let value = Self.value(of: byte) else {
      let isLineBreak = byte == 0x0A || byte == 0x0D
      if isLineBreak, trail.beginning != nil { return }
      bitCount = 0
      trail.restart()
      // Lines are mostly as long as a multiple of four.
      if !isLineBreak { index = 0 }
      return
    }
    defer { index += 1 }
    if bitCount == 0 {
      // Between whole groups, or before the first.
      if trail.beginning == nil, index & 3 != phase { return }
      bitsPlace = place
    }
    bits = bits << 6 | value
    bitCount += 6
    guard bitCount >= 8 else { return }
    bitCount -= 8
    trail.step(UInt8(truncatingIfNeeded: bits >> bitCount), at: bitsPlace..<place + 1, &found)
    bitsPlace = place
  }

  private static func value(of byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte) - 65
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte) - 71
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte) + 4
    case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
    case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
    default: nil
    }
  }

  /// The first place whose meaning is not known yet, before `end`.
  func beginning(before end: Int) -> Int { trail.beginning ?? (bitCount > 0 ? bitsPlace : end) }
}

private func hexadecimal(_ byte: UInt8) -> UInt8? {
  switch byte {
  case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - 48
  case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - 87
  case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - 55
  default: nil
  }
}
