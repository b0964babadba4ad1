/// Writes a stage's events as JSON lines, each in one write, from whatever thread they come.
import Artifacts
import Foundation
import Pipelines
import Synchronization

final class EventWriter: Sendable {
  private let output: FileHandle
  private let url: URL
  private let file: Mutex<FileHandle>
  private let failure = Mutex<(any Error)?>(nil)

  /// Appends to what is there.
  /// - Parameter output: takes the lines for people too.
  init(_ work: WorkFolder, output: FileHandle) throws {
    self.output = output
    url = work.events
    let descriptor = try work.enclosure.open(url, O_WRONLY | O_CREAT | O_APPEND).release()
    file = Mutex(FileHandle(fileDescriptor: descriptor, closeOnDealloc: true))
  }

  /// Reporting never stops a stage; `check` tells afterwards whether something was lost.
  func write(_ event: StageEvent) {
    do {
      let line = try storedJSON(event) + Data("\n".utf8)
      try file.withLock { try $0.write(contentsOf: line) }
      switch event {
      case .log(let text): try output.write(contentsOf: Data("\(text)\n".utf8))
      case .warning(let text): try output.write(contentsOf: Data("warning: \(text)\n".utf8))
      case .verdict(let verdict): try output.write(contentsOf: Data("\(verdict.sentence)\n".utf8))
      case .metric, .progress, .profile, .resumed: break
      }
    } catch {
      failure.withLock { $0 = error }
    }
  }

  /// Makes all that was written durable, and says how many bytes it is.
  func sync() throws -> Int {
    try check()
    return try file.withLock { file in
      guard fsync(file.fileDescriptor) == 0 else { throw FileError("sync", url) }
      return Int(try file.seekToEnd())
    }
  }

  func check() throws {
    if let error = failure.withLock({ $0 }) { throw error }
  }
}
