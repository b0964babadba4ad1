/// A disk that fails at one chosen operation, or a machine that loses its power there.
@testable import Artifacts
import Foundation
import Synchronization

/// What goes wrong.
enum Fault: CaseIterable, CustomStringConvertible {
  case noSpace
  case brokenDisk
  /// Half of the bytes are taken, the rest finds no space.
  case shortWrite
  case failedRename
  case failedSync
  /// Nothing happens any more, and what was not made durable is gone.
  case crash

  var description: String {
    switch self {
    case .noSpace: "ENOSPC"
    case .brokenDisk: "EIO"
    case .shortWrite: "a short write"
    case .failedRename: "a failing rename"
    case .failedSync: "a failing fsync"
    case .crash: "a crash"
    }
  }

  /// Whether it can happen at an operation.
  func concerns(_ operation: String) -> Bool {
    switch self {
    case .noSpace: ["create", "write", "make", "link", "rename", "exchange", "sync"].contains(operation)
    case .brokenDisk, .crash: true
    case .shortWrite: operation == "write"
    case .failedRename: ["rename", "exchange"].contains(operation)
    case .failedSync: operation.hasPrefix("sync")
    }
  }
}

struct Crashed: Error {}

/// Counts operations, and fails at the one with this number.
final class FaultyDisk: Sendable {
  private struct State {
    var operations: [String] = []
    var isDown = false
    var isShort = false
    /// Inodes with bytes that no fsync made durable, and the one that is being synced.
    var dirty: Set<Int64> = []
    var syncing: Int64?
  }
  private let state = Mutex(State())
  private let fault: Fault?
  private let number: Int

  init(_ fault: Fault? = nil, at number: Int = .max) {
    self.fault = fault
    self.number = number
  }

  var operations: [String] { state.withLock { $0.operations } }

  var files: FileOperations {
    FileOperations(
      before: { try self.before($0, $1) },
      limit: { bytes in self.state.withLock { $0.isShort && bytes > 1 } ? bytes / 2 : bytes })
  }

  private func before(_ operation: String, _ url: URL) throws {
    try state.withLock { state in
      if state.isDown { throw Crashed() }
      // The operation before this one came to its end.
      if let inode = state.syncing { state.dirty.remove(inode) }
      state.syncing = nil
      let index = state.operations.count
      state.operations.append(operation)
      let inode = FileStatus.of(url, followLinks: false)?.stamp.inode
      if index >= number {
        switch fault {
        case .noSpace where index == number, .brokenDisk where index == number, .failedRename where index == number,
          .failedSync where index == number:
          throw FileError(operation, url, code: fault == .noSpace ? ENOSPC : EIO)
        case .shortWrite where index == number: state.isShort = true
        // The rest of that write, and of later ones.
        case .shortWrite where operation == "write": throw FileError(operation, url, code: ENOSPC)
        case .crash:
          state.isDown = true
          throw Crashed()
        default: break
        }
      }
      // Nobody has synced what others wrote.
      if ["write", "take"].contains(operation), let inode { state.dirty.insert(inode) }
      if operation == "sync" { state.syncing = inode }
    }
  }

  /// What a power failure leaves: files whose bytes were not synced are empty, under whatever name they are.
  func losePower(in root: URL) throws {
    let dirty = state.withLock { $0.dirty }
    for case let url as URL in FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)! {
      guard let status = FileStatus.of(url, followLinks: false), status.isFile else { continue }
      if dirty.contains(status.stamp.inode) { truncate(url.posixPath, 0) }
    }
  }
}
