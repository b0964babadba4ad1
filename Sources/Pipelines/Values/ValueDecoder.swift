/// From YAML nodes to typed values, checked against what a stage declares.
import Basics

struct ValueDecoder {
  let diagnostics: Diagnostics

  /// The node's value as `type`; `nil` if it does not fit, which is reported. `name` is how messages call it.
  func decode(_ node: Node, as type: ParameterType, named name: String) -> ParameterValue? {
    var mismatches: [Mismatch] = []
    let value = value(node, type, name, &mismatches)
    for mismatch in mismatches where !mismatch.isReported {
      diagnostics.report(mismatch.message, at: mismatch.mark, suggestion: mismatch.suggestion)
    }
    return mismatches.isEmpty ? value : nil
  }

  /// Every declared parameter's value, defaults filled in; `nil` if any does not fit, which is reported.
  /// - Parameter missing: where to report required parameters that are absent.
  func decode(
    _ entries: [Node.Entry], as declared: [ParameterDescription], named name: String, missing mark: Mark
  ) -> [String: ParameterValue]? {
    let node = Node(value: .mapping(entries), mark: mark)
    guard case .map(let values)? = decode(node, as: .group(declared), named: name) else { return nil }
    return values
  }

  private struct Mismatch {
    var message: String
    var mark: Mark
    var suggestion: String?
    var isReported = false
  }

  private func value(
    _ node: Node, _ type: ParameterType, _ name: String, _ mismatches: inout [Mismatch]
  ) -> ParameterValue? {
    switch (type, node.value) {
    case (_, .invalid):
      mismatches.append(Mismatch(message: "", mark: node.mark, isReported: true))
      return nil
    case (.bool, .scalar(.bool(let value), _)): return .bool(value)
    case (.int(let range), .scalar(.int(let value), _)) where range?.contains(value) ?? true: return .int(value)
    case (.double(let range), .scalar(.double(let value), _)) where value.isFinite && range?.contains(value) ?? true:
      return .double(value)
    case (.double(let range), .scalar(.int(let value), _)) where range?.contains(Double(value)) ?? true:
      return .double(Double(value))
    case (.string, .scalar(.string(let value), _)): return .string(value)
    case (.choice(let words), .scalar(.string(let value), _)) where words.contains(value): return .string(value)
    case (.list(let element), .sequence(let nodes)):
      let values = nodes.enumerated().compactMap { value($1, element, "\(name)[\($0)]", &mismatches) }
      return values.count == nodes.count ? .list(values) : nil
    case (.map(let element), .mapping(let entries)):
      let values = entries.compactMap { entry in
        value(entry.value, element, "\(name).\(entry.key.shortened)", &mismatches).map { (entry.key, $0) }
      }
      return values.count == entries.count ? .map(Dictionary(values) { first, _ in first }) : nil
    case (.group(let declared), .mapping(let entries)):
      return group(entries, declared, name, node.mark, &mismatches)
    case (.either(let first, let second), _):
      for choice in [first, second] {
        var own: [Mismatch] = []
        if let value = value(node, choice, name, &own), own.isEmpty { return value }
        // The value is of the right kind, but for something in it: that is what to tell.
        if own.contains(where: \.isReported) || node.hasParts(of: choice) {
          mismatches += own
          return nil
        }
      }
    default: break
    }
    mismatches.append(mismatch(node, type, name))
    return nil
  }

  private func group(
    _ entries: [Node.Entry], _ declared: [ParameterDescription], _ name: String, _ mark: Mark,
    _ mismatches: inout [Mismatch]
  ) -> ParameterValue? {
    let names = declared.map(\.name)
    for entry in entries where !names.contains(entry.key) {
      let known = names.isEmpty ? "it has none" : "it has \(names.joined(last: "and"))"
      mismatches.append(
        Mismatch(
          message: "`\(name)` has no parameter `\(entry.key.shortened)`; \(known)", mark: entry.mark,
          suggestion: ForeignNames.suggestion(for: entry.key, among: names) ?? nearest(to: entry.key, in: names)))
    }
    let given = Dictionary(entries.map { ($0.key, $0.value) }) { first, _ in first }
    var values: [String: ParameterValue] = [:]
    for parameter in declared {
      let full = "\(name).\(parameter.name)"
      switch (given[parameter.name], parameter.defaultValue) {
      case (nil, nil):
        mismatches.append(Mismatch(message: "`\(full)` is missing: \(parameter.type.inWords)", mark: mark))
      case (nil, let standard?):
        if case .group(let inner) = parameter.type, case .map = standard {
          values[parameter.name] = group([], inner, full, mark, &mismatches)
        } else {
          values[parameter.name] = standard
        }
      case (let node?, let standard):
        if case .scalar(.null, _) = node.value, standard == .null {
          values[parameter.name] = .null
        } else {
          values[parameter.name] = value(node, parameter.type, full, &mismatches)
        }
      }
    }
    return .map(values)
  }

  private func mismatch(_ node: Node, _ type: ParameterType, _ name: String) -> Mismatch {
    var message = "`\(name)` must be \(type.inWords), not \(node.inWords)"
    var suggestion: String?
    if case .scalar(let value, let text) = node.value {
      switch (type, value) {
      case (.string, .bool), (.string, .int), (.string, .double):
        message += "; a text is written in quotes: \"\(text)\""
      case (.int, .string), (.double, .string), (.bool, .string):
        if case .string = ParameterValue(plain: text) { break }
        message += "; write it without quotes"
      case (.choice(let words), _): suggestion = nearest(to: text, in: words)
      default: break
      }
    }
    return Mismatch(message: message, mark: node.mark, suggestion: suggestion)
  }
}

extension ParameterType {
  /// What a value has to be: `an integer from 2 to 512`.
  package var inWords: String {
    switch self {
    case .bool: "true or false"
    case .int(let range):
      "an integer" + (range.map { limits($0.lowerBound, $0.upperBound, open: Int.min, Int.max) } ?? "")
    case .double(let range):
      "a number"
        + (range.map {
          limits($0.lowerBound, $0.upperBound, open: -Double.greatestFiniteMagnitude, .greatestFiniteMagnitude)
        } ?? "")
    case .string: "a text"
    case .choice(let words): words.joined(last: "or")
    case .list(let element): "a list, each element \(element.inWords)"
    case .map(let element): "a mapping, each value \(element.inWords)"
    case .group(let declared): "a mapping with \(declared.map(\.name).joined(last: "and"))"
    case .either(let first, let second): "\(first.inWords), or \(second.inWords)"
    }
  }

  private func limits<Bound: Comparable>(_ lower: Bound, _ upper: Bound, open least: Bound, _ most: Bound) -> String {
    func short(_ bound: Bound) -> String { "\(bound)".replacing(/\.0$/, with: "") }
    return switch (lower <= least, upper >= most) {
    case (true, true): ""
    case (false, true): " of at least \(short(lower))"
    case (true, false): " of at most \(short(upper))"
    case (false, false): " from \(short(lower)) to \(short(upper))"
    }
  }
}

extension Node {
  /// Whether its parts are what the type's are: elements, or entries.
  fileprivate func hasParts(of type: ParameterType) -> Bool {
    switch (value, type) {
    case (.sequence, .list), (.mapping, .map), (.mapping, .group): true
    default: false
    }
  }
}
