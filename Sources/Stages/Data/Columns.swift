/// Finds the fields of a record under the names that the file has for them.
import Basics
import Foundation
import JSONText

/// Maps the names that a stage knows to a file's headers or dotted JSON paths: `{query: 질문, answer: output.answer}`.
struct Columns {
  let names: [String: String]
  /// Which of these names go by a path.
  private let owners: [String: [String]]
  /// Names that the file has and that are not to be taken for one that the stage knows.
  private let ignored: Set<String>
  private let use = Use()

  /// What of `names` was looked for, and what of that a record had.
  private final class Use {
    var asked: Set<String> = []
    var found: Set<String> = []
  }

  init(_ names: [String: String], ignoring ignored: Set<String> = []) {
    self.names = names
    self.ignored = ignored
    owners = Dictionary(grouping: names.keys) { names[$0] ?? "" }
  }

  /// Names in `columns:`, or what else `key` calls it, that the reader does not ask for.
  static func problems(_ names: [String: String], known: [String], of key: String = "columns") -> [String] {
    names.keys.sorted().filter { !known.contains($0) }.map {
      "`\(key)` has no `\($0)`; known are \(known.joined(separator: ", "))\(didYouMean(nearest(to: $0, in: known)))"
    }
  }

  /// The first of `aliases` that the record has; `columns:` overrides them all, with an empty path for none, and what
  /// it gives to another name is no alias any more, except that an id may be a title too.
  func find(_ name: String, or aliases: [String] = [], in record: Record) -> JSONValue? {
    source(of: name, or: aliases, in: record)?.value
  }

  /// As `find`, with the path that led to the value.
  func source(of name: String, or aliases: [String] = [], in record: Record) -> (path: String, value: JSONValue)? {
    if let path = names[name] {
      if !use.asked.contains(name) { use.asked.insert(name) }
      guard !path.isEmpty, let value = record.value.at(path: path) else { return nil }
      markFound(name)
      return (path, value)
    }
    if let value = free(name, for: name, in: record) { return (name, value) }
    for path in aliases {
      if let value = free(path, for: name, in: record) { return (path, value) }
    }
    return nil
  }

  private func free(_ path: String, for name: String, in record: Record) -> JSONValue? {
    guard let value = record.value.at(path: path), !ignored.contains(path),
      owners[path]?.allSatisfy({ $0 == "id" && name == "title" }) ?? true
    else { return nil }
    return value
  }

  /// Of a name that is found in another way than by `find`.
  func markFound(_ name: String) { if !use.found.contains(name) { use.found.insert(name) } }

  /// What is wrong with the first of `columns` that was of no use; `nil` if all were.
  /// - Parameters:
  ///   - key: what the stage calls `columns`.
  ///   - form: of the data.
  func unused(of key: String, form: String, keys: [String]) -> String? {
    for (name, path) in names.sorted(by: { $0.key < $1.key })
    where !path.isEmpty && name != "records" && !use.found.contains(name) {
      guard use.asked.contains(name) else {
        return "`\(key)` gives `\(name): \(path)`, which is not asked for in data of the form \(form); leave it out"
      }
      let known = keys.map { "`\($0)`" }.joined(separator: ", ")
      return "no record has `\(path)`, which `\(key)` gives for `\(name)`; the first has \(known)"
        + didYouMean(nearest(to: path, in: keys))
    }
    return nil
  }

  func require(_ name: String, or aliases: [String] = [], in record: Record) throws -> JSONValue {
    if let value = find(name, or: aliases, in: record) { return value }
    throw missing(name, in: record)
  }

  /// Says that a record lacks a field, and what it has.
  func missing(_ name: String, in record: Record) -> DataError {
    let wanted = names[name] ?? name
    guard case .object(let fields) = record.value else { return record.place.error("expected an object") }
    let keys = fields.map(\.key)
    let found = keys.map { "`\($0)`" }.joined(separator: ", ")
    let remedy = names[name] == nil ? "; map it with `columns: {\(name): …}`" : ""
    let hint = didYouMean(nearest(to: wanted, in: keys))
    guard record.isTabular else {
      return record.place.error("no field `\(wanted)`; it has \(found)\(hint)\(remedy)")
    }
    return DataError(record.place.file, line: 1, "no column `\(wanted)`; the header has \(found)\(hint)\(remedy)")
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
  /// The field of that very name, else the one that the dotted path leads to; numbers index lists, and `*` stands for
  /// every element of one, which gives a list.
  func at(path: String) -> JSONValue? {
    if let exact = self[path] { return exact }
    guard path.utf8.contains(UInt8(ascii: ".")) else { return nil }
    let values = all(at: path)
    return path.split(separator: ".").contains("*") && !values.isEmpty ? .array(values) : values.first
  }

  /// All values that a path leads to, in the file's order.
  func all(at path: String) -> [JSONValue] {
    if let exact = self[path] { return [exact] }
    var values = [self]
    for step in path.split(separator: ".").map(String.init) {
      values = values.flatMap { value -> [JSONValue] in
        guard case .array(let elements) = value else { return value[step].map { [$0] } ?? [] }
        if step == "*" { return elements }
        return Int(step).flatMap { elements.indices.contains($0) ? [elements[$0]] : nil } ?? []
      }
    }
    return values
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

  /// Its texts in order, those of lists in it too, without blank ones; `nil` if there is an object among them.
  var texts: [String]? {
    switch self {
    case .null: return []
    case .object: return nil
    case .array(let elements):
      let inner = elements.map(\.texts)
      return inner.contains { $0 == nil } ? nil : inner.flatMap { $0 ?? [] }
    default: return scalarText.map { $0.isBlank ? [] : [$0] } ?? []
    }
  }
}
