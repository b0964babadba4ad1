/// How a stage that can be resumed leaves its state on the way and finds it again.
import Foundation

/// A stage's work in the middle, as bytes.
package struct SavedState: Sendable {
  /// How far the work is, in steps of the stage's own.
  package var step: Int
  /// What the stage says of itself, JSON.
  package var outline: Data
  package var tensors: [Data]

  package init(step: Int, outline: Data, tensors: [Data]) {
    self.step = step
    self.outline = outline
    self.tensors = tensors
  }
}

package protocol StateKeeper: Sendable {
  /// What to go on from; `nil`: from the beginning. To be asked once: the memory is the caller's.
  func takeStart() -> SavedState?
  /// At a place where the work can be taken up: saves the state if it is time to.
  /// - Parameter state: only called when it is needed; `nil`: not fit to go on from.
  /// - Throws: `StageInterrupted`, after saving, when the stage was asked to end.
  func reached(step: Int, _ state: () throws -> SavedState?) throws
  /// At the end: keeps the state for a run that is longer, if there may be one.
  func finished(_ state: () throws -> SavedState?) throws
  /// The newest state that was saved or begun from.
  var latest: SavedPlace? { get }
}

package struct SavedPlace: Sendable {
  package var step: Int
  package var url: URL

  package init(step: Int, url: URL) {
    self.step = step
    self.url = url
  }
}

/// The stage ended because it was asked to.
package struct StageInterrupted: Error, CustomStringConvertible {
  package var latest: SavedPlace?

  package init(latest: SavedPlace?) { self.latest = latest }

  package var description: String {
    let place = latest.map { "; the next run continues after step \($0.step), from \($0.url.path)" }
    return "asked to end" + (place ?? " before there was anything to save")
  }
}
