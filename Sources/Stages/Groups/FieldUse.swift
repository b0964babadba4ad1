/// Which fields of the templates the data has, so that one which it never has is an error and not an empty text.
import Basics
import Foundation
import JSONText

/// Shared by the copies of a reader.
final class FieldUse {
  private var found: Set<String> = []
  private var keys: [Bool: [String]] = [:]
  private var hasTitle = false

  func sawQuery(_ record: Record) { see(record, isQuery: true) }
  func sawPassage(_ record: Record) { see(record, isQuery: false) }
  func sawTitle() { hasTitle = true }

  private func see(_ record: Record, isQuery: Bool) {
    if keys[isQuery] == nil { keys[isQuery] = record.value.members?.map(\.key) ?? [] }
  }

  /// The keys of the first record.
  func keys(ofQueries isQuery: Bool) -> [String] { keys[isQuery] ?? [] }

  /// The texts that a field stands for; none where it is missing or empty.
  func texts(of field: Template.Field, in record: Record, isQuery: Bool) throws -> [String] {
    let values = record.value.all(at: field.path)
    if !values.isEmpty {
      let name = "\(isQuery) \(field.path)"
      if !found.contains(name) { found.insert(name) }
    }
    guard let texts = JSONValue.array(values).texts else {
      throw record.place.error(
        "`\(field.path)`, character \(field.character) of `\(isQuery ? "query" : "passage")_template`, holds objects, "
          + "expected text; name a field of theirs, as `\(field.path).\(values.first?.elements == nil ? "" : "*.")NAME`"
      )
    }
    return texts
  }

  /// What is wrong with the first field that no record has.
  func missing(in form: Template, isQuery: Bool) -> String? {
    for field in form.fields
    where !["text", "title"].contains(field.path) && !found.contains("\(isQuery) \(field.path)") {
      let keys = keys(ofQueries: isQuery)
      return "`\(isQuery ? "query" : "passage")_template` has, as character \(field.character), the field "
        + "`{\(field.path)}`, which no record has; the first has \(keys.map { "`\($0)`" }.joined(separator: ", "))"
        + didYouMean(nearest(to: field.path, in: keys))
    }
    return nil
  }

  /// Whether titles were asked for and there was none.
  func lacksTitles(_ form: Template) -> Bool { !hasTitle && form.fields.contains { $0.path == "title" } }
}
