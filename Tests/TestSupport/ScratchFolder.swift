/// A temporary folder that a test owns and that goes when the test ends.
import Foundation

public final class ScratchFolder: Sendable {
  public let url: URL

  /// - Parameter inMemory: where the system has a filesystem in memory, for tests that sync thousands of times.
  public init(inMemory: Bool = false) throws {
    let memory = URL(filePath: "/dev/shm")
    let parent =
      inMemory && FileManager.default.isWritableFile(atPath: memory.path)
      ? memory : FileManager.default.temporaryDirectory
    url = parent.appending(path: "retort-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  /// Writes `text` to `path` inside the folder, making parent folders.
  @discardableResult
  public func write(_ text: String, to path: String) throws -> URL {
    try write(Data(text.utf8), to: path)
  }

  @discardableResult
  public func write(_ data: Data, to path: String) throws -> URL {
    let file = url.appending(path: path)
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try data.write(to: file)
    return file
  }

  deinit {
    // A leftover temporary folder harms nobody; the system cleans it.
    try? FileManager.default.removeItem(at: url)
  }
}

/// The folder of golden files in the checkout, `Tests/Fixtures`.
public let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .appending(path: "Fixtures")
