/// Small letters as Python's `str.lower` has them, which sentence-transformers applies where a folder asks for it.

extension String {
  /// By Unicode's full mapping; a Σ at the end of a word becomes ς (Unicode 3.13, Final_Sigma).
  var lowercasedAsPython: String {
    if utf8.allSatisfy({ $0 < 0x80 }) { return lowercased() }
    let scalars = Array(unicodeScalars)
    /// Whether the nearest scalar, ignorable ones left out, has a case.
    func isNearLetter(_ places: some Sequence<Int>) -> Bool {
      places.lazy.map { scalars[$0].properties }.first { !$0.isCaseIgnorable }?.isCased ?? false
    }
    var result = ""
    for (place, scalar) in scalars.enumerated() {
      if scalar == "Σ" {
        let ends = isNearLetter((0..<place).reversed()) && !isNearLetter(place + 1..<scalars.count)
        result.unicodeScalars.append(ends ? "ς" : "σ")
      } else {
        result += scalar.properties.lowercaseMapping
      }
    }
    return result
  }
}
