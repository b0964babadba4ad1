/// What a stage reported so far, read from its event file as that grows.
import Artifacts
import Foundation
import Pipelines

package struct ProgressTail: Sendable {
  /// Units of work, their number, and the stage's own words.
  package private(set) var progress: (done: Int, total: Int, detail: String)?
  /// Metrics by step, in the order in which they were first reported.
  package private(set) var series: [(name: String, values: [Double])] = []
  private let file: URL
  private var offset: UInt64 = 0
  private var inode: Int64?

  package init(_ work: WorkFolder) { file = work.events }

  /// Reads on. A file that was begun anew or cut back, as a stage does that begins again, is read from its beginning.
  package mutating func read() throws {
    guard let stamp = FileStatus.of(file)?.stamp else { return }
    if stamp.inode != inode || stamp.size < offset {
      progress = nil
      series = []
      offset = 0
      inode = stamp.inode
    }
    let handle = try FileHandle(forReadingFrom: file)
    try handle.seek(toOffset: offset)
    let (events, bytes) = try WorkFolder.decode(handle.readToEnd() ?? Data())
    offset += UInt64(bytes)
    for event in events {
      switch event {
      case .progress(let done, let total, let detail): progress = (done, total, detail)
      case .metric(let name, let value, _?): append(value, to: name)
      case .metric, .log, .warning: break
      }
    }
  }

  private mutating func append(_ value: Double, to name: String) {
    if let index = series.firstIndex(where: { $0.name == name }) {
      series[index].values.append(value)
    } else {
      series.append((name, [value]))
    }
  }
}
