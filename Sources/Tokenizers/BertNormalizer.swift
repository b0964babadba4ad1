/// BERT's normalizer: clean, set ideographs apart, strip accents, lowercase; scalar by scalar in that order.

struct BertNormalizer: Sendable {
  var cleansText = true
  var separatesIdeographs = true
  var stripsAccents: Bool
  var lowercases: Bool

  func normalize(_ text: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) {
    output.reserveCapacity(output.count + text.count + 16)
    var index = 0
    var marks: [UInt32] = []  // waiting to be put into canonical order
    while index < text.count {
      let byte = text[index]
      if byte < 0x80 {
        index += 1
        if !marks.isEmpty { flush(&marks, into: &output) }
        if byte < 0x20 || byte == 0x7F, cleansText {
          if byte == 0x09 || byte == 0x0A || byte == 0x0D { output.append(0x20) }
        } else {
          output.append(lowercases && byte &- 0x41 < 26 ? byte | 0x20 : byte)
        }
        continue
      }
      var scalar = text.scalar(at: &index)
      var traits = ScalarTraits.of(scalar)
      if cleansText {
        if scalar == 0xFFFD || traits.contains(.other) { continue }
        if traits.contains(.whitespace) { (scalar, traits) = (0x20, .whitespace) }
      }
      let isApart = separatesIdeographs && traits.contains(.ideograph)
      if isApart { separate(&marks, into: &output) }
      if stripsAccents, traits.contains(.decomposes) {
        for part in ScalarTraits.decomposition(of: scalar) {
          place(part, ScalarTraits.of(part), &marks, into: &output)
        }
      } else {
        place(scalar, traits, &marks, into: &output)
      }
      if isApart { separate(&marks, into: &output) }
    }
    flush(&marks, into: &output)
  }

  /// Appends a decomposed scalar, unless it is an accent to strip or a mark that must wait for its place.
  @inline(__always)
  private func place(
    _ scalar: UInt32, _ traits: ScalarTraits, _ marks: inout [UInt32], into output: inout [UInt8]
  ) {
    if stripsAccents {
      if traits.contains(.nonspacingMark) { return }
      if traits.contains(.reorders) { return marks.append(scalar) }
      if !marks.isEmpty { flush(&marks, into: &output) }
    }
    lowercases && traits.contains(.lowercases) ? output.append(lowercased: scalar) : output.append(scalar: scalar)
  }

  private func separate(_ marks: inout [UInt32], into output: inout [UInt8]) {
    flush(&marks, into: &output)
    output.append(0x20)
  }

  private func flush(_ marks: inout [UInt32], into output: inout [UInt8]) {
    guard !marks.isEmpty else { return }
    let ordered = marks.enumerated().sorted {
      (ScalarTraits.combiningClass(of: $0.element), $0.offset) < (
        ScalarTraits.combiningClass(of: $1.element), $1.offset
      )
    }
    for mark in ordered {
      lowercases ? output.append(lowercased: mark.element) : output.append(scalar: mark.element)
    }
    marks.removeAll(keepingCapacity: true)
  }
}

extension BertNormalizer {
  init(_ fields: TokenizerFields) throws {
    lowercases = try fields.bool("lowercase", default: true)
    stripsAccents = try fields.bool("strip_accents", default: lowercases)
    cleansText = try fields.bool("clean_text", default: true)
    separatesIdeographs = try fields.bool("handle_chinese_chars", default: true)
  }
}
