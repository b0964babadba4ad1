/// Runs the text of a `cmd` stage in bash, with an environment that is declared and output that is masked.
import Artifacts
import Foundation
import Pipelines
import Processes

struct CommandFailed: Error, CustomStringConvertible {
  let end: ProcessEnd
  var exitCode: Int32 {
    switch end {
    // A command's own code must not look like one of the worker's.
    case .exit(let code): WorkerExit(rawValue: code) == nil ? code : WorkerExit.failed.rawValue
    case .signal(let number): 128 + number
    }
  }
  var description: String {
    switch end {
    case .exit(let code): "the command ended with exit code \(code)"
    case .signal(let number): "the command was killed by signal \(number) (\(String(cString: strsignal(number))))"
    }
  }
}

struct MissingSecret: Error, CustomStringConvertible {
  let name: String
  var description: String { "the secret \(name) is not set; set it in the environment of `retort run`" }
}

extension JobCommand {
  /// What may be known of the command, without its secrets.
  func mask(_ environment: [String: String]) -> MaskingFilter {
    MaskingFilter(secrets.compactMap { environment[$0] })
  }

  /// Secrets that are not masked.
  func shortSecrets(_ environment: [String: String]) -> [String] {
    Set(secrets).filter { (1..<MaskingFilter.shortest).contains(environment[$0]?.utf8.count ?? 0) }.sorted()
  }
}

struct CommandRunner {
  private let command: JobCommand
  private let environment: [String: String]
  private let mask: MaskingFilter
  private let scratch: URL

  /// Linux takes arguments of at most 131,072 bytes; a longer text reaches bash as a file.
  private static let longestArgument = 100_000

  init(_ command: JobCommand, scratch: URL, environment: [String: String]) throws {
    self.command = command
    let secrets = try Dictionary(
      command.secrets.map { name in
        guard let value = environment[name] else { throw MissingSecret(name: name) }
        return (name, value)
      }, uniquingKeysWith: { $1 })
    mask = command.mask(environment)
    self.scratch = scratch
    self.environment = environment.filter { ["PATH", "HOME"].contains($0.key) }
      .merging(["TMPDIR": scratch.posixPath, "LANG": "C.UTF-8"]) { $1 }
      .merging(command.environment) { $1 }
      .merging(secrets) { $1 }
  }

  /// - Parameter lock: stays open in everything that the command starts.
  func run(holding lock: Int32, output: FileHandle) throws {
    var arguments = ["-c", command.text]
    if command.text.utf8.count > Self.longestArgument {
      let script = scratch.appending(path: "command.sh")
      try FileOperations(beneath: scratch).replace(script, with: Data(command.text.utf8))
      arguments = [script.posixPath]
    }
    let pipe = try makePipe()
    let printed = Descriptor(pipe.read)
    let child: ChildProcess
    do {
      let input = Descriptor(pipe.write)
      child = try ChildProcess(
        "/bin/bash", ["-euo", "pipefail"] + arguments, environment: environment, folder: command.folder,
        descriptors: [nil, input.raw, input.raw, lock], newSession: false)
    }
    try pass(printed, to: output)
    let end = child.wait()
    guard end == .exit(0) else { throw CommandFailed(end: end) }
  }

  /// Until everything that holds the other end is gone: what the command left behind may still write outputs.
  private func pass(_ printed: borrowing Descriptor, to output: FileHandle) throws {
    var filter = mask
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(printed.raw, &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { break }
      try output.write(contentsOf: filter.feed(buffer[..<count]))
    }
    try output.write(contentsOf: filter.finish())
  }
}
