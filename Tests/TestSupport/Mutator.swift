/// Changes files as nobody who means well would: bytes, pieces, tokens, and the values of JSON.

public struct Mutator: Sendable {
  private var random = SplitMix(state: 0)
  private let seed: UInt64
  private let files: [[UInt8]]
  private let tokens: [[UInt8]]

  /// - Parameters:
  ///   - files: as they should be; at least one.
  ///   - tokens: what the format cares for, to be put in anywhere.
  ///   - seed: the same gives the same mutations.
  public init(_ files: [[UInt8]], tokens: [String] = [], seed: UInt64) {
    self.files = files
    self.tokens = tokens.map { Array($0.utf8) }
    self.seed = seed
  }

  /// One of the files, changed in one to six places.
  public mutating func mutation(_ number: Int) -> [UInt8] {
    random = SplitMix(state: seed &* 1_000_003 &+ UInt64(number))
    var bytes = files.randomElement(using: &random) ?? []
    for _ in 0..<Int.random(in: 1...6, using: &random) {
      if Bool.random(using: &random), let value = JSONSpans(bytes).all.randomElement(using: &random) {
        bytes.replaceSubrange(value, with: replacement(of: value, in: bytes))
      } else {
        change(&bytes)
      }
    }
    return bytes
  }

  private mutating func change(_ bytes: inout [UInt8]) {
    let place = Int.random(in: 0...bytes.count, using: &random)
    let end = min(bytes.count, place + Int.random(in: 0...40, using: &random))
    switch Int.random(in: 0..<8, using: &random) {
    case 0: if place < bytes.count { bytes[place] = UInt8.random(in: 0...255, using: &random) }
    case 1: if place < bytes.count { bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random) }
    case 2: bytes.removeSubrange(place..<end)
    case 3: bytes.removeSubrange(place...)
    case 4: bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &random))
    case 5:  // the head of one file, the tail of another
      let other = files.randomElement(using: &random) ?? []
      bytes.replaceSubrange(place..., with: other.dropFirst(min(place, other.count)))
    default:
      let token = (tokens.isEmpty ? Self.texts : tokens).randomElement(using: &random) ?? []
      bytes.replaceSubrange(Bool.random(using: &random) ? place..<place : place..<end, with: token)
    }
  }

  /// What stands in for a value: an extreme number or text, another value, itself many times, or itself deep inside.
  private mutating func replacement(of value: Range<Int>, in bytes: [UInt8]) -> [UInt8] {
    let old = Array(bytes[value])
    switch Int.random(in: 0..<8, using: &random) {
    case 0...2: return Self.numbers.randomElement(using: &random) ?? []
    case 3, 4: return Self.texts.randomElement(using: &random) ?? []
    case 5:
      return JSONSpans(bytes).all.randomElement(using: &random).map { Array(bytes[$0]) } ?? old
    case 6:
      let count = [2, 17, 300].randomElement(using: &random) ?? 2
      let copies = repeatElement(old, count: old.count * count < Self.mostBytes ? count : 1)
      return Array("[".utf8) + copies.joined(separator: [UInt8(ascii: ",")]) + Array("]".utf8)
    default:
      let depth = [1, 3, 127, 2000].randomElement(using: &random) ?? 1
      let (open, close) = Bool.random(using: &random) ? ("[", "]") : (#"{"a":"#, "}")
      return Array(String(repeating: open, count: depth).utf8) + old
        + Array(String(repeating: close, count: depth).utf8)
    }
  }

  /// Copies of copies would fill the memory.
  private static let mostBytes = 1 << 20

  private static let numbers = [
    "0", "-0", "-1", "1", "2", "127", "128", "255", "256", "32768", "65536", "2147483647", "2147483648", "-2147483649",
    "4294967296", "9007199254740993", "4611686018427387904", "9223372036854775807", "-9223372036854775808",
    "9223372036854775808", "18446744073709551615", "18446744073709551616", "1000000000000000000000000000000", "0.5",
    "1.0",
    "1e-320", "5e-324", "1e-400", "1e308", "-1.7976931348623157e308", "1e400", "0.99999999999999999", "1e5", "1E+2",
  ].map { Array($0.utf8) }

  private static let texts = [
    "null", "true", "false", "[]", "{}", #""""#, #""\u0000""#, #""a\u0000b""#, #""../../x""#, #""..\/\u0301x""#,
    #""/etc/passwd""#,
    #"".""#, #""..""#, #""é""#, #""e\u0301""#, #""\ud83d\ude00""#, #""\ud800""#, "\"\u{7F}\u{9B}\u{2028}\"", #""inf""#,
    #""nan""#,
    #""-inf""#, "NaN", "Infinity", "\"" + String(repeating: "x", count: 70_000) + "\"", "\u{FEFF}", "\0", ",", ":",
    "\n", "\"",
    "\\", "}", "]", "/*", "한",
  ].map { Array($0.utf8) }
}

/// Where the values of something like JSON lie, found as far as it is JSON, headers and tails of other bytes left out.
struct JSONSpans {
  private(set) var all: [Range<Int>] = []

  init(_ bytes: [UInt8]) {
    var open: [Int] = []
    var place = 0
    while place < bytes.count {
      let start = place
      place += 1
      switch bytes[start] {
      case UInt8(ascii: "{"), UInt8(ascii: "["): open.append(start)
      case UInt8(ascii: "}"), UInt8(ascii: "]"): if let start = open.popLast() { all.append(start..<place) }
      case UInt8(ascii: "\""):
        while place < bytes.count, bytes[place] != UInt8(ascii: "\"") {
          place += bytes[place] == UInt8(ascii: "\\") ? 2 : 1
        }
        place = min(place + 1, bytes.count)
        all.append(start..<place)
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "a")...UInt8(ascii: "z"):
        while place < bytes.count, Self.isWord(bytes[place]) { place += 1 }
        all.append(start..<place)
      default: break
      }
    }
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"):
      true
    default: byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") || byte == UInt8(ascii: ".")
    }
  }
}
