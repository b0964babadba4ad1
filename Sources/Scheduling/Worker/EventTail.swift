/// Reads a stage's event file as that grows: a run that passes events on, and whoever watches one.
import Artifacts
import Foundation
import Pipelines

struct EventTail: Sendable {
  let work: WorkFolder
  /// Bytes that were read.
  private(set) var offset: Int
  /// The last of them, by which a file is known again: another one may have the same inode.
  private var before = Data()

  /// - Parameter start: the first byte to read.
  init(_ work: WorkFolder, from start: Int = 0) {
    self.work = work
    offset = start
  }

  /// Reads on, whole lines only. A file that was begun anew or cut back, as a stage does that begins again, is read
  /// from its beginning.
  /// - Parameter end: the byte to stop before.
  mutating func read(upTo end: Int = .max) throws -> (events: [StageEvent], isAnew: Bool) {
    guard try work.enclosure.status(of: work.events) != nil else { return ([], false) }
    let file = try work.enclosure.open(work.events, O_RDONLY)
    var data = try file.bytes(of: work.events, from: offset - before.count)
    let isAnew = !data.starts(with: before)
    if isAnew {
      (offset, before) = (0, Data())
      data = try file.bytes(of: work.events)
    }
    let unread = data.dropFirst(before.count).prefix(max(0, end - offset))
    guard let last = unread.lastIndex(of: UInt8(ascii: "\n")) else { return ([], isAnew) }
    let lines = unread[...last]
    let events = try lines.split(separator: UInt8(ascii: "\n")).map {
      try storedDecoder.decode(StageEvent.self, from: $0)
    }
    before = Data((before + lines).suffix(128))
    offset += lines.count
    return (events, isAnew)
  }
}

/// What a stage reported so far.
package struct ProgressTail: Sendable {
  /// Units of work, their number, and the stage's own words.
  package private(set) var progress: (done: Int, total: Int, detail: String)?
  /// Metrics by step, in the order in which they were first reported.
  package private(set) var series: [(name: String, values: [Double])] = []
  /// Units that were done when the attempt at hand began: of one that was resumed, what its checkpoint holds.
  package private(set) var begun = 0
  private var tail: EventTail
  private var earlier = 0

  package init(_ work: WorkFolder) { tail = EventTail(work) }

  /// Reads on.
  /// - Parameter earlier: bytes that an earlier attempt wrote, see `LockHolder`.
  package mutating func read(earlier: Int = 0) throws {
    if earlier != self.earlier { self = ProgressTail(tail.work) }
    self.earlier = earlier
    try take(upTo: earlier)
    if tail.offset <= earlier { begun = progress?.done ?? 0 }
    try take()
  }

  private mutating func take(upTo end: Int = .max) throws {
    let (events, isAnew) = try tail.read(upTo: end)
    if isAnew { (progress, series, begun) = (nil, [], 0) }
    for event in events {
      switch event {
      case .progress(let done, let total, let detail): progress = (done, total, detail)
      case .metric(let name, let value, _?):
        if let index = series.firstIndex(where: { $0.name == name }) {
          series[index].values.append(value)
        } else {
          series.append((name, [value]))
        }
      case .metric, .log, .warning, .profile, .verdict, .resumed: break
      }
    }
  }
}
