/// The combinations that a `matrix` spans, by the rules of GitHub Actions.
import Basics
import Foundation

/// A dimension's value for one combination.
struct MatrixValue {
  var name: String
  /// The value with its place.
  var node: Node
  var value: ParameterValue

  var coordinate: Coordinate {
    switch node.value {
    case .scalar(.int, let text), .scalar(.double, let text): Coordinate(name, value, written: text)
    default: Coordinate(name, value)
    }
  }
}

typealias Combination = [MatrixValue]

struct Matrix {
  /// In the order of the file, the last dimension fastest; then those that `include` adds.
  let combinations: [Combination]

  private static let most = 10_000

  /// - Parameters:
  ///   - node: dimensions, each a list of values, `include` and `exclude`, each a list of mappings.
  ///   - checkName: reports a dimension's name that is not allowed.
  /// - Returns: `nil` after a report.
  init?(_ node: Node, _ diagnostics: Diagnostics, checkName: (Node.Entry) -> Bool) {
    guard let entries = node.entries(of: "`matrix`", diagnostics) else { return nil }
    let known = diagnostics.problems.count
    var dimensions: [(entry: Node.Entry, values: [MatrixValue])] = []
    for entry in entries where !["include", "exclude"].contains(entry.key) && checkName(entry) {
      guard case .sequence(let nodes) = entry.value.value, !nodes.isEmpty else {
        if case .invalid = entry.value.value { return nil }
        diagnostics.report(
          "the dimension `\(entry.key.shortened)` must be a list of values, not \(entry.value.inWords)",
          at: entry.value.mark)
        continue
      }
      let values = nodes.compactMap { node in
        node.plainValue.map { MatrixValue(name: entry.key, node: node, value: $0) }
      }
      for (index, value) in values.enumerated()
      where values[..<index].contains(where: { $0.value.isSame(as: value.value) }) {
        diagnostics.report(
          "the value \(value.value.yaml.shortened) is in `\(entry.key.shortened)` twice; in quotes it is a text",
          at: value.node.mark)
      }
      dimensions.append((entry, values))
    }
    guard dimensions.reduce(1, { min($0 * $1.values.count, Self.most + 1) }) <= Self.most else {
      diagnostics.report("the matrix has more than \(Self.most) combinations", at: node.mark)
      return nil
    }
    var combinations: [Combination] = dimensions.isEmpty ? [] : [[]]
    for (_, values) in dimensions { combinations = combinations.flatMap { start in values.map { start + [$0] } } }

    let names = dimensions.map(\.entry.key)
    for excluded in Self.mappings(node["exclude"], "exclude", diagnostics, checkName) {
      for value in excluded where !names.contains(value.name) {
        diagnostics.report(
          "`exclude` names `\(value.name.shortened)`, which is no dimension of the matrix", at: value.node.mark,
          suggestion: nearest(to: value.name, in: names))
      }
      let before = combinations.count
      combinations.removeAll { excluded.isPart(of: $0) }
      if combinations.count == before, let first = excluded.first, excluded.allSatisfy({ names.contains($0.name) }) {
        diagnostics.report("this `exclude` matches no combination", at: first.node.mark)
      }
    }
    // What `include` adds never overwrites a value of the matrix itself, but may overwrite what it added before.
    var added: [Combination] = []
    for included in Self.mappings(node["include"], "include", diagnostics, checkName) {
      var fits = false
      for index in combinations.indices
      where included.filter({ names.contains($0.name) }).isPart(of: combinations[index]) {
        fits = true
        for value in included where !names.contains(value.name) {
          combinations[index].removeAll { $0.name == value.name }
          combinations[index].append(value)
        }
      }
      if !fits { added.append(included) }
      for value in included {
        guard let values = dimensions.first(where: { $0.entry.key == value.name })?.values,
          let other = values.first(where: { !$0.value.isSame(as: value.value) && $0.node.looks(like: value.node) })
        else { continue }
        diagnostics.report(
          "this is \(value.node.inWords), and the matrix has \(other.node.inWords): they would be two values",
          at: value.node.mark)
      }
    }
    combinations += added
    if combinations.isEmpty && diagnostics.problems.count == known {
      diagnostics.report("the matrix has no combination left", at: node.mark)
    }
    guard diagnostics.problems.count == known else { return nil }
    self.combinations = combinations
  }

  private static func mappings(
    _ node: Node?, _ key: String, _ diagnostics: Diagnostics, _ checkName: (Node.Entry) -> Bool
  ) -> [Combination] {
    guard let node else { return [] }
    guard case .sequence(let nodes) = node.value else {
      if case .invalid = node.value { return [] }
      diagnostics.report("`\(key)` must be a list of mappings, not \(node.inWords)", at: node.mark)
      return []
    }
    return nodes.map { node in
      (node.entries(of: "each element of `\(key)`", diagnostics) ?? []).filter(checkName).compactMap { entry in
        entry.value.plainValue.map { MatrixValue(name: entry.key, node: entry.value, value: $0) }
      }
    }.filter { !$0.isEmpty }
  }
}

extension [MatrixValue] {
  subscript(name: String) -> ParameterValue? { first { $0.name == name }?.value }

  /// Both together, if they agree where both say something.
  func joined(_ other: [MatrixValue]) -> [MatrixValue]? {
    guard other.allSatisfy({ value in self[value.name]?.isSame(as: value.value) ?? true }) else { return nil }
    return self + other.filter { self[$0.name] == nil }
  }

  /// Whether all that it says is said by `other` too.
  func isPart(of other: [MatrixValue]) -> Bool { allSatisfy { other[$0.name]?.isSame(as: $0.value) == true } }

  var coordinates: [Coordinate] { map(\.coordinate) }
}
