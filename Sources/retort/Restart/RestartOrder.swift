/// The order that has a run go on by itself, as a file of the store that only its owner may have written.
import Artifacts
import Foundation
import Scheduling

struct RestartOrder: Codable {
  /// The arguments of `retort`, `run` first.
  var arguments: [String]
  /// Where it is run.
  var folder: String
  var environment: [String: String]
  /// A command for bash when the run is given up.
  var notify: String?
  var registration: Registration.Kind
  /// The system's name for the time from its start to its end, when the last of `runs` began.
  var boot: String
  /// Numbers of the runs so far, each of which goes on with the one before.
  var runs: [Int] = []
  /// Whether the last run was told to end for now, as by a machine that is shut down.
  var isToldToEnd = false
  var deaths = Deaths()
  /// The process that keeps the run going.
  var keeper: Int32?
  /// How the run ended before it had a number.
  var exitCode: Int32?

  /// `nil` where the system does not tell: then no run is taken for one whose machine restarted.
  static var currentBoot: String {
    let text = FileManager.default.contents(atPath: "/proc/sys/kernel/random/boot_id") ?? Data()
    return String(decoding: text, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// Why the last run was cut off.
  var reason: CutOffRun.Reason {
    if boot != Self.currentBoot { return .machineRestarted }
    return isToldToEnd ? .toldToEnd : .killed
  }
}

/// How often in a row a run died without having got further.
struct Deaths: Codable, Equatable {
  /// How far a run had got: stages that are done, and saved steps of those that ran.
  struct Mark: Codable, Equatable {
    var stages = 0
    var steps = 0
    func isBeyond(_ other: Mark) -> Bool { stages > other.stages || stages == other.stages && steps > other.steps }
  }
  /// After so many nobody starts it again.
  static let most = 5
  private(set) var count = 0
  private var mark = Mark()

  /// - Returns: the seconds to wait before the next start; `nil`: there is to be none.
  mutating func add(at mark: Mark) -> Int? {
    count = mark.isBeyond(self.mark) ? 1 : count + 1
    self.mark = mark
    return count < Self.most ? 1 << (count - 1) : nil
  }
}

/// Where an order and what belongs to it lie.
///
///     restart/<token>.json        the order
///     restart/<token>.lock        held by the process that keeps the run going
///     restart/<token>.log         what a run prints before it has a number
///     restart/<token>.keeper.log  what went wrong with the keeper, where no system writes that down
///     restart/<token>.awaited     as long as somebody waits for the first run's beginning
///     restart/<token>.ended.json  the order, at its end, for whoever waits
struct OrderFile {
  let store: Store
  let token: String

  init(in store: Store) {
    self.store = store
    token = UUID().uuidString.lowercased().utf8.prefix(8).reduce(into: "") { $0 += String(UnicodeScalar($1)) }
  }

  private init(in store: Store, token: String) {
    self.store = store
    self.token = token
  }

  /// - Parameter path: of the order's file.
  init(path: String) throws {
    let url = URL(filePath: path).absoluteURL
    let name = url.lastPathComponent
    let folder = url.deletingLastPathComponent()
    token = String(name.dropLast(".json".count))
    guard name.hasSuffix(".json"), !token.isEmpty, token.utf8.allSatisfy({ 0x30...0x39 ~= $0 || 0x61...0x66 ~= $0 }),
      folder.lastPathComponent == "restart"
    else { throw Failure("\(path) is no order of `retort run --restart`, which lies in the store's folder `restart`") }
    store = Store(reading: folder.deletingLastPathComponent())
  }

  private var folder: URL { store.root.appending(path: "restart") }
  private func file(_ ending: String) -> URL { folder.appending(path: "\(token).\(ending)") }
  var url: URL { file("json") }
  var log: URL { file("log") }
  var complaints: URL { file("keeper.log") }
  private var lockFile: URL { file("lock") }
  private var awaited: URL { file("awaited") }
  private var ended: URL { file("ended.json") }

  /// Whether the disk is there on which the store lies.
  var isReachable: Bool { FileStatus.of(folder)?.isFolder == true }

  /// All orders of a store.
  static func all(in store: Store) throws -> [OrderFile] {
    let folder = store.root.appending(path: "restart")
    guard FileStatus.of(folder) != nil else { return [] }
    return try FolderScan.names(in: folder).filter { $0.hasSuffix(".json") && !$0.hasSuffix(".ended.json") }.sorted()
      .map { OrderFile(in: store, token: String($0.dropLast(".json".count))) }
  }

  /// The order that goes on with a run, where it is the user's own.
  static func order(after run: Int, in store: Store) throws -> (file: OrderFile, order: RestartOrder)? {
    for file in try all(in: store) {
      guard try store.files.enclosure.status(of: file.url)?.owner == getuid() else { continue }
      if let order = try file.read(), order.runs.last == run { return (file, order) }
    }
    return nil
  }

  func makeFolder() throws { try store.files.makeFolder(folder) }
  func lock() throws -> FileLock { try FileLock(at: lockFile, beneath: store.root) }
  var isKept: Bool { get throws { try FileLock.isHeld(lockFile, beneath: store.root) } }

  /// `nil` if there is none, or none any more.
  func read() throws -> RestartOrder? { try read(url) }

  private func read(_ url: URL) throws -> RestartOrder? {
    do {
      guard let status = try store.files.enclosure.status(of: url) else { return nil }
      // Whoever writes it has the owner run what it says.
      guard status.owner == getuid(), status.mode & 0o022 == 0 else {
        throw Failure("\(url.posixPath) is another user's, or others may write to it: it is not followed; remove it")
      }
      return try JSONDecoder().decode(RestartOrder.self, from: store.files.enclosure.read(url, atMost: 1 << 24))
    } catch let error as FileError where error.code == ENOENT {
      return nil
    } catch let error as DecodingError {
      throw Failure("\(url.posixPath) is no order of `retort run --restart` (\(error)); remove it")
    }
  }

  func write(_ order: RestartOrder) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try store.files.replace(url, with: try encoder.encode(order), mode: 0o600)
  }

  /// From now on the order's end is kept until `takeEnd`.
  func await() throws { try store.files.replace(awaited, with: Data()) }

  /// The order as it was when the matter ended; `nil` if it has not. Nobody waits any more.
  func takeEnd() throws -> RestartOrder? {
    try store.files.remove(awaited)
    let order = try read(ended)
    try store.files.remove(ended)
    return order
  }

  /// The matter is over.
  func end() throws {
    if try store.files.enclosure.status(of: awaited) != nil, try store.files.enclosure.status(of: url) != nil {
      try store.files.rename(url, to: ended)
    }
    try store.files.remove(url)
  }

  /// The last thing.
  func removeRest() throws {
    try store.files.remove(complaints)
    try store.files.remove(lockFile)
  }

  /// Adds a line for people to the log of a run.
  func note(_ text: String, run: Int?) throws {
    let log = run.map { store.logFolder(ofRun: $0).appending(path: "run.log") } ?? self.log
    let file = try store.files.enclosure.open(log, O_WRONLY | O_CREAT | O_APPEND)
    let line = Array("keeper: \(text)\n".utf8)
    guard Foundation.write(file.raw, line, line.count) == line.count else { throw FileError("write", log) }
  }
}
