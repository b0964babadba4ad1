/// Jinja's tests: what may stand behind `is`.

enum Tests {
  static let names: Set<String> = [
    "boolean", "callable", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "greaterthan",
    "gt",
    "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none", "number", "odd", "sameas",
    "sequence", "string", "true", "undefined", "upper",
  ]

  static func holds(_ name: String, of value: Value, _ arguments: [Value]) throws(Unfit) -> Bool {
    func other() throws(Unfit) -> Value {
      guard arguments.count == 1 else { throw Unfit("the test `\(name)` takes one value") }
      return arguments[0]
    }
    let comparing: Set = [
      "divisibleby", "eq", "equalto", "ge", "greaterthan", "gt", "in", "le", "lessthan", "lt", "ne", "sameas",
    ]
    guard arguments.isEmpty || comparing.contains(name) else { throw Unfit("the test `\(name)` takes no value") }
    switch name {
    case "defined": if case .undefined = value { return false } else { return true }
    case "undefined": if case .undefined = value { return true } else { return false }
    case "none": if case .none = value { return true } else { return false }
    case "boolean": if case .bool = value { return true } else { return false }
    case "true": if case .bool(true) = value { return true } else { return false }
    case "false": if case .bool(false) = value { return true } else { return false }
    case "integer": if case .int = value { return true } else { return false }
    case "float": if case .double = value { return true } else { return false }
    case "number": return value.number != nil
    case "string": if case .string = value { return true } else { return false }
    case "mapping": if case .dictionary = value { return true } else { return false }
    case "sequence", "iterable":
      switch value {
      case .string, .list, .dictionary, .undefined: return true
      default: return false
      }
    case "callable":
      switch value {
      case .function, .loop: return true
      default: return false
      }
    case "odd", "even", "divisibleby":
      let divisor = try name == "divisibleby" ? other().integer ?? 0 : 2
      guard let number = value.integer, divisor != 0, !(number == .min && divisor == -1) else {
        throw Unfit("the test `\(name)` of \(value.kind)")
      }
      return (number % divisor == 0) != (name == "odd")
    case "eq", "equalto": return value.equals(try other())
    case "ne": return !value.equals(try other())
    case "lt", "lessthan": return try value.precedes(try other())
    case "gt", "greaterthan": return try other().precedes(value)
    case "le": return value.equals(try other()) ? true : try value.precedes(try other())
    case "ge": return value.equals(try other()) ? true : try other().precedes(value)
    case "in": return try other().contains(value)
    case "sameas":
      switch (value, try other()) {
      case (.none, .none): return true
      case (.bool(let a), .bool(let b)): return a == b
      default: throw Unfit("the test `sameas` is for booleans and none")
      }
    case "lower": return value.text.isCased { $0.properties.isUppercase }
    default: return value.text.isCased { $0.properties.isLowercase }
    }
  }
}

extension String {
  /// Whether it has letters with a case, and none of the other case.
  fileprivate func isCased(_ isOther: (Unicode.Scalar) -> Bool) -> Bool {
    unicodeScalars.contains { $0.properties.isUppercase || $0.properties.isLowercase }
      && !unicodeScalars.contains(where: isOther)
  }
}
