/// A JSON file of a model folder whose keys are asked for by name and type; what is missing or wrong is named.
import Basics
import Foundation
import JSONText

package struct Configuration: Sendable, Hashable {
  package let file: URL
  package var values: JSONValue

  package init(file: URL, values: JSONValue) {
    self.file = file
    self.values = values
  }

  /// Real ones have less than a tenth of it.
  private static let mostBytes = 64 << 20

  /// - Parameter root: the model's folder, out of which no link may lead.
  package init(contentsOf file: URL, in root: URL) throws {
    let data = try CheckpointError.reading(file) { () throws(ForeignFile.Refusal) in
      try ForeignFile.contents(of: file, in: root, atMost: Self.mostBytes)
    }
    self.file = file
    values = try data.withUnsafeBytes { bytes in
      var reader = JSONReader(bytes)
      do throws(JSONError) { return try reader.onlyValue() } catch {
        let (line, column) = error.place(in: bytes)
        throw CheckpointError(file, "line \(line), column \(column)", found: error.found, expected: error.expected)
      }
    }
  }

  /// `nil` if there is no such file.
  package init?(ifPresent file: URL, in root: URL) throws {
    guard ForeignFile.exists(file) else { return nil }
    try self.init(contentsOf: file, in: root)
  }

  package func write() throws {
    try CheckpointError.writing(file) { try Data(values.text(.indented).utf8).write(to: file) }
  }

  package func int(_ key: String) throws -> Int { try value(key, "a whole number", \.int) }
  package func double(_ key: String) throws -> Double { try value(key, "a number", \.double) }
  package func string(_ key: String) throws -> String { try value(key, "a string", \.string) }

  /// These are `nil` where the key is absent or null.
  package func int(ifPresent key: String) throws -> Int? { has(key) ? try int(key) : nil }
  package func double(ifPresent key: String) throws -> Double? { has(key) ? try double(key) : nil }
  package func string(ifPresent key: String) throws -> String? { has(key) ? try string(key) : nil }
  package func bool(ifPresent key: String) throws -> Bool? {
    has(key) ? try value(key, "true or false", \.bool) : nil
  }

  package func has(_ key: String) -> Bool { values[key].map { $0 != .null } ?? false }

  private func value<T>(_ key: String, _ expected: String, _ path: KeyPath<JSONValue, T?>) throws -> T {
    guard let value = values[key] else {
      throw CheckpointError(file, "key \"\(key)\"", found: "nothing", expected: expected)
    }
    guard let typed = value[keyPath: path] else {
      throw CheckpointError(file, "key \"\(key)\"", found: value.text(), expected: expected)
    }
    return typed
  }
}
