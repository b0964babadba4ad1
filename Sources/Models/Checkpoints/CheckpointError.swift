/// What is wrong with a file of a model folder, told so that a person can mend it.
import Basics
import Foundation

/// A file that cannot be used: where, what was found, what was expected, what to do.
package struct CheckpointError: Error, Equatable, CustomStringConvertible {
  package let file: URL
  /// The tensor, key or part of the file; empty if it is the whole file.
  package let place: String
  package let found: String
  package let expected: String
  package let remedy: String?

  package init(_ file: URL, _ place: String = "", found: String, expected: String, remedy: String? = nil) {
    self.file = file
    self.place = place
    // What a file says of itself may be long.
    self.found = found.unicodeScalars.count > 2000 ? String(found.unicodeScalars.prefix(2000)) + "…" : found
    self.expected = expected
    self.remedy = remedy
  }

  /// Several things that are wrong with one file, as one; `nil` if nothing is.
  init?(together errors: [CheckpointError]) {
    guard let first = errors.first else { return nil }
    let others = errors.dropFirst().map { "; \($0.place): found \($0.found), expected \($0.expected)" }
    self.init(
      first.file, first.place, found: first.found, expected: first.expected + others.joined(),
      remedy: errors.lazy.compactMap(\.remedy).first)
  }

  package var description: String {
    [file.path(percentEncoded: false), place, "found \(found), expected \(expected)"].filter { !$0.isEmpty }
      .joined(separator: ": ") + (remedy.map { "\n\($0)" } ?? "")
  }
}

extension CheckpointError {
  /// Why `file` is not read, retold with its name.
  static func reading<T>(_ file: URL, _ body: () throws(ForeignFile.Refusal) -> T) throws -> T {
    do { return try body() } catch { throw CheckpointError(file, found: error.found, expected: error.expected) }
  }

  /// Foundation's errors while writing `file`, retold with its name; a full disk is for the caller to tell.
  static func writing<T>(_ file: URL, _ body: () throws -> T) throws -> T {
    do { return try body() } catch let error as CocoaError where error.code != .fileWriteOutOfSpace {
      throw CheckpointError(file, found: reason(error), expected: "a file that can be written")
    }
  }

  private static func reason(_ error: CocoaError) -> String {
    (error.underlying as? POSIXError).map { String(cString: strerror($0.code.rawValue)) } ?? error.localizedDescription
  }
}
