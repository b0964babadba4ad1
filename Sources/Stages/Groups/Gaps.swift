/// What real data lacks here and there: counted and left out, or an error.
import Foundation
import Pipelines

enum GapPolicy: String, ParameterChoice {
  /// Counted, warned of, left out.
  case skip
  case error
}

struct Gaps {
  enum Kind: CaseIterable {
    /// A record that names no passage as the right one.
    case gold
    /// A passage or query that is named and not there.
    case reference
    /// A passage without a text.
    case text

    fileprivate var inWords: String {
      switch self {
      case .gold: "records that name no passage"
      case .reference: "references to what is not there"
      case .text: "passages without a text"
      }
    }
    fileprivate var key: String { self == .gold ? "missing_gold" : "missing_passages" }
  }

  let gold: GapPolicy
  let passages: GapPolicy
  private(set) var counts: [Kind: Int] = [:]
  private var examples: [Kind: DataError] = [:]

  init(gold: GapPolicy = .skip, passages: GapPolicy = .skip) {
    self.gold = gold
    self.passages = passages
  }

  /// Throws the error if such gaps are errors.
  mutating func add(_ kind: Kind, _ error: @autoclosure () -> DataError) throws {
    if (kind == .gold ? gold : passages) == .error { throw error() }
    if examples[kind] == nil { examples[kind] = error() }
    counts[kind, default: 0] += 1
  }

  /// What may be why nothing is left.
  var first: DataError? { Kind.allCases.lazy.compactMap { examples[$0] }.first }

  var warnings: [String] {
    Kind.allCases.compactMap { kind in
      guard let count = counts[kind], let example = examples[kind] else { return nil }
      return "left out \(count) \(kind.inWords), the first at \(example.remark); `\(kind.key): error` makes it an error"
    }
  }
}
