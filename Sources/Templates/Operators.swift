/// Arithmetic as Python has it.
import Foundation

extension Value {
  func combined(_ symbol: String, with other: Value, _ checked: (String) throws(Unfit) -> String) throws(Unfit) -> Value
  {
    switch (symbol, self, other) {
    case ("+", .string(let a), .string(let b)): return .string(try checked(a + b))
    case ("+", .list(let a, let isTuple), .list(let b, let second)) where isTuple == second:
      try Self.check(a.count + b.count)
      return .list(a + b, isTuple: isTuple)
    case ("*", .string(let text), _), ("*", _, .string(let text)):
      guard let times = (isString ? other : self).integer else { break }
      try Self.check((text.utf8.count, times))
      return .string(String(repeating: text, count: max(0, times)))
    case ("*", .list(let values, let isTuple), _), ("*", _, .list(let values, let isTuple)):
      guard let times = (isList ? other : self).integer else { break }
      try Self.check((values.count, times))
      return .list(Array(repeatElement(values, count: max(0, times)).joined()), isTuple: isTuple)
    default:
      if let a = integer, let b = other.integer { return try Self.whole(symbol, a, b) }
      if let a = number, let b = other.number { return try Self.real(symbol, a, b) }
    }
    throw Unfit("`\(symbol)` of \(kind) and \(other.kind)")
  }

  private var isString: Bool { if case .string = self { true } else { false } }
  private var isList: Bool { if case .list = self { true } else { false } }

  /// Elements of a list, or bytes of a text, that a template may make.
  private static let most = 1 << 24

  private static func check(_ count: Int) throws(Unfit) {
    guard count <= most else { throw Unfit("more than \(most) elements") }
  }

  private static func check(_ product: (size: Int, times: Int)) throws(Unfit) {
    let (count, overflows) = product.size.multipliedReportingOverflow(by: max(0, product.times))
    try check(overflows ? .max : count)
  }

  private static func whole(_ symbol: String, _ a: Int, _ b: Int) throws(Unfit) -> Value {
    func fitting(_ result: (partialValue: Int, overflow: Bool)) throws(Unfit) -> Value {
      guard !result.overflow else { throw Unfit("the number is too large") }
      return .int(result.partialValue)
    }
    switch symbol {
    case "+": return try fitting(a.addingReportingOverflow(b))
    case "-": return try fitting(a.subtractingReportingOverflow(b))
    case "*": return try fitting(a.multipliedReportingOverflow(by: b))
    case "**":
      guard b >= 0 else { return try real(symbol, Double(a), Double(b)) }
      var (result, left) = (1, b)
      while left > 0 {
        if a.magnitude <= 1 {
          result = a == -1 && b % 2 == 0 ? 1 : a
          break
        }
        let next = result.multipliedReportingOverflow(by: a)
        guard !next.overflow else { throw Unfit("the number is too large") }
        (result, left) = (next.partialValue, left - 1)
      }
      return .int(result)
    default:
      guard b != 0 else { throw Unfit("a division by 0") }
      if symbol == "/" { return .double(Double(a) / Double(b)) }
      let quotient = a.dividedReportingOverflow(by: b)
      guard !quotient.overflow else { throw Unfit("the number is too large") }
      let remainder = a % b
      let isBelow = remainder != 0 && (remainder < 0) != (b < 0)
      return .int(symbol == "//" ? quotient.partialValue - (isBelow ? 1 : 0) : remainder + (isBelow ? b : 0))
    }
  }

  private static func real(_ symbol: String, _ a: Double, _ b: Double) throws(Unfit) -> Value {
    switch symbol {
    case "+": return .double(a + b)
    case "-": return .double(a - b)
    case "*": return .double(a * b)
    case "**": return .double(pow(a, b))
    default:
      guard b != 0 else { throw Unfit("a division by 0") }
      switch symbol {
      case "/": return .double(a / b)
      case "//": return .double((a / b).rounded(.down))
      default:
        let remainder = a.truncatingRemainder(dividingBy: b)
        return .double(remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder)
      }
    }
  }
}
