/// Finds the fields of a record under the names that the file has for them.
import Foundation
import JSONText

/// Maps the names that a stage knows to a file's headers or dotted JSON paths: `{query: 질문, answer: output.answer}`.
struct Columns {
  let names: [String: String]
  private let taken: Set<String>

  init(_ names: [String: String]) {
    self.names = names
    taken = Set(names.values)
  }

  /// Throws if a name in `columns:` is none that the reader asks for.
  static func problems(_ names: [String: String], known: [String]) -> [String] {
    names.keys.sorted().filter { !known.contains($0) }.map {
      "`columns` has no `\($0)`; known are \(known.joined(separator: ", "))\(suggestion(for: $0, among: known))"
    }
  }

  /// The first of `aliases` that the record has; `columns:` overrides them all, with an empty path for none, and what
  /// it gives to another name is no alias any more.
  func find(_ name: String, or aliases: [String] = [], in record: Record) -> JSONValue? {
    if let path = names[name] { return path.isEmpty ? nil : record.value.at(path: path) }
    for path in [name] + aliases where !taken.contains(path) {
      if let value = record.value.at(path: path) { return value }
    }
    return nil
  }

  func require(_ name: String, or aliases: [String] = [], in record: Record) throws -> JSONValue {
    if let value = find(name, or: aliases, in: record) { return value }
    let wanted = names[name] ?? name
    guard case .object(let fields) = record.value else { throw record.place.error("expected an object") }
    let keys = fields.map(\.key)
    let found = keys.map { "`\($0)`" }.joined(separator: ", ")
    let remedy = names[name] == nil ? "; map it with `columns: {\(name): …}`" : ""
    let hint = suggestion(for: wanted, among: keys)
    guard record.isTabular else {
      throw record.place.error("no field `\(wanted)`; it has \(found)\(hint)\(remedy)")
    }
    throw DataError(record.place.file, line: 1, "no column `\(wanted)`; the header has \(found)\(hint)\(remedy)")
  }

  /// Text that is not empty; a number as it is written.
  func text(_ name: String, or aliases: [String] = [], in record: Record) throws -> String {
    let value = try require(name, or: aliases, in: record)
    guard let text = value.scalarText else {
      throw record.place.error("`\(names[name] ?? name)` is \(value.kind), expected text")
    }
    guard !text.isBlank else { throw record.place.error("`\(names[name] ?? name)` is empty") }
    return text
  }

  /// As `text`, but `nil` where the field is absent, null or blank.
  func optionalText(_ name: String, or aliases: [String] = [], in record: Record) -> String? {
    guard let text = find(name, or: aliases, in: record)?.scalarText, !text.isBlank else { return nil }
    return text
  }
}

extension JSONValue {
  /// The field of that very name, else the one that the dotted path leads to; numbers index lists.
  func at(path: String) -> JSONValue? {
    if let exact = self[path] { return exact }
    var value = self
    for step in path.split(separator: ".").map(String.init) {
      if case .array(let elements) = value, let index = Int(step), elements.indices.contains(index) {
        value = elements[index]
      } else if let next = value[step] {
        value = next
      } else {
        return nil
      }
    }
    return value
  }

  /// A string, or a number or boolean as it is written.
  var scalarText: String? {
    switch self {
    case .string(let text): text
    case .number(let digits): digits
    case .bool(let value): value ? "true" : "false"
    default: nil
    }
  }
}
