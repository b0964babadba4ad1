/// The one way in which this program prints. Control signs of data, models, logs and remote stores are shown, not
/// obeyed; output that is lost is told by the exit code.
import CSystem
import Escaping
import Foundation
import Synchronization

enum Terminal {
  /// The first error of standard output.
  private static let lost = Mutex<Int32>(0)

  /// Whether standard output is a terminal on which the cursor can be moved.
  static var isInteractive: Bool { isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb" }
  static var hasColour: Bool { isInteractive && ProcessInfo.processInfo.environment["NO_COLOR"] ?? "" == "" }

  /// Prints lines for people on standard output.
  static func say(_ text: String) { put((Escape.printable(text, keepsLines: true) + "\n").utf8) }

  /// - Parameter columns: what the line has to stay below; `nil`: any length.
  static func say(_ line: StyledLine, columns: Int? = nil, colour: Bool = hasColour) {
    put((line.rendered(columns: columns, colour: colour) + "\n").utf8)
  }

  /// Sends an escape sequence of our own, such as one that moves the cursor.
  static func control(_ sequence: String) { put(sequence.utf8) }

  /// Prints what goes to programs, or what was asked for as it is.
  /// - Throws: `OutputLost` if nobody takes it, which may be long before its end.
  static func pass(_ text: String) throws { try pass(text.utf8) }
  /// Shows a part of a text of others, such as a model's, as it comes.
  static func stream(_ text: String) throws { try pass(Escape.printable(text, keepsLines: true)) }
  static func pass(_ bytes: some Sequence<UInt8>) throws {
    put(bytes)
    try checkOutput()
  }

  /// Hands on what is still in a buffer.
  static func flush() {
    if retort_flush() != 0 { keepError() }
  }

  /// - Throws: `OutputLost` if anything that was printed did not arrive.
  static func finish() throws {
    flush()
    try checkOutput()
  }

  /// Prints lines for people on standard error.
  static func complain(_ text: String) { retort_complain(Escape.printable(text, keepsLines: true) + "\n") }

  /// Shows text of our own at the beginning of a line of standard error, in place of what was there.
  static func replaceErrorLine(with text: String) { retort_complain("\r\u{1B}[K" + text) }

  private static func put(_ bytes: some Sequence<UInt8>) {
    let bytes = ContiguousArray(bytes)
    bytes.withUnsafeBytes { if retort_print($0.baseAddress, $0.count) != 0 { keepError() } }
  }

  private static func keepError() { lost.withLock { $0 = $0 == 0 ? errno : $0 } }

  private static func checkOutput() throws {
    let code = lost.withLock { $0 }
    if code != 0 { throw OutputLost(code: code) }
  }
}

/// Standard output is closed, full or broken.
struct OutputLost: Error, CustomStringConvertible {
  let code: Int32
  /// Whoever read it has gone, as `head` does when it has enough.
  var isReaderGone: Bool { code == EPIPE }
  var description: String { "standard output cannot be written: \(String(cString: strerror(code)))" }
}

/// Prints what `--json` asks for: sorted keys, no escaped slashes, one value.
func printJSON(_ value: some Encodable, pretty: Bool = true) throws {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
  encoder.dateEncodingStrategy = .iso8601
  let text = String(decoding: try encoder.encode(value), as: UTF8.self)
  try Terminal.pass(Escape.json(text) + "\n")
}
