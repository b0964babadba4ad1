/// Speaks HTTP through the program curl, which knows proxies and certificates: a client of our own would cost every
/// worker 6 ms more to start.
import Artifacts
import Foundation

package enum Curl {
  /// Tells why an answer is missing.
  package struct Problem: Error, CustomStringConvertible {
    package enum Cause: Sendable {
      case notInstalled
      /// curl's exit code.
      case code(Int32)
      case signal(Int32)
      /// Whoever asked wants it no longer.
      case stopped
    }
    package let cause: Cause
    package let description: String
    /// What the server said last, if it said anything.
    package var head: Head?
  }

  /// The first lines of an answer.
  package struct Head: Sendable {
    package var status: Int
    /// By their names in lower case; of answers that lead elsewhere those that the later ones lack.
    package var fields: [String: String]
  }

  /// Asks for `url`, waiting on this thread.
  /// - Parameters:
  ///   - options: further words for curl.
  ///   - headers: `Name: value`; no list of processes shows them.
  ///   - body: what is posted; absent: nothing.
  ///   - output: takes the answer's body, from where it stands.
  ///   - goesOn: asked five times a second; false ends it.
  /// - Throws: `Problem`.
  @discardableResult
  package static func ask(
    _ url: String, _ options: [String] = [], headers: [String] = [], body: Data? = nil, output: Int32? = nil,
    environment: [String: String], while goesOn: () -> Bool = { true }
  ) throws -> Head? {
    let input = try UnnamedFile(body ?? Data())
    let errors = try UnnamedFile()
    let fields = try UnnamedFile(Data(headers.map { $0 + "\n" }.joined().utf8))
    let heads = try UnnamedFile()
    let words =
      ["--silent", "--show-error", "--globoff", "--header", "@/dev/fd/3", "--dump-header", "/dev/fd/4"]
      + (body == nil ? [] : ["--data-binary", "@-"]) + options + ["--", url]
    let ends = try makePipe()
    let finished = Descriptor(ends.read)
    let running = Descriptor(ends.write)
    let child = try ChildProcess(
      "/usr/bin/env", ["curl"] + words, environment: environment,
      descriptors: [input.raw, output, errors.raw, fields.raw, heads.raw, running.raw], newSession: true)
    close(running.release())
    var isStopped = false
    while !hasEnded(finished.raw) {
      if isStopped || goesOn() { continue }
      isStopped = true
      kill(-child.pid, SIGKILL)
    }
    let end = child.wait()
    let head = Head(ofLast: String(decoding: try heads.content(), as: UTF8.self))
    guard end != .exit(0) else { return head }
    let said = String(decoding: try errors.content(), as: UTF8.self).split(whereSeparator: \.isNewline).first
    throw Problem(end, isStopped: isStopped, said: said.map(String.init), head)
  }

  /// Waits a fifth of a second for the other end of a pipe to close.
  private static func hasEnded(_ pipe: Int32) -> Bool {
    var asked = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
    return poll(&asked, 1, 200) > 0
  }
}

extension Curl.Problem {
  fileprivate init(_ end: ProcessEnd, isStopped: Bool, said: String?, _ head: Curl.Head?) {
    self.head = head
    switch end {
    case _ where isStopped: (cause, description) = (.stopped, "it was stopped")
    case .exit(127): (cause, description) = (.notInstalled, "the program curl is not installed")
    case .exit(let code): (cause, description) = (.code(code), said ?? "curl ended with \(code)")
    case .signal(let number): (cause, description) = (.signal(number), "curl was killed by signal \(number)")
    }
  }
}

extension Curl.Head {
  /// Reads the last of several answers that came one after the other; `nil` for none.
  fileprivate init?(ofLast text: String) {
    var heads: [Self] = []
    for line in text.split(whereSeparator: \.isNewline) {
      if line.hasPrefix("HTTP/") {
        let words = line.split(separator: " ")
        heads.append(Self(status: words.count > 1 ? Int(words[1]) ?? 0 : 0, fields: heads.last?.fields ?? [:]))
      } else if let colon = line.firstIndex(of: ":"), !heads.isEmpty {
        let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        heads[heads.count - 1].fields[line[..<colon].lowercased()] = value
      }
    }
    guard let last = heads.last else { return nil }
    self = last
  }
}

/// What `body`, which blocks, gives on a thread of its own.
package func onOwnThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Swift.Result { try body() }) }
  }
}
