/// Numbers as people read them.
import Foundation

func formatted(bytes: Int) -> String {
  let units = ["B", "kB", "MB", "GB", "TB"]
  var value = Double(bytes)
  var unit = 0
  while value >= 1000 && unit < units.count - 1 {
    value /= 1000
    unit += 1
  }
  return unit == 0 ? "\(bytes) B" : String(format: "%.1f %@", value, units[unit])
}

func formatted(seconds: Double) -> String {
  switch seconds {
  case ..<60: String(format: "%.1f s", seconds)
  case ..<3600: String(format: "%d min %02d s", Int(seconds) / 60, Int(seconds) % 60)
  default: String(format: "%d h %02d min", Int(seconds) / 3600, Int(seconds) % 3600 / 60)
  }
}

/// Four decimals for what lies between −10 and 10, fewer for larger numbers.
func formatted(metric value: Double) -> String {
  value == value.rounded() && abs(value) < 1e9
    ? String(format: "%.0f", value) : String(format: abs(value) < 10 ? "%.4f" : "%.2f", value)
}
