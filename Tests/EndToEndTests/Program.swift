/// Runs the real `retort` that was built beside the test bundle, in a scratch project of the test's own.
import Foundation
import TestSupport

/// How the program ended and what it printed.
struct Ended {
  var code: Int32
  var output: String
  var errors: String

  /// What `--json` printed.
  func decoded<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
    try JSONDecoder().decode(type, from: Data(output.utf8))
  }
}

/// A folder with a `.retort` of its own, which so is a project's root wherever it lies.
struct Project {
  private let scratch: ScratchFolder
  var root: URL { scratch.url }
  var store: URL { root.appending(path: ".retort") }

  init(_ pipeline: String = "", data: [String: String] = [:]) throws {
    scratch = try ScratchFolder()
    try FileManager.default.createDirectory(at: store, withIntermediateDirectories: true)
    try write(pipeline)
    for (path, text) in data { try scratch.write(text, to: path) }
  }

  /// Replaces the pipeline.
  func write(_ pipeline: String) throws { try scratch.write(pipeline, to: "pipeline.yaml") }
  /// Copies what lies in the checkout.
  func copy(_ path: String, to target: String) throws {
    try FileManager.default.copyItem(at: checkout.appending(path: path), to: root.appending(path: target))
  }
  func write(_ text: String, to path: String) throws { try scratch.write(text, to: path) }
  func read(_ path: String) throws -> String { try String(contentsOf: root.appending(path: path), encoding: .utf8) }

  /// Runs `retort` in the project's root, which is also its HOME.
  func retort(_ arguments: String..., environment: [String: String] = [:]) async throws -> Ended {
    try await run(retortProgram, arguments, environment: environment)
  }

  /// The stages that `retort run` executed, in the order in which they ended.
  func run(_ arguments: String...) async throws -> [String] {
    let ended = try await run(retortProgram, ["run", "pipeline.yaml", "--json"] + arguments)
    guard ended.code == 0 else { throw UnexpectedEnd(ended: ended) }
    return try ended.output.split(separator: "\n")
      .map { try JSONDecoder().decode(Event.self, from: Data($0.utf8)) }
      .filter { $0.event == "stage" && $0.state == "ran" }.compactMap(\.stage)
  }

  func run(_ program: URL, _ arguments: [String], environment: [String: String] = [:]) async throws -> Ended {
    let printed = ["output", "errors"].map { root.appending(path: ".\(UUID().uuidString).\($0)") }
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.currentDirectoryURL = root
    process.environment = ProcessInfo.processInfo.environment.filter { $0.key != "RETORT_STORE" }
      .merging(["HOME": root.path]) { $1 }.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    for url in printed { try Data().write(to: url) }
    let handles = try printed.map(FileHandle.init(forWritingTo:))
    (process.standardOutput, process.standardError) = (handles[0], handles[1])
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
      process.terminationHandler = { _ in continuation.resume() }
      do { try process.run() } catch { continuation.resume(throwing: error) }
    }
    for handle in handles { try handle.close() }  // the process keeps them
    let texts = try printed.map { String(decoding: try Data(contentsOf: $0), as: UTF8.self) }
    for url in printed { try FileManager.default.removeItem(at: url) }
    let signal = process.terminationReason == .uncaughtSignal
    return Ended(
      code: process.terminationStatus + (signal ? 128 : 0), output: texts[0], errors: texts[1])
  }
}

/// A line of `retort run --json`.
private struct Event: Decodable {
  var event: String
  var stage: String?
  var state: String?
}

struct UnexpectedEnd: Error, CustomStringConvertible {
  let ended: Ended
  var description: String { "retort ended with \(ended.code)\n\(ended.output)\n\(ended.errors)" }
}

/// In the products' folder, where the test bundle lies too.
let retortProgram = (Bundle.main.executableURL ?? URL(filePath: CommandLine.arguments[0]))
  .resolvingSymlinksInPath().deletingLastPathComponent().appending(path: "retort")

let checkout = fixtures.deletingLastPathComponent().deletingLastPathComponent()
