/// A training's states, kept in memory.
import Foundation
import Pipelines
import Synchronization

/// Keeps every state in memory; ends the stage at the moment number `limit`.
final class MemoryKeeper: StateKeeper {
  private struct State {
    var start: SavedState?
    var moments = 0
    var saved: SavedState?
    var final: SavedState?
  }
  private let limit: Int
  private let state: Mutex<State>

  init(limit: Int = .max, start: SavedState? = nil) {
    self.limit = limit
    state = Mutex(State(start: start))
  }

  var moments: Int { state.withLock { $0.moments } }
  var saved: SavedState? { state.withLock { $0.saved } }
  var final: SavedState? { state.withLock { $0.final } }
  var latest: SavedPlace? { saved.map { SavedPlace(step: $0.step, url: URL(filePath: "/memory")) } }
  func takeStart() -> SavedState? { state.withLock { $0.start } }

  func reached(step: Int, _ make: () throws -> SavedState?) throws {
    let ends = state.withLock { state in
      state.moments += 1
      return state.moments == limit
    }
    guard let saved = try make() else { return }
    keep(saved, at: \.saved)
    if ends { throw StageInterrupted(latest: nil) }
  }

  func finished(_ make: () throws -> SavedState?) throws {
    if let final = try make() { keep(final, at: \.final) }
  }

  /// Tensors go on changing, so they are copied.
  private func keep(_ saved: SavedState, at place: WritableKeyPath<State, SavedState?>) {
    var copy = saved
    copy.tensors = saved.tensors.map { Data(Array($0)) }
    state.withLock { $0[keyPath: place] = copy }
  }
}
