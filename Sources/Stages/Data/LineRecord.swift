/// Reading and writing JSON lines of a known shape; unknown and missing keys are errors with their line.
import Basics
import Foundation
import JSONText

/// A type that is one JSON object of a line, or part of one.
package protocol LineRecord: Sendable {
  /// Every key that may occur; another one is an error.
  static var keys: [String] { get }
  init(reading object: LineObject) throws
  var json: JSONValue { get }
}

extension LineRecord {
  /// Every record of a JSON lines file. Throws `DataError` with file and line.
  package static func read(_ file: URL) throws -> [Self] {
    var records: [Self] = []
    try forEach(in: file) { records.append($0) }
    return records
  }

  /// One record after another, none of which is kept. Throws `DataError` with file and line.
  package static func forEach(in file: URL, _ body: (Self) throws -> Void) throws {
    try forEachRecord(of: TextFile(file, encoding: .utf8), format: .jsonl) { record in
      try body(Self(record.value, at: record.place))
    }
  }

  /// One line a record, UTF-8.
  package static func write(_ records: some Sequence<Self>, to file: URL) throws {
    let writer = try LineWriter(file)
    for record in records { try writer.write(record.json) }
    try writer.close()
  }

  fileprivate init(_ value: JSONValue, at place: RecordPlace) throws {
    guard case .object(let fields) = value else { throw place.error("expected an object, found \(value.kind)") }
    if let unknown = fields.first(where: { !Self.keys.contains($0.key) })?.key {
      let known = Self.keys.map { "`\($0)`" }.joined(separator: ", ")
      let hint = didYouMean(nearest(to: unknown, in: Self.keys))
      throw place.error("unknown key `\(unknown)`, known are \(known)\(hint)")
    }
    try self.init(reading: LineObject(value: value, place: place))
  }
}

/// The object that a `LineRecord` is read from.
package struct LineObject {
  fileprivate let value: JSONValue
  package let place: RecordPlace

  private func require(_ key: String) throws -> JSONValue {
    guard let found = value[key] else { throw place.error("the key `\(key)` is missing") }
    return found
  }

  /// A string that is not empty.
  package func text(_ key: String) throws -> String {
    let found = try require(key)
    guard case .string(let text) = found else { throw wrong(key, found, "a string") }
    guard !text.isBlank else { throw place.error("`\(key)` is empty") }
    return text
  }

  package func optionalText(_ key: String) throws -> String? {
    switch value[key] {
    case nil, .null: nil
    case .some: try text(key)
    }
  }

  /// Whether there is such a key with a value.
  func has(_ key: String) -> Bool { value[key] ?? .null != .null }

  package func number(_ key: String) throws -> Double {
    let found = try require(key)
    guard let number = found.double else { throw wrong(key, found, "a number") }
    return number
  }

  package func float(_ key: String) throws -> Float {
    let found = try require(key)
    guard let number = found.float else { throw wrong(key, found, "a number") }
    return number
  }

  package func list<Element: LineRecord>(_ key: String) throws -> [Element] {
    let found = try require(key)
    guard case .array(let values) = found else { throw wrong(key, found, "a list") }
    return try values.map { try Element($0, at: place) }
  }

  package func optionalNumbers(_ key: String) throws -> [Double]? {
    guard let found = value[key], found != .null else { return nil }
    guard let numbers = found.elements?.compactMap(\.double), numbers.count == found.elements?.count else {
      throw wrong(key, found, "a list of numbers")
    }
    return numbers
  }

  private func wrong(_ key: String, _ found: JSONValue, _ expected: String) -> DataError {
    place.error("`\(key)` is \(found.kind), expected \(expected)")
  }
}

extension String {
  /// Whether there is nothing but white space.
  var isBlank: Bool { unicodeScalars.allSatisfy(\.properties.isWhitespace) }
}

/// Writes JSON lines through a buffer.
package final class LineWriter {
  private let handle: FileHandle
  private var buffer = Data()

  /// Creates the file, replacing what was there.
  package init(_ file: URL) throws {
    try Data().write(to: file)
    handle = try FileHandle(forWritingTo: file)
  }

  package func write(_ value: JSONValue) throws {
    buffer.append(contentsOf: value.text().utf8)
    buffer.append(0x0A)
    if buffer.count > 1 << 20 { try flush() }
  }

  private func flush() throws {
    try handle.write(contentsOf: buffer)
    buffer.removeAll(keepingCapacity: true)
  }

  /// Must be called: what is still in the buffer is written here.
  package func close() throws {
    try flush()
    try handle.close()
  }
}
