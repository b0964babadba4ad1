/// Which variants of each stage there are: its own matrix, joined with those of the stages that it takes inputs from.
import Foundation

/// - Returns: for each stage its combinations, one without values where no matrix varies it; `nil` where its matrix, or
///   one that it depends on, is wrong, which is reported.
func stageVariants(
  _ stages: [Node.Entry], _ substitution: inout Substitution, _ diagnostics: Diagnostics
) -> [[Combination]?] {
  let places = Dictionary(stages.enumerated().map { ($1.key, $0) }) { first, _ in first }
  let upstream = stages.map { stage in
    Set(
      (stage.value["in"]?.elements ?? []).flatMap { entry -> [Int] in
        guard case .sequence(let members) = entry.value.value else {
          return producer(entry.value, places, &substitution).map { [$0] } ?? []
        }
        return members.compactMap { producer($0, places, &substitution) }
      }
    ).sorted()
  }
  var variants: [[Combination]?] = Array(repeating: [[]], count: stages.count)
  var total = 0
  // A cycle is reported where stages are ordered; here its stages have their own matrices alone.
  let (order, cycles) = orderStages(upstream)
  for place in order + cycles.flatMap({ $0 }) {
    let stage = stages[place]
    var joined: [Combination]? = [[]]
    if let node = stage.value["matrix"], !node.isNull {
      joined =
        Matrix(substitution.fill(node), diagnostics) { entry in
          if isIdentifier(entry.key) { return true }
          diagnostics.report("`\(entry.key.shortened)` is no name for a dimension: \(identifierRule)", at: entry.mark)
          return false
        }?.combinations
    }
    let own = joined
    for other in upstream[place] where !cycles.contains(where: { $0.contains(place) }) {
      joined = joined.flatMap { joined in variants[other].map { join($0, joined) } }
    }
    if joined?.isEmpty == true, own?.isEmpty == false, upstream[place].allSatisfy({ variants[$0]?.isEmpty == false }) {
      diagnostics.report(
        "no combination is left for stage `\(stage.key.shortened)`: the matrices of its inputs have no common values",
        at: stage.mark)
      joined = nil
    }
    total += joined?.count ?? 0
    if total > mostVariants {
      diagnostics.report("with its matrices the pipeline has more than \(mostVariants) stages", at: stage.mark)
      return variants.map { _ in nil }
    }
    variants[place] = joined
  }
  return variants
}

/// Of stages, and of what they gather: more than anyone runs, little enough to plan.
let mostVariants = 20_000

/// Every pair that agrees, each result once; the values of `first` stand first.
private func join(_ first: [Combination], _ second: [Combination]) -> [Combination] {
  if first.count == 1, first[0].isEmpty { return second }
  if second.count == 1, second[0].isEmpty { return first }
  var seen: Set<[Coordinate]> = []
  var joined: [Combination] = []
  for left in first {
    for right in second {
      guard let both = left.joined(right), seen.insert(both.coordinates.sorted { $0.name < $1.name }).inserted else {
        continue
      }
      joined.append(both)
      if joined.count > mostVariants { return joined }
    }
  }
  return joined
}

/// The stage that an input takes one output of; `nil` for files, and for a gather, which follows no single variant.
private func producer(_ node: Node, _ places: [String: Int], _ substitution: inout Substitution) -> Int? {
  guard case .scalar(.string, var text) = node.value else { return nil }
  // The name of a stage may come from `params`, never from a matrix.
  if text.contains("${"), !text.contains("${matrix."),
    case .scalar(.string, let filled) = substitution.fill(node).value
  {
    text = filled
  }
  guard let output = OutputReference(text), !output.gathers else { return nil }
  return places[output.stage]
}

extension Node {
  fileprivate var elements: [Entry] { if case .mapping(let entries) = value { entries } else { [] } }
  fileprivate var isNull: Bool { if case .scalar(.null, _) = value { true } else { false } }
}
