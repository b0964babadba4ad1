/// Runs a program of the system and takes what it says.
import Artifacts
import Foundation

enum Tool {
  struct Result {
    var code: Int32
    var output: Data
    var errors: String
  }

  /// `nil` if it cannot be started, which is the same to whoever asks as a program that fails.
  static func run(_ words: [String]) -> Result? { try? answer(words) }

  /// - Throws: `ToolFailed` unless it ends well.
  static func demand(_ words: [String], input: Data = Data()) throws {
    let result = try answer(words, input: input)
    if result.code != 0 { throw ToolFailed(words: words, result: result) }
  }

  /// Runs a program that is looked up on PATH; in English.
  static func answer(_ words: [String], input: Data = Data()) throws -> Result {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = words
    process.environment = ProcessInfo.processInfo.environment.merging(["LC_ALL": "C"]) { $1 }
    let (given, output, errors) = (Pipe(), Pipe(), Pipe())
    (process.standardInput, process.standardOutput, process.standardError) = (given, output, errors)
    try process.run()
    var unread: (any Error)?
    do { try given.fileHandleForWriting.write(contentsOf: input) } catch { unread = error }
    try given.fileHandleForWriting.close()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    let said = try errors.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    // A program that fails before it has read all says why itself; one that ends well has to have read all.
    if let unread, process.terminationStatus == 0 { throw unread }
    return Result(code: process.terminationStatus, output: data, errors: String(decoding: said, as: UTF8.self))
  }
}

struct ToolFailed: Error, CustomStringConvertible {
  let words: [String]
  let result: Tool.Result
  var description: String {
    let said = result.errors.split(whereSeparator: \.isNewline).last.map { ": \($0)" } ?? ""
    return "`\(words.joined(separator: " "))` ended with exit code \(result.code)\(said)"
  }
}
