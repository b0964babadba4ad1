/// Sizes and times as people write them: `6GB`, `512MiB`, `4h`, `1h30m`.

/// Bytes; `nil` if the text is no size.
func parseBytes(_ text: String) -> Int? {
  let units = [
    "B": 1, "KB": 1000, "MB": 1_000_000, "GB": 1_000_000_000, "TB": 1_000_000_000_000,
    "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40,
  ]
  let digits = text.prefix { $0.isASCII && $0.isNumber || $0 == "." }
  let unit = text.dropFirst(digits.count).drop { $0 == " " }.uppercased()
  guard let number = Double(digits), let factor = units[unit] else { return nil }
  let bytes = number * Double(factor)
  return bytes >= 1 && bytes < 1e18 ? Int(bytes) : nil
}

/// `90s`, `30m`, `4h`, `1d`, or several of them in descending order; `nil` if the text is no time.
package func parseDuration(_ text: String) -> Duration? {
  let units: [(letter: Character, seconds: Int)] = [("d", 86400), ("h", 3600), ("m", 60), ("s", 1)]
  var rest = Substring(text)
  var seconds = 0
  for (letter, factor) in units {
    let digits = rest.prefix { $0.isASCII && $0.isNumber }
    guard rest.dropFirst(digits.count).first == letter else { continue }
    guard let number = Int(digits), number < 1_000_000 else { return nil }
    seconds += number * factor
    rest = rest.dropFirst(digits.count + 1)
  }
  return rest.isEmpty && seconds > 0 ? .seconds(seconds) : nil
}
