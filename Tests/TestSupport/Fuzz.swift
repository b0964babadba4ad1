/// Runs a reader over many mutations of its files, on all processors.
///
/// `RETORT_FUZZ=1000000` asks for so many of each reader, and then holds time and memory to limits: a mutation that breaks
/// one ends the process, and lies in the scratch folder that is named. `RETORT_SEED` asks for others.
import Foundation
import Synchronization

public struct Fuzz: Sendable {
  /// Absent: the short form, in which nothing is timed.
  private static let asked = ProcessInfo.processInfo.environment["RETORT_FUZZ"].flatMap { Int($0) }
  private static let seed = ProcessInfo.processInfo.environment["RETORT_SEED"].flatMap { UInt64($0) } ?? 7
  /// Seconds of the process on all processors, while one mutation is read: the machine may have other work; of the
  /// process's address space, beyond what it has when a reader's turn begins.
  private static let (mostTime, mostBytes) = (40.0, 8 << 30)

  private let name: String
  private let mutator: Mutator
  private let count: Int

  public struct Result: Sendable {
    /// Mutations that were read without a complaint, and those that were refused.
    public var (accepted, refused) = (0, 0)
    /// What was thrown that is no refusal, with the mutation's number.
    public var failures: [String] = []
    fileprivate var slowest = (time: Duration.zero, number: 0)
  }

  /// - Parameters:
  ///   - name: of the reader.
  ///   - files: as they should be.
  ///   - count: mutations in the short form.
  public init(_ name: String, _ files: [[UInt8]], tokens: [String] = [], count: Int = 1000) {
    self.name = name
    mutator = Mutator(files, tokens: tokens, seed: Self.seed)
    self.count = Self.asked ?? count
  }

  /// - Parameters:
  ///   - prepare: makes what a thread needs for its mutations, in a folder of its own.
  ///   - read: whether the reader takes the mutation or refuses it; throws what is neither.
  public func run<Place>(
    prepare: @Sendable (URL) throws -> Place, read: @Sendable ([UInt8], Place) throws -> Bool
  ) throws -> Result {
    let scratch = try ScratchFolder(inMemory: true)
    let watch = Self.asked.map { _ in Watch(name, scratch.url) }
    let threads = ProcessInfo.processInfo.activeProcessorCount
    let began = ContinuousClock.now
    let result = Mutex(Result())
    DispatchQueue.concurrentPerform(iterations: threads) { thread in
      let folder = scratch.url.appending(path: "\(thread)")
      var (mutator, own) = (mutator, Result())
      do {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let place = try prepare(folder)
        for number in stride(from: thread, to: count, by: threads) {
          let bytes = mutator.mutation(number)
          let start = ContinuousClock.now
          try watch?.begins(bytes, thread)
          do {
            if try read(bytes, place) { own.accepted += 1 } else { own.refused += 1 }
          } catch {
            own.failures.append("\(name), RETORT_SEED=\(Self.seed), mutation \(number): \(error)")
          }
          watch?.ended(thread)
          own.slowest = max(own.slowest, (ContinuousClock.now - start, number)) { $0.time < $1.time }
        }
      } catch {
        own.failures.append("\(name): \(error)")
      }
      result.withLock { $0.add(own) }
    }
    let sum = result.withLock { $0 }
    if watch != nil { print(report(sum, ContinuousClock.now - began)) }
    return sum
  }

  /// A reader that needs no place.
  public func run(_ read: @Sendable ([UInt8]) throws -> Bool) throws -> Result {
    try run(prepare: { _ in }, read: { bytes, _ in try read(bytes) })
  }

  private func report(_ result: Result, _ time: Duration) -> String {
    var usage = rusage()
    getrusage(0, &usage)  // of this process
    return """
      fuzz \(name): \(count) mutations, \(result.accepted) accepted, \(result.failures.count) failures, \
      \(time.formatted(.units(allowed: [.seconds], fractionalPart: .show(length: 1)))), slowest \
      \(result.slowest.time.formatted(.units(allowed: [.milliseconds]))) (number \(result.slowest.number)), \
      peak memory of the process \(usage.ru_maxrss >> 10) MiB
      """
  }

  /// Ends the process when a mutation takes too long, or too much memory: then an allocation fails.
  private final class Watch: Sendable {
    private let folder: URL
    private let running = Mutex<[Int: Double]>([:])
    private static var processorTime: Double { Double(clock()) / 1e6 }  // POSIX has a million a second

    init(_ name: String, _ folder: URL) {
      self.folder = folder
      Self.limitMemory()
      print("fuzz \(name): what is being read lies in \(folder.path)")
      Thread.detachNewThread { [weak self] in
        while let self {
          if let late = self.running.withLock({ $0.first { $0.value + Fuzz.mostTime < Self.processorTime } }) {
            print("fuzz \(name): \(folder.path)/\(late.key).mutation is still being read")
            abort()
          }
          Thread.sleep(forTimeInterval: 1)
        }
      }
    }

    func begins(_ bytes: [UInt8], _ thread: Int) throws {
      try Data(bytes).write(to: folder.appending(path: "\(thread).mutation"))
      running.withLock { $0[thread] = Self.processorTime }
    }

    func ended(_ thread: Int) { running.withLock { $0[thread] = nil } }

    private static func limitMemory() {
      let pages = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ").first
      guard let pages = pages.flatMap({ Int($0) }) else { return }  // another system: only time is watched
      var limit = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
      limit.rlim_cur = min(limit.rlim_max, rlim_t(pages * Int(sysconf(Int32(_SC_PAGESIZE))) + Fuzz.mostBytes))
      setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
    }
  }
}

extension Fuzz.Result {
  fileprivate mutating func add(_ other: Self) {
    accepted += other.accepted
    refused += other.refused
    failures += other.failures
    slowest = max(slowest, other.slowest) { $0.time < $1.time }
  }
}

/// The greater of two, as `isLess` orders them.
private func max<Value>(_ one: Value, _ other: Value, _ isLess: (Value, Value) -> Bool) -> Value {
  isLess(one, other) ? other : one
}
