/// Runs a program of the system to its end and takes what it says.
import Artifacts
import Foundation

package enum Tool {
  package struct Result {
    package var end: ProcessEnd
    package var output: Data
    package var errors: String
    /// Bytes of its input.
    var unread: Int
    /// Whether it was killed because it took too long.
    package var isOverdue = false

    package var lines: [String] {
      String(decoding: output, as: UTF8.self).split(whereSeparator: \.isNewline).map(String.init)
    }
  }

  /// `nil` if it cannot be started or fails, which is the same to whoever asks.
  package static func run(_ words: [String]) -> Result? {
    do {
      let result = try answer(words)
      return result.end == .exit(0) ? result : nil
    } catch { return nil }
  }

  /// - Throws: `ToolFailed` unless it ends well and has read all of its input.
  package static func demand(_ words: [String], input: Data = Data()) throws {
    let result = try answer(words, input: input)
    if result.end != .exit(0) || result.unread > 0 { throw ToolFailed(words: words, result: result) }
  }

  /// Runs a program that is looked up on PATH; in English.
  /// - Parameters:
  ///   - environment: what is to be different from this process's.
  ///   - limit: after which it and its children are killed.
  package static func answer(
    _ words: [String], input: Data = Data(), environment: [String: String] = ["LC_ALL": "C"], limit: Duration? = nil
  ) throws -> Result {
    // Files, since whoever writes to one pipe and reads from two may wait for ever.
    let given = try UnnamedFile(input)
    let output = try UnnamedFile()
    let errors = try UnnamedFile()
    let child = try ChildProcess(
      "/usr/bin/env", words, environment: ProcessInfo.processInfo.environment.merging(environment) { $1 },
      descriptors: [given.raw, output.raw, errors.raw], newSession: true)
    let isOverdue = limit.map { !child.ends(within: $0) } ?? false
    if isOverdue { kill(-child.pid, SIGKILL) }
    let end = child.wait(killGroup: limit != nil)
    return Result(
      end: end, output: try output.content(), errors: String(decoding: try errors.content(), as: UTF8.self),
      unread: input.count - given.position, isOverdue: isOverdue)
  }
}

package struct ToolFailed: Error, CustomStringConvertible {
  private let words: [String]
  private let result: Tool.Result

  package init(words: [String], result: Tool.Result) {
    self.words = words
    self.result = result
  }

  package var description: String {
    let tool = "`\(words.joined(separator: " "))`"
    if result.end == .exit(0) { return "\(tool) left \(result.unread) bytes unread of what it was given" }
    let said = result.errors.split(whereSeparator: \.isNewline).last.map { ": \($0)" } ?? ""
    return "\(tool) ended with \(result.end)\(said)"
  }
}

/// A file without a name, for a child's input or output: it is gone when it is closed.
package struct UnnamedFile: ~Copyable {
  private let file: Descriptor
  private let url: URL
  package var raw: Int32 { file.raw }

  /// Open at its beginning.
  package init(_ content: Data = Data()) throws {
    var path = Array((FileManager.default.temporaryDirectory.posixPath + "/retort-XXXXXX").utf8CString)
    file = Descriptor(mkstemp(&path))
    url = URL(filePath: String(decoding: path.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self))
    guard file.raw >= 0 else { throw FileError("create", url) }
    guard fcntl(file.raw, F_SETFD, FD_CLOEXEC) == 0, unlink(path) == 0 else { throw FileError("create", url) }
    try FileHandle(fileDescriptor: file.raw, closeOnDealloc: false).write(contentsOf: content)
    guard lseek(file.raw, 0, SEEK_SET) == 0 else { throw FileError("write", url) }
  }

  /// How far those have read or written who share it.
  var position: Int { Int(lseek(file.raw, 0, SEEK_CUR)) }

  /// All that is in it.
  package func content() throws -> Data { try file.bytes(of: url) }
}
