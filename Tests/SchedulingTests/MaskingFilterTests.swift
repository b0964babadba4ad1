/// Secrets never reach a log.
import Foundation
@testable import Scheduling
import TestSupport
import Testing

@Suite struct MaskingFilterTests {
  private func filtered(_ pieces: [[UInt8]], _ secrets: [String]) -> String {
    var filter = MaskingFilter(secrets)
    var output: [UInt8] = []
    for piece in pieces { output += filter.feed(piece) }
    output += filter.finish()
    return String(decoding: output, as: UTF8.self)
  }

  /// The same for every place at which the text can be cut in two, and for single bytes.
  private func expect(
    _ text: String, masked: String, _ secrets: [String], sourceLocation: Testing.SourceLocation = #_sourceLocation
  ) {
    let bytes = Array(text.utf8)
    var results = Set((0...bytes.count).map { filtered([Array(bytes[..<$0]), Array(bytes[$0...])], secrets) })
    results.insert(filtered(bytes.map { [$0] }, secrets))
    #expect(results == [masked], sourceLocation: sourceLocation)
  }

  @Test func `a secret is masked wherever the stream is cut`() {
    expect("token=hf_abc, hf_ab, hf_abcabc\n", masked: "token=***, hf_ab, ***abc\n", ["hf_abc"])
  }

  @Test func `lines of a secret count for themselves`() {
    expect("line2 and line1\nline2", masked: "*** and ***", ["line1\nline2"])
  }

  @Test func `a secret inside the beginning of another is masked`() {
    expect("pre-HUNTER2", masked: "pre-***", ["pre-HUNTER2-post", "HUNTER2"])
    expect("pre-HUNTER2-pos", masked: "pre-***-pos", ["pre-HUNTER2-post", "HUNTER2"])
    expect("pre-HUNTER2-post", masked: "***", ["pre-HUNTER2-post", "HUNTER2"])
  }

  @Test func `secrets that overlap or touch become one mask`() {
    expect("<abcdefgh>", masked: "<***>", ["abcdef", "cdefgh"])
    expect("<abcdabcd>", masked: "<***>", ["abcd"])
    expect("<aaaaaaa>", masked: "<***>", ["aaaa"])
  }

  @Test func `nothing is changed without secrets, nor for secrets that are too short`() {
    expect("ab abc", masked: "ab abc", ["", "ab", "abc"])
  }

  @Test(arguments: [
    "pa%C3%9fw%c3%b6rt%2F+%2B%22%0a", "pa%C3%9Fw%C3%B6rt/%20%2B%22%0A", "%70a%C3%9Fw%C3%B6rt/%20+%22%0A",
    #"paßwört/ +\"\n"#, #"pa\u00dfw\u00F6rt\/ \u002b\u0022\u000A"#, #"\u0070a\u00DFwört\/ +\"\n"#,
  ])
  func `percent-encoded and JSON-escaped forms are masked in every spelling`(form: String) {
    expect("100% <\(form)> \\ %4", masked: "100% <***> \\ %4", ["paßwört/ +\"\n"])
  }

  @Test func `characters beyond the basic plane are masked as JSON escapes them`() {
    expect(#""\ud83d\uDE00key\ud83d""#, masked: #""***\ud83d""#, ["😀key"])
  }

  @Test(arguments: 0..<6, ["", "tail", "a longer tail"])
  func `base64 is masked at each alignment, in both alphabets, padded or not`(before: Int, after: String) {
    let secret = "s3cret~~~??>>ÿÿ"
    let standard = Data((String(repeating: "k", count: before) + secret + after).utf8).base64EncodedString()
    let url = standard.replacing("+", with: "-").replacing("/", with: "_")
    #expect(standard != url)
    let bare = Data(secret.utf8).base64EncodedString().dropLast(4)
    for text in [standard, url, url.replacing("=", with: "")] {
      let masked = filtered([Array("x=\(text).".utf8)], [secret])
      #expect(masked.hasPrefix("x=") && masked.contains("***"))
      // Signs that hold a bit of the secret are gone, others stay.
      let padding = text.reversed().prefix { $0 == "=" }.count
      let first = before * 8 / 6
      let last = ((before + secret.utf8.count) * 8 + 5) / 6
      expect("x=\(text).", masked: "x=\(text.prefix(first))***\(text.dropFirst(last)).", [secret])
      #expect(padding <= 2 && !masked.contains(bare))
    }
  }

  @Test func `base64 that is broken into lines, or begins behind other letters, is masked`() {
    let secret = "a token that is longer than one line of base64 is, which has 76 signs; so this one has more of them"
    let data = Data("k\(secret)".utf8)
    let lines = data.base64EncodedString(options: [.lineLength76Characters, .endLineWithLineFeed])
    #expect(lines.contains("\n"))
    expect("<\(lines)>\n", masked: "<a***==>\n", [secret])
    for letters in ["q", "qr", "qrs"] {
      expect(letters + data.base64EncodedString(), masked: letters + "a***==", [secret])
    }
  }

  @Test func `what is complete is passed on at once`() {
    var filter = MaskingFilter(["HUNTER2", "done!"])
    #expect(filter.feed("step 50 of 100\n".utf8) == Array("step 50 of 100\n".utf8))
    #expect(filter.feed("done".utf8) == [])
    #expect(filter.feed("\n".utf8) == Array("done\n".utf8))
  }

  @Test func `random texts are masked as the plain definition says`() {
    var random = SplitMix(state: 7)
    let words = [
      "ab", "aba", "é", "\"", "\\", "n", "u00e9", "%", "4", "25", "+", " ", "\\n", "\\\"", "%61", "\\u0061", "YWJh",
      "=", "😀", "\\ud83d", "\\ude00",
    ]
    func text(_ count: Int) -> String { (0..<count).map { _ in words.randomElement(using: &random)! }.joined() }
    for _ in 0..<1000 {
      let secrets = (0..<3).map { _ in text(Int.random(in: 1...5, using: &random)) }
      var log = Array(text(12).utf8)
      for secret in secrets {
        let bytes = Array([secret, Data(secret.utf8).base64EncodedString()].randomElement(using: &random)!.utf8)
        log.insert(contentsOf: bytes, at: Int.random(in: 0...log.count, using: &random))
      }
      let cut = Int.random(in: 0...log.count, using: &random)
      let masked = filtered([Array(log[..<cut]), Array(log[cut...])], secrets)
      #expect(masked == PlainMask(secrets).masked(log), "\(secrets) in \(String(decoding: log, as: UTF8.self))")
    }
  }
}

/// The definition, slowly: every reading of the whole text, every secret, every place.
private struct PlainMask {
  private typealias Shown = (byte: UInt8, place: Range<Int>)
  private let secrets: [[UInt8]]

