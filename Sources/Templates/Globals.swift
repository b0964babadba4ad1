/// Functions that every template has.
import Foundation

enum Globals {
  static let names: Set<String> = ["dict", "namespace", "raise_exception", "range", "strftime_now"]

  /// As Jinja's sandbox.
  private static let longestRange = 100_000

  static func call(_ name: String, _ arguments: Called, _ time: LocalTime?) throws(Unfit) -> Value {
    switch name {
    case "range":
      let bounds = arguments.plain.map(\.integer)
      guard (1...3).contains(bounds.count), arguments.named.isEmpty, !bounds.contains(nil) else {
        throw Unfit("`range` takes one to three whole numbers")
      }
      let numbers = bounds.compactMap { $0 }
      let (from, to, step) = (
        numbers.count > 1 ? numbers[0] : 0, numbers.count > 1 ? numbers[1] : numbers[0],
        numbers.count > 2 ? numbers[2] : 1
      )
      guard step != 0 else { throw Unfit("a range whose step is 0") }
      let (distance, overflows) = to.subtractingReportingOverflow(from)
      guard !overflows, distance / step <= longestRange else { throw Unfit("a range of more than \(longestRange)") }
      return .list(stride(from: from, to: to, by: step).map { .int($0) })
    case "strftime_now":
      try arguments.check(["format"])
      guard let time, let format = try arguments.text(0, "format") else { throw Unfit("`strftime_now` takes a format") }
      return .string(try time.text(format))
    default:  // `namespace`, `dict`
      guard arguments.plain.count <= 1 else { throw Unfit("`\(name)` takes a dictionary, or names with values") }
      var dictionary = Dictionary()
      if let first = arguments.plain.first {
        guard case .dictionary(let given) = first else { throw Unfit("`\(name)` of \(first.kind)") }
        dictionary = given
      }
      for (name, value) in arguments.named { dictionary[.string(name)] = value }
      guard name == "namespace" else { return .dictionary(dictionary) }
      let space = Frame()
      for (key, value) in dictionary.members { space.set(key.text, value) }
      return .namespace(space)
    }
  }
}

/// A moment as clocks on the wall show it.
package struct LocalTime: Sendable {
  private let fields: DateComponents

  package init(year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0) {
    fields = DateComponents(year: year, month: month, day: day, hour: hour, minute: minute, second: second)
  }

  private static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
  ]
  private static let days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

  /// As `strftime` writes it, in English.
  func text(_ format: String) throws(Unfit) -> String {
    let (year, month, day) = (fields.year ?? 1, fields.month ?? 1, fields.day ?? 1)
    let (hour, minute, second) = (fields.hour ?? 0, fields.minute ?? 0, fields.second ?? 0)
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    // Sakamoto's rule.
    let shifted = month < 3 ? year - 1 : year
    let weekday =
      (shifted + shifted / 4 - shifted / 100 + shifted / 400 + [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4][month - 1] + day)
      % 7
    var (result, isCode) = ("", false)
    for scalar in format.unicodeScalars {
      guard isCode else {
        if scalar == "%" { isCode = true } else { result.unicodeScalars.append(scalar) }
        continue
      }
      isCode = false
      switch scalar {
      case "d": result += two(day)
      case "m": result += two(month)
      case "Y": result += "\(year)"
      case "y": result += two(year % 100)
      case "H": result += two(hour)
      case "I": result += two((hour + 11) % 12 + 1)
      case "M": result += two(minute)
      case "S": result += two(second)
      case "p": result += hour < 12 ? "AM" : "PM"
      case "b": result += Self.months[month - 1].prefix(3)
      case "B": result += Self.months[month - 1]
      case "a": result += Self.days[weekday].prefix(3)
      case "A": result += Self.days[weekday]
      case "%": result += "%"
      default: throw Unfit("`strftime_now` knows no `%\(scalar)`")
      }
    }
    guard !isCode else { throw Unfit("a format that ends with `%`") }
    return result
  }
}
