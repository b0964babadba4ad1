/// Replaces secrets in a stream of bytes: as they are, percent-encoded, escaped as in JSON, in base64, and wherever the
/// stream's pieces cut them.
import Foundation

package struct MaskingFilter: Sendable {
  /// Fewer bytes are no secret: masking each of their occurrences would hide the log, and tell what they are.
  package static let shortest = 4
  private static let mask = Array("***".utf8)
  private let hasSecrets: Bool
  private var plain: SecretTrail
  private var percent: [PercentText]
  private var json: JSONStringText
  private var base64: [Base64Text]
  private var found = Stretches()
  /// What was not passed on yet, and where in the stream it begins.
  private var held: [UInt8] = []
  private var start = 0
  /// Whether what was passed on last was masked.
  private var isMasking = false

  /// - Parameter secrets: values; of one with several lines every line is masked for itself too.
  package init(_ secrets: some Sequence<String>) {
    let parts = secrets.flatMap { secret -> [[UInt8]] in
      let bytes = Array(secret.utf8)
      return [bytes] + bytes.split { $0 == 0x0A || $0 == 0x0D }.map(Array.init)
    }
    let automaton = SecretAutomaton(Set(parts.filter { $0.count >= Self.shortest }))
    hasSecrets = automaton.longest > 0
    plain = SecretTrail(automaton)
    percent = [false, true].map { PercentText(automaton, plusIsSpace: $0) }
    json = JSONStringText(automaton)
    base64 = (0..<4).map { Base64Text(automaton, phase: $0) }
  }

  /// What can be passed on now: all but an end that may become a secret.
  package mutating func feed(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    guard hasSecrets else { return Array(bytes) }
    var place = start + held.count
    for byte in bytes {
      held.append(byte)
      plain.step(byte, at: place..<place + 1, &found)
      for index in percent.indices { percent[index].read(byte, at: place, &found) }
      json.read(byte, at: place, &found)
      for index in base64.indices { base64[index].read(byte, at: place, &found) }
      place += 1
    }
    let open = percent.map { $0.beginning(before: place) } + base64.map { $0.beginning(before: place) }
    let certain = min(plain.beginning ?? place, json.beginning(before: place), open.min() ?? place)
    return release(upTo: certain)
  }

  /// What was held back at the stream's end.
  package mutating func finish() -> [UInt8] { release(upTo: start + held.count) }

  private mutating func release(upTo end: Int) -> [UInt8] {
    var output: [UInt8] = []
    var place = start
    func pass(upTo next: Int) {
      guard place < next else { return }
      output += held[place - start..<next - start]
      isMasking = false
      place = next
    }
    for range in found.ranges where range.lowerBound < end {
      pass(upTo: range.lowerBound)
      if !isMasking { output += Self.mask }
      isMasking = true
      place = min(range.upperBound, end)
    }
    pass(upTo: end)
    held.removeFirst(end - start)
    start = end
    found.forget(upTo: end)
    return output
  }

  /// A whole text without the secrets.
  package func masked(_ text: String) -> String {
    var filter = self
    return String(decoding: filter.feed(text.utf8) + filter.finish(), as: UTF8.self)
  }
}
