/// The kinds of rewards that look at a text alone; each is a plain function of answer and reference.
import Basics
import Foundation
import JSONText

/// One of the things that answers are rewarded for. The same answer gets the same number, whatever else is judged.
protocol Reward {
  /// Whether it compares with a reference, or with a part of one.
  var needsReference: Bool { get }
  /// The record's field that it needs.
  var field: String? { get }
  func values(_ answers: [PartedAnswer]) throws -> [Double]
}

extension Reward {
  var needsReference: Bool { false }
  var field: String? { nil }
}

struct FormReward: Reward {
  func values(_ answers: [PartedAnswer]) -> [Double] { answers.map { $0.parts == nil ? 0 : 1 } }
}

struct ExactReward: Reward {
  let part: String?
  /// Empty: there is one.
  let alternatives: String
  var needsReference: Bool { true }

  func values(_ answers: [PartedAnswer]) -> [Double] {
    answers.map { answer in
      guard let text = answer.text(part), let reference = answer.reference(part) else { return 0 }
      let right = alternatives.isEmpty ? [reference] : reference.components(separatedBy: alternatives)
      let own = Self.normalized(text)
      return !own.isEmpty && right.contains { Self.normalized($0) == own } ? 1 : 0
    }
  }

  private static let quotes: Set<Unicode.Scalar> = [
    "\"", "'", "“", "”", "„", "‘", "’", "‚", "`", "´", "«", "»", "‹", "›", "「", "」", "『", "』",
  ]

  /// NFKC without quotes; white space folded. As scalars: canonical equivalence is no longer wanted.
  private static func normalized(_ text: String) -> [[Unicode.Scalar]] {
    text.precomposedStringWithCompatibilityMapping.unicodeScalars.filter { !quotes.contains($0) }
      .split(whereSeparator: \.properties.isWhitespace).map(Array.init)
  }
}

/// ROUGE as rouge_score has it: F1 = 2pr/(p + r) of words in common.
struct OverlapReward: Reward {
  enum Kind { case unigrams, subsequence }

  let kind: Kind
  let part: String?
  let words: WordSplitter
  var needsReference: Bool { true }

  func values(_ answers: [PartedAnswer]) throws -> [Double] {
    let pairs = answers.map { ($0.text(part) ?? "", $0.reference(part) ?? "") }
    let split = try words.split(pairs.map(\.0) + pairs.map(\.1))
    return pairs.indices.map { f1(split[$0], split[pairs.count + $0]) }
  }

  private func f1(_ answer: [String], _ reference: [String]) -> Double {
    let common = Double(kind == .unigrams ? Self.common(answer, reference) : Self.subsequence(answer, reference))
    guard common > 0 else { return 0 }
    let (precision, recall) = (common / Double(answer.count), common / Double(reference.count))
    return 2 * precision * recall / (precision + recall)
  }

  /// Words that both have, each as often as the one that has it less often.
  private static func common(_ left: [String], _ right: [String]) -> Int {
    var left = Dictionary(left.map { (Array($0.utf8), 1) }, uniquingKeysWith: +)
    return right.count { word in
      guard let rest = left[Array(word.utf8)], rest > 0 else { return false }
      left[Array(word.utf8)] = rest - 1
      return true
    }
  }

  private static func subsequence(_ left: [String], _ right: [String]) -> Int {
    var row = Array(repeating: 0, count: right.count + 1)
    for word in left {
      var diagonal = 0
      for (index, other) in right.enumerated() {
        let above = row[index + 1]
        row[index + 1] = word.utf8.elementsEqual(other.utf8) ? diagonal + 1 : max(above, row[index])
        diagonal = above
      }
    }
    return row[right.count]
  }
}

struct ContainsReward: Reward {
  let terms: String
  let part: String?
  var field: String? { terms }

  func values(_ answers: [PartedAnswer]) throws -> [Double] {
    try answers.map { answer in
      guard let terms = answer.given.record.texts(terms), !terms.isEmpty else {
        throw RewardError(reward: "contains", record: answer.given.record, problem: "finds no texts in `\(terms)`")
      }
      let text = Array((answer.text(part) ?? "").utf8)
      return Double(terms.count { text.contains(Array($0.utf8)) }) / Double(terms.count)
    }
  }
}

struct MatchesReward: Reward {
  let expression: NSRegularExpression
  let part: String?

  func values(_ answers: [PartedAnswer]) -> [Double] {
    answers.map { answer in
      guard let text = answer.text(part) else { return 0 }
      return expression.firstMatch(in: text, range: NSRange(text.startIndex..., in: text)) == nil ? 0 : 1
    }
  }
}

struct JSONReward: Reward {
  let schema: JSONShape
  let part: String?

  func values(_ answers: [PartedAnswer]) -> [Double] {
    answers.map { answer in
      guard let text = answer.text(part) else { return 0 }
      return Array(text.utf8).withUnsafeBytes { bytes in
        var reader = JSONReader(bytes)
        do throws(JSONError) { return schema.fits(try reader.onlyValue()) ? 1 : 0 } catch { return 0 }
      }
    }
  }
}

struct LengthReward: Reward {
  let range: ClosedRange<Int>
  let unit: LengthParameters.Unit
  let part: String?

  func values(_ answers: [PartedAnswer]) -> [Double] {
    answers.map { answer in
      let text = (answer.text(part) ?? "").unicodeScalars
      let size = unit == .characters ? text.count : text.split(whereSeparator: \.properties.isWhitespace).count
      return range.contains(size) ? 1 : 0
    }
  }
}

/// A cross-encoder's σ(logit) of a field of the record and the answer.
struct JudgeReward: Reward {
  let scorer: any PairScoring
  let part: String?
  let against: String
  var field: String? { against }

  func values(_ answers: [PartedAnswer]) throws -> [Double] {
    let texts = answers.map { $0.text(part) ?? "" }
    // No text is no answer; the model would have nothing to read.
    let places = texts.indices.filter { !texts[$0].isBlank }
    let pairs = try places.map { place in
      let record = answers[place].given.record
      guard let text = record.texts(against), !text.isEmpty else {
        throw RewardError(reward: "judge", record: record, problem: "finds no text in `\(against)`")
      }
      return (query: text.joined(separator: " "), passage: texts[place])
    }
    var values = texts.map { _ in 0.0 }
    for (place, logit) in zip(places, try scorer.score(pairs)) { values[place] = logistic(Double(logit)) }
    return values
  }
}