  init(_ secrets: [String]) {
    let lines = secrets.flatMap { $0.unicodeScalars.split { $0 == "\n" || $0 == "\r" }.map { String($0) } }
    self.secrets = (secrets + lines).map { Array($0.utf8) }.filter { $0.count >= 4 }
  }

  func masked(_ log: [UInt8]) -> String {
    var isMasked = [Bool](repeating: false, count: log.count)
    let readings =
      [plain(log), percent(log, plusIsSpace: false), percent(log, plusIsSpace: true), json(log)]
      + (0..<4).flatMap { base64(log, phase: $0) }
    for shown in readings {
      for secret in secrets where secret.count <= shown.count {
        for start in 0...shown.count - secret.count
        where zip(secret, shown[start...]).allSatisfy({ $0 == $1.byte }) {
          let end = shown[start + secret.count - 1].place.upperBound
          for index in shown[start].place.lowerBound..<end { isMasked[index] = true }
        }
      }
    }
    var output: [UInt8] = []
    for (index, byte) in log.enumerated() {
      if !isMasked[index] { output.append(byte) }
      if isMasked[index], index == 0 || !isMasked[index - 1] { output += Array("***".utf8) }
    }
    return String(decoding: output, as: UTF8.self)
  }

  private func plain(_ log: [UInt8]) -> [Shown] { log.indices.map { (log[$0], $0..<$0 + 1) } }

  private func hex(_ bytes: ArraySlice<UInt8>, _ count: Int) -> Int? {
    guard bytes.count == count, bytes.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
    return Int(String(decoding: bytes, as: UTF8.self), radix: 16)
  }

  private func percent(_ log: [UInt8], plusIsSpace: Bool) -> [Shown] {
    var shown: [Shown] = []
    var index = 0
    while index < log.count {
      if log[index] == UInt8(ascii: "%"), let value = hex(log[(index + 1)...].prefix(2), 2) {
        shown.append((UInt8(value), index..<index + 3))
        index += 3
      } else {
        let isSpace = plusIsSpace && log[index] == UInt8(ascii: "+")
        shown.append((isSpace ? 0x20 : log[index], index..<index + 1))
        index += 1
      }
    }
    return shown
  }

  private func json(_ log: [UInt8]) -> [Shown] {
    let names: [UInt8: UInt8] = Dictionary(uniqueKeysWithValues: zip("btnfr".utf8, [8, 9, 10, 12, 13]))
    var shown: [Shown] = []
    var index = 0
    func unit(at index: Int) -> Int? {
      index < log.count && log[index...].starts(with: Array("\\u".utf8))
        ? hex(log[min(index + 2, log.count)...].prefix(4), 4) : nil
    }
    func add(_ scalar: Int, _ length: Int) {
      let text = String(Unicode.Scalar(UInt32(scalar)) ?? "\u{FFFD}")
      shown += text.utf8.map { ($0, index..<index + length) }
      index += length
    }
    while index < log.count {
      if let high = unit(at: index) {
        if (0xD800..<0xDC00).contains(high), let low = unit(at: index + 6), (0xDC00..<0xE000).contains(low) {
          add(0x10000 + (high - 0xD800) * 1024 + low - 0xDC00, 12)
        } else {
          add(high, 6)
        }
      } else if log[index] == UInt8(ascii: "\\"), index + 1 < log.count,
        let meant = names[log[index + 1]]
          ?? (Character(Unicode.Scalar(log[index + 1])).isPunctuationOrSymbol ? log[index + 1] : nil)
      {
        shown.append((meant, index..<index + 2))
        index += 2
      } else {
        shown.append((log[index], index..<index + 1))
        index += 1
      }
    }
    return shown
  }

  /// Of every run of base64's signs, one reading; no line breaks, which have a test of their own.
  private func base64(_ log: [UInt8], phase: Int) -> [[Shown]] {
    let signs = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    let runs = log.indices.split { !signs.contains(log[$0]) }
    return runs.map { run in
      let places = Array(run.dropFirst(phase))
      let bits = places.flatMap { place in
        (0..<6).reversed().map { (signs.firstIndex(of: log[place])! >> $0 & 1, place) }
      }
      return stride(from: 0, to: bits.count - 7, by: 8).map { start in
        let byte = bits[start..<start + 8].reduce(0) { $0 * 2 + $1.0 }
        return (UInt8(byte), bits[start].1..<bits[start + 7].1 + 1)
      }
    }
  }
}

extension Character {
  fileprivate var isPunctuationOrSymbol: Bool { isASCII && (isPunctuation || isSymbol) }
}
