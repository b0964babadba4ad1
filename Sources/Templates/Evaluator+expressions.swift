/// Computes expressions.

extension Evaluator {
  mutating func evaluate(_ expression: Expression) throws(Fault) -> Value {
    try deeper(expression.offset) { (evaluator) throws(Fault) in try evaluator.value(of: expression) }
  }

  private mutating func value(of expression: Expression) throws(Fault) -> Value {
    let offset = expression.offset
    switch expression.kind {
    case .constant(let value): return value
    case .name(let name): return find(name)
    case .list(let parts, let isTuple): return .list(try all(parts), isTuple: isTuple)
    case .dictionary(let members): return try dictionary(members, offset)
    case .attribute(let base, let name): return try attribute(name, of: try evaluate(base), offset)
    case .item(let base, let index): return try item(try evaluate(index), of: try evaluate(base), offset)
    case .slice(let base, let from, let to, let step): return try slice(base, from, to, step, offset)
    case .call(let base, let arguments): return try call(base, arguments, offset)
    case .filter(let base, let name, let arguments): return try filter(base, name, arguments, offset)
    case .test(let base, let name, let arguments, let isNegated):
      return .bool(try test(base, name, arguments, offset) != isNegated)
    case .unary(let symbol, let base): return try unary(symbol, try evaluate(base), offset)
    case .binary(let symbol, let left, let right): return try binary(symbol, left, right, offset)
    case .comparison(let left, let others): return .bool(try compare(left, others))
    case .condition(let test, let then, let otherwise):
      if try evaluate(test).isTrue { return try evaluate(then) }
      return try otherwise.map { (other) throws(Fault) in try self.evaluate(other) }
        ?? .undefined("`else` of a condition")
    }
  }

  private func find(_ name: String) -> Value {
    if let value = frame.find(name) { return value }
    let isThere = Globals.names.contains(name) && (name != "strftime_now" || time != nil)
    return isThere ? .function(.global(name)) : .undefined("`\(name)`")
  }

  private mutating func all(_ parts: [Expression]) throws(Fault) -> [Value] {
    var values: [Value] = []
    for part in parts { values.append(try evaluate(part)) }
    return values
  }

  private mutating func called(_ arguments: Arguments) throws(Fault) -> Called {
    var called = Called(plain: try all(arguments.plain))
    for (name, value) in arguments.named { called.named.append((name, try evaluate(value))) }
    return called
  }

  private mutating func dictionary(
    _ members: [(key: Expression, value: Expression)], _ offset: Int
  ) throws(Fault) -> Value {
    var dictionary = Dictionary()
    for (key, value) in members {
      let key = try evaluate(key)
      switch key {
      case .none, .bool, .int, .double, .string: dictionary[key] = try evaluate(value)
      default: throw Fault(offset, "\(key.kind) is no key")
      }
    }
    return .dictionary(dictionary)
  }

  // MARK: - Parts of values

  private func attribute(_ name: String, of value: Value, _ offset: Int) throws(Fault) -> Value {
    if case .undefined(let what) = value { throw Fault(offset, "there is no \(what), and so it has no `\(name)`") }
    if value.methods.contains(name) { return .function(.method(value, name)) }
    return try member(.string(name), of: value, offset) ?? .undefined("`\(name)` of \(value.kind)")
  }

  private func item(_ index: Value, of value: Value, _ offset: Int) throws(Fault) -> Value {
    if case .undefined(let what) = value { throw Fault(offset, "there is no \(what), and so it has no items") }
    if let found = try member(index, of: value, offset) { return found }
    if case .string(let name) = index, value.methods.contains(name) { return .function(.method(value, name)) }
    return .undefined("item \(index.text) of \(value.kind)")
  }

  private func member(_ index: Value, of value: Value, _ offset: Int) throws(Fault) -> Value? {
    switch (value, index) {
    case (.dictionary(let dictionary), _): return dictionary[index]
    case (.namespace(let space), .string(let name)): return space.find(name)
    case (.loop(let state), .string(let name)): return state.attribute(name)
    case (.list(let values, _), _):
      guard let place = index.integer else { return nil }
      let index = place < 0 ? values.count + place : place
      return values.indices.contains(index) ? values[index] : nil
    case (.string(let text), _):
      guard let place = index.integer else { return nil }
      let scalars = Array(text.unicodeScalars)
      let index = place < 0 ? scalars.count + place : place
      return scalars.indices.contains(index) ? .string(String(scalars[index])) : nil
    default: return nil
    }
  }

  private mutating func slice(
    _ base: Expression, _ from: Expression?, _ to: Expression?, _ step: Expression?, _ offset: Int
  ) throws(Fault) -> Value {
    let value = try evaluate(base)
    var bounds: [Int?] = []
    for part in [from, to, step] {
      guard let part else {
        bounds.append(nil)
        continue
      }
      let bound = try evaluate(part)
      if case .none = bound {
        bounds.append(nil)
      } else if let number = bound.integer {
        bounds.append(number)
      } else {
        throw Fault(part.offset, "\(bound.kind) is no place of a slice")
      }
    }
    guard bounds[2] != 0 else { throw Fault(offset, "a slice whose step is 0") }
    func cut<T>(_ elements: [T]) -> [T] { Self.places(elements.count, bounds).map { elements[$0] } }
    switch value {
    case .list(let values, let isTuple): return .list(cut(values), isTuple: isTuple)
    case .string(let text): return .string(String(String.UnicodeScalarView(cut(Array(text.unicodeScalars)))))
    case .undefined(let what): throw Fault(offset, "there is no \(what), and so it has no slices")
    default: throw Fault(offset, "\(value.kind) has no slices")
    }
  }

