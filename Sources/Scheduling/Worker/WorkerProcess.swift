/// The process of a worker: reads its order, ends when the coordinator does, and says by its exit code how it went.
import Artifacts
import CSystem
import Foundation
import Pipelines

extension Worker {
  /// The command `retort worker JOBFILE`: prints errors to standard error, which the coordinator keeps as the log.
  /// - Parameter numericsProfile: what this process computes with in a precision, as `KeyContext` has it.
  /// - Returns: the exit code, see `WorkerExit`.
  package static func main(
    orderFile: URL, catalog: StageCatalog, numericsProfile: @escaping @Sendable (_ precision: String) -> String
  ) async -> Int32 {
    _ = retort_adopt_orphans()  // where it is not to be had, what a command leaves behind may only be found later
    var job: Job?
    // What left its session is found while this process, its parent now, lives.
    defer { ProcessTree.killChildren() }
    do {
      let order = try JSONDecoder().decode(WorkOrder.self, from: Enclosure(nil).read(orderFile))
      job = order.job
      let remoteKey = order.remote?.isSigned == true ? try readRemoteKey() : nil
      let stop = StopRequest()
      watchCoordinator(order.job, stop)
      let interrupts = order.job.checkpoint == nil ? [] : Interrupts.handle { stop.ask() }
      defer { interrupts.forEach { $0.cancel() } }
      if let steps = order.probeSteps {
        try await StageProbe.work(order.job, steps: steps, catalog: catalog)
        return WorkerExit.done.rawValue
      }
      return try await Worker(
        order, catalog: catalog, numericsProfile: numericsProfile, stop: stop, remoteKey: remoteKey
      ).run().rawValue
    } catch {
      let secrets = job?.command?.mask(ProcessInfo.processInfo.environment) ?? MaskingFilter([])
      let text = secrets.masked(job?.namingInputs(in: "\(error)") ?? "\(error)")
      // An error in data says so itself, after its place.
      let line = text.contains(": error: ") ? text : "error: \(text)"
      // A command may have ended in the middle of a line.
      let message = Array((job?.command == nil ? "\(line)\n" : "\n\(line)\n").utf8)
      _ = write(2, message, message.count)  // a log that cannot be written must not hide the exit code
      return switch error {
      case _ where error.isFullDisk: WorkerExit.diskFull.rawValue
      case let error as CommandFailed: error.exitCode
      case is SourceChanged, is InputChanged: WorkerExit.sourceChanged.rawValue
      case is StageInterrupted: WorkerExit.interrupted.rawValue
      case is any PermanentFailure: WorkerExit.permanent.rawValue
      default: WorkerExit.failed.rawValue
      }
    }
  }

  /// What the coordinator hands a worker that it is not to write into a file.
  private static func readRemoteKey() throws -> RemoteKey {
    var bytes = [UInt8](repeating: 0, count: RemoteKey.derivedBytes)
    var filled = 0
    while filled < bytes.count {
      let count = bytes.withUnsafeMutableBytes { read(0, $0.baseAddress! + filled, $0.count - filled) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw MissingRemoteKey() }
      filled += count
    }
    return RemoteKey(derived: Data(bytes))
  }

  /// The coordinator's end of standard input closes when the coordinator ends or wants this to end.
  private static func watchCoordinator(_ job: Job, _ stop: StopRequest) {
    Thread.detachNewThread {
      var byte: UInt8 = 0
      while read(0, &byte, 1) > 0 || errno == EINTR {}
      stop.ask()  // a training ends at its next step
      if job.checkpoint == nil {
        signal(SIGTERM, SIG_IGN)
        kill(0, SIGTERM)  // commands may tidy up; the main thread ends this process as soon as its command ended
      }
      Thread.sleep(forTimeInterval: TimeInterval(job.grace.components.seconds))
      ProcessTree.killChildren()
      kill(0, SIGKILL)
    }
  }
}

extension Error {
  var isFullDisk: Bool {
    if let error = self as? FileError { return [ENOSPC, EDQUOT].contains(error.code) }
    return (self as? CocoaError)?.code == .fileWriteOutOfSpace
  }
}
