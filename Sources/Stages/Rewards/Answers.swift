/// Answers to be rewarded, and what is known of their questions.
import Foundation
import JSONText
import Pipelines

/// What a record says that rewards need.
struct AnswerRecord: Sendable {
  let id: String
  let query: String
  var type: String?
  /// The reference answer.
  var answer: String?
  /// All its fields; `passage` among them is what its prompt shows.
  var fields: JSONValue
  let place: RecordPlace

  /// A field's texts; `nil` if it lacks it.
  func texts(_ field: String) -> [String]? { fields.at(path: field)?.texts }
}

/// An answer that somebody gave to a record's question.
struct GivenAnswer: Sendable {
  let text: String
  let record: AnswerRecord
}

/// An answer and its reference, taken apart by the form.
struct PartedAnswer {
  let given: GivenAnswer
  /// `nil` without the form.
  let parts, reference: [String: String]?

  init(_ given: GivenAnswer, _ form: AnswerForm?, _ referenceForm: AnswerForm?) {
    self.given = given
    parts = form?.parts(of: given.text)
    reference = given.record.answer.flatMap { referenceForm?.parts(of: $0) }
  }

  /// A part, or the whole answer; `nil` if there is no such part.
  func text(_ part: String?) -> String? { part.map { parts?[$0] } ?? given.text }

  /// The same of the reference.
  func reference(_ part: String?) -> String? { part.map { reference?[$0] } ?? given.record.answer }
}

/// A reward that gave no number, and for what.
struct RewardError: PermanentFailure, CustomStringConvertible {
  let reward: String
  var record: AnswerRecord?
  let problem: String
  var description: String {
    "the reward `\(reward)`"
      + (record.map { " of an answer to `\($0.id)` (\($0.place.file.lastPathComponent):\($0.place.line))" } ?? "")
      + " \(problem)"
  }
}