  /// The places that a slice of Python's has.
  private static func places(_ count: Int, _ bounds: [Int?]) -> [Int] {
    let step = max(-count - 1, min(count + 1, bounds[2] ?? 1))
    func bound(_ place: Int?, _ absent: Int, _ range: ClosedRange<Int>) -> Int {
      guard let place else { return absent }
      let fromFront = place < 0 ? max(place, -count - 1) + count : min(place, count)
      return max(range.lowerBound, min(range.upperBound, fromFront))
    }
    return step > 0
      ? Array(stride(from: bound(bounds[0], 0, 0...count), to: bound(bounds[1], count, 0...count), by: step))
      : Array(
        stride(
          from: bound(bounds[0], count - 1, -1...max(-1, count - 1)), to: bound(bounds[1], -1, -1...max(-1, count - 1)),
          by: step))
  }

  private mutating func call(_ base: Expression, _ arguments: Arguments, _ offset: Int) throws(Fault) -> Value {
    let value = try evaluate(base)
    let called = try called(arguments)
    switch value {
    case .function(let function):
      if case .global("raise_exception") = function {
        throw Fault(offset, "the template refuses: \(called.plain.first?.text ?? "")")
      }
      return try call(function, called, offset)
    case .loop(let state): return try call(state, called, offset)
    default: throw Fault(offset, "\(value.kind) cannot be called")
    }
  }

  // MARK: - Filters and tests

  private mutating func filter(
    _ base: Expression, _ name: String, _ arguments: Arguments, _ offset: Int
  ) throws(Fault) -> Value {
    let (value, called) = (try evaluate(base), try called(arguments))
    do throws(Unfit) { return try Filters.apply(name, to: value, called, checked) } catch { throw error.at(offset) }
  }

  private mutating func test(
    _ base: Expression, _ name: String, _ arguments: Arguments, _ offset: Int
  ) throws(Fault) -> Bool {
    let (value, called) = (try evaluate(base), try called(arguments))
    do throws(Unfit) { return try Tests.holds(name, of: value, called.plain) } catch { throw error.at(offset) }
  }

  // MARK: - Operators

  private func unary(_ symbol: String, _ value: Value, _ offset: Int) throws(Fault) -> Value {
    switch (symbol, value) {
    case ("not", _): return .bool(!value.isTrue)
    case (_, .double(let number)): return .double(symbol == "-" ? -number : number)
    default:
      guard let number = value.integer else { throw Fault(offset, "`\(symbol)` of \(value.kind)") }
      let (negative, overflows) = (0 as Int).subtractingReportingOverflow(number)
      guard !overflows else { throw Fault(offset, "the number is too large") }
      return .int(symbol == "-" ? negative : number)
    }
  }

  private mutating func binary(
    _ symbol: String, _ left: Expression, _ right: Expression, _ offset: Int
  ) throws(Fault) -> Value {
    let first = try evaluate(left)
    if symbol == "and" { return first.isTrue ? try evaluate(right) : first }
    if symbol == "or" { return first.isTrue ? first : try evaluate(right) }
    let second = try evaluate(right)
    do throws(Unfit) {
      if symbol == "~" { return .string(try checked(first.text + second.text)) }
      return try first.combined(symbol, with: second, checked)
    } catch { throw error.at(offset) }
  }

  private mutating func compare(
    _ left: Expression, _ others: [(symbol: String, right: Expression)]
  ) throws(Fault) -> Bool {
    var left = try evaluate(left)
    for (symbol, right) in others {
      let value = try evaluate(right)
      do throws(Unfit) {
        let holds =
          switch symbol {
          case "==": left.equals(value)
          case "!=": !left.equals(value)
          case "in": try value.contains(left)
          case "not in": try !value.contains(left)
          case "<": try left.precedes(value)
          case ">": try value.precedes(left)
          case "<=": left.equals(value) ? true : try left.precedes(value)
          default: left.equals(value) ? true : try value.precedes(left)
          }
        if !holds { return false }
      } catch { throw error.at(right.offset) }
      left = value
    }
    return true
  }
}

extension LoopState {
  fileprivate func attribute(_ name: String) -> Value? {
    switch name {
    case "index": .int(index + 1)
    case "index0": .int(index)
    case "revindex": .int(items.count - index)
    case "revindex0": .int(items.count - index - 1)
    case "first": .bool(index == 0)
    case "last": .bool(index == items.count - 1)
    case "length": .int(items.count)
    case "depth": .int(depth)
    case "depth0": .int(depth - 1)
    case "previtem": index > 0 ? items[index - 1] : .undefined("the item before the first")
    case "nextitem": index + 1 < items.count ? items[index + 1] : .undefined("the item after the last")
    default: nil
    }
  }
}
