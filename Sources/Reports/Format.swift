/// Numbers as people read them.
import Foundation
import Lineage

package func formatted(bytes: Int) -> String { formatted(bytes: Double(bytes)) }

package func formatted(bytes: Double) -> String {
  let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
  var value = bytes
  var unit = 0
  while value >= 1000 && unit < units.count - 1 {
    value /= 1000
    unit += 1
  }
  guard value.isFinite, value < 1e6 else { return "unknown" }
  return String(format: unit == 0 ? "%.0f %@" : "%.1f %@", value, units[unit])
}

package func formatted(seconds: Double) -> String {
  let most = 3600e6  // more than a century
  switch seconds {
  case _ where !seconds.isFinite: return "unknown"
  case ..<60: return String(format: "%.1f s", seconds)
  case ..<3600: return String(format: "%d min %02d s", Int(seconds) / 60, Int(seconds) % 60)
  case ..<most: return String(format: "%d h %02d min", Int(seconds) / 3600, Int(seconds) % 3600 / 60)
  default: return String(format: "%.2g h", seconds / 3600)
  }
}

/// Four decimals for what lies between −10 and 10, fewer for larger numbers, a power of ten for the largest.
package func formatted(metric value: Double) -> String {
  if abs(value) >= 1e15 { return String(format: "%.6g", value) }
  return value == value.rounded() && abs(value) < 1e9
    ? String(format: "%.0f", value) : String(format: abs(value) < 10 ? "%.4f" : "%.2f", value)
}

package func formatted(sample: Sample) -> String {
  formatted(metric: sample.mean) + (sample.deviation.map { " ± \(formatted(metric: $0))" } ?? "")
}

/// With its sign.
package func formatted(difference: Double) -> String {
  difference == 0 ? "0" : (difference < 0 ? "-" : "+") + formatted(metric: abs(difference))
}

package func formatted(p: Double) -> String {
  p < 0.001 ? "<0.001" : String(format: p < 0.1 ? "%.3f" : "%.2f", p)
}
