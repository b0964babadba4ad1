/// Sizes and times as people write them: `6GB`, `512MiB`, `4h`, `1h30m`.

/// Bytes; `nil` if the text is no size.
package func parseBytes(_ text: String) -> Int? {
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

/// As `parseBytes` reads it, with one decimal where the number is small: `1.5GB`.
package func sizeText(_ bytes: Int) -> String {
  let units = ["B", "KB", "MB", "GB", "TB"]
  var value = Double(bytes)
  var unit = 0
  while value >= 999.5 && unit < units.count - 1 {
    value /= 1000
    unit += 1
  }
  let rounded = value < 10 && unit > 0 ? (value * 10).rounded() / 10 : value.rounded()
  return (rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)") + units[unit]
}

/// `500ms`, `90s`, `30m`, `4h`, `1d`, or several of them in descending order; `nil` if the text is no time.
package func parseDuration(_ text: String) -> Duration? {
  let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)]
  var rest = Substring(text)
  var milliseconds = 0
  for (name, factor) in units {
    let digits = rest.prefix { $0.isASCII && $0.isNumber }
    let letters = rest.dropFirst(digits.count).prefix { $0.isASCII && $0.isLetter }
    guard letters == name else { continue }
    guard let number = Int(digits), number < 1_000_000 else { return nil }
    milliseconds += number * factor
    rest = rest.dropFirst(digits.count + letters.count)
  }
  return rest.isEmpty && milliseconds > 0 ? .milliseconds(milliseconds) : nil
}

let durationRule = "a time such as 4h, 90m, 1h30m or 500ms"
