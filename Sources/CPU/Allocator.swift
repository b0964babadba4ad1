/// Where tensors lie: a caching allocator.
import Foundation
import Synchronization

/// Lends blocks out of large mapped regions; freed neighbours merge, so a steady training step maps nothing new.
final class Allocator: Sendable {
  private struct State: Sendable {
    var regions: [(base: UInt, bytes: Int)] = []
    /// Free blocks, ascending by address, never touching each other.
    var free: [(base: UInt, bytes: Int)] = []
  }
  private let state = Mutex(State())
  private static let regionBytes = 256 << 20

  /// Address space mapped so far.
  var mappedBytes: Int { state.withLock { $0.regions.reduce(0) { $0 + $1.bytes } } }

  /// The smallest free block that holds `bytes`, a multiple of 64, split; 64-byte aligned, contents undefined.
  func allocate(_ bytes: Int) -> UInt {
    state.withLock { state in
      let best = state.free.indices.filter { state.free[$0].bytes >= bytes }
        .min { state.free[$0].bytes < state.free[$1].bytes }
      let index = best ?? Self.map(atLeast: bytes, &state)
      let block = state.free[index]
      if block.bytes == bytes {
        state.free.remove(at: index)
      } else {
        state.free[index] = (block.base + UInt(bytes), block.bytes - bytes)
      }
      return block.base
    }
  }

  func free(_ base: UInt, _ bytes: Int) {
    _ = state.withLock { Self.insert((base, bytes), &$0) }
  }

  /// Maps a region and returns the index of its free block. Pages cost memory only once they are written.
  private static func map(atLeast bytes: Int, _ state: inout State) -> Int {
    let length = max(bytes, regionBytes)
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    guard let base = mmap(nil, length, PROT_READ | PROT_WRITE, flags, -1, 0), base != MAP_FAILED else {
      fatalError("out of memory: the system refuses to map \(length) bytes (errno \(errno))")
    }
    #if os(Linux)
      // Fewer faults and fewer misses of the table of pages; a system without large ones may refuse.
      madvise(base, length, MADV_HUGEPAGE)
    #endif
    state.regions.append((UInt(bitPattern: base), length))
    return insert((UInt(bitPattern: base), length), &state)
  }

  /// Adds a free block, merged with its neighbours, and returns its index.
  private static func insert(_ block: (base: UInt, bytes: Int), _ state: inout State) -> Int {
    var index = state.free.firstIndex { $0.base > block.base } ?? state.free.endIndex
    state.free.insert(block, at: index)
    if index + 1 < state.free.count, block.base + UInt(block.bytes) == state.free[index + 1].base {
      state.free[index].bytes += state.free.remove(at: index + 1).bytes
    }
    if index > 0, state.free[index - 1].base + UInt(state.free[index - 1].bytes) == block.base {
      state.free[index - 1].bytes += state.free.remove(at: index).bytes
      index -= 1
    }
    return index
  }

  deinit {
    for region in state.withLock({ $0.regions }) {
      munmap(UnsafeMutableRawPointer(bitPattern: region.base), region.bytes)
    }
  }
}
