/// Forecasts as cells of the plan's table, and their sum as lines under it.
import Pipelines
import Reports

extension StageForecast {
  static let columns = ["time", "memory", "disk", "from"]
  static let noCells = ["", "", "", ""]

  /// - Parameter forecast: `nil` for a stage of which nothing is known.
  static func cells(_ forecast: StageForecast?) -> [String] {
    guard let forecast else { return ["unknown", "", "", "never run"] }
    return [
      forecast.seconds.text(formatted(seconds:)), forecast.memory?.text { formatted(bytes: $0) } ?? "",
      forecast.disk?.text { formatted(bytes: $0) } ?? "", forecast.source,
    ]
  }

  private var source: String {
    let times = counted(samples, "run")
    return switch basis {
    case "history": times
    case "kind": "\(times) of the kind"
    default: "estimated from \(samples) steps"
    }
  }
}

extension StageForecast.Quantity {
  /// `12.0 s (10.1 s to 14.3 s)`; the range only where it would not read like the value.
  func text(_ format: (Double) -> String) -> String {
    let value = format(value)
    guard let least = least.map(format), let most = most.map(format), least != value || most != value else {
      return value
    }
    return "\(value) (\(least) to \(most))"
  }
}

extension PlanTotal {
  var text: String {
    func bytes(_ value: Double) -> String { formatted(bytes: value) }
    var line = "one after another: \(seconds.text(formatted(seconds:)))"
    if let memory { line += ", at most \(bytes(memory)) of memory" }
    line += ", \(disk.text(bytes)) of new files; \(formatted(bytes: freeDisk)) are free"
    if unknown.isEmpty { return line }
    let names = unknown.prefix(6).map { "`\($0)`" }.joined(separator: ", ")
    let more = unknown.count > 6 ? " and \(unknown.count - 6) more" : ""
    return line + "\nwithout \(names)\(more), of which nothing is known until they have run or can be timed"
  }
}
