/// What a stage reported so far, read from its event file as that grows.
import Artifacts
import Foundation
import Pipelines

package struct ProgressTail: Sendable {
  /// Units of work, their number, and the stage's own words.
  package private(set) var progress: (done: Int, total: Int, detail: String)?
  /// Metrics by step, in the order in which they were first reported.
  package private(set) var series: [(name: String, values: [Double])] = []
  /// Units that were done when the attempt at hand began: of one that was resumed, what its checkpoint holds.
  package private(set) var begun = 0
  private let file: URL
  private let enclosure: Enclosure
  private var offset = 0
  private var earlier = 0
  /// The last bytes before it, by which a file is known again: another one may have the same inode.
  private var before = Data()

  package init(_ work: WorkFolder) {
    file = work.events
    enclosure = work.enclosure
  }

  /// Reads on. A file that was begun anew or cut back, as a stage does that begins again, is read from its beginning.
  /// - Parameter earlier: bytes that an earlier attempt wrote, see `LockHolder`.
  package mutating func read(earlier: Int = 0) throws {
    guard try enclosure.status(of: file) != nil else { return }
    if earlier != self.earlier { forget() }
    self.earlier = earlier
    let events = try enclosure.open(file, O_RDONLY)
    var data = try events.bytes(of: file, from: offset - before.count)
    if data.starts(with: before) {
      data = data.dropFirst(before.count)
    } else {
      forget()
      data = try events.bytes(of: file)
    }
    if offset < earlier {
      let bytes = try take(data.prefix(earlier - offset))
      begun = progress?.done ?? 0
      data = data.dropFirst(bytes)
    }
    _ = try take(data)
  }

  private mutating func forget() {
    progress = nil
    series = []
    begun = 0
    offset = 0
    before = Data()
  }

  /// - Returns: how many bytes whole lines have.
  private mutating func take(_ data: Data) throws -> Int {
    let (reported, bytes) = try WorkFolder.decode(data)
    if bytes > 0 { before = Data((before + data.prefix(bytes)).suffix(128)) }
    offset += bytes
    for event in reported {
      switch event {
      case .progress(let done, let total, let detail): progress = (done, total, detail)
      case .metric(let name, let value, _?): append(value, to: name)
      case .metric, .log, .warning, .profile, .verdict, .resumed: break
      }
    }
    return bytes
  }

  private mutating func append(_ value: Double, to name: String) {
    if let index = series.firstIndex(where: { $0.name == name }) {
      series[index].values.append(value)
    } else {
      series.append((name, [value]))
    }
  }
}
