/// Runs the first steps of a training stage in a worker, to know how long all of them will take. Nothing of it enters
/// the store or the history: what the stage writes lies in a temporary folder, which goes with it.
import Artifacts
import Foundation
import Pipelines
import Processes

package struct StageProbe: Sendable {
  /// What a probe found.
  package struct Result: Sendable, Codable {
    /// Absent if the stage ended without a single step.
    package var training: Probed?
    package var peakMemory: Int
  }
  private static let steps = 3
  private let program: WorkerProgram

  package init(_ program: WorkerProgram) { self.program = program }

  /// Throws `Failed` with what the worker said, if the stage does not get so far.
  package func time(_ stage: ResolvedStage, of plan: Plan, store: Store) async throws -> Result {
    let files = FileOperations()
    let folder = FileManager.default.temporaryDirectory.appending(path: "retort-probe-\(UUID().uuidString)")
    try files.makeFolder(folder)
    let outcome: Swift.Result<Result, any Error>
    do { outcome = .success(try await time(stage, of: plan, store: store, in: folder)) } catch {
      outcome = .failure(error)
    }
    try files.remove(folder)
    return try outcome.get()
  }

  private func time(_ stage: ResolvedStage, of plan: Plan, store: Store, in folder: URL) async throws -> Result {
    let order = WorkOrder(
      job: Job(
        material: stage.material, key: stage.key, inputs: stage.bound(in: store, of: plan), work: folder,
        store: store.root),
      sources: [], stamps: KnownStamps([:]), force: true, probeSteps: Self.steps)
    let orderFile = folder.appending(path: "job.json")
    let log = folder.appending(path: "log")
    try FileOperations().replace(orderFile, with: try storedJSON(order))
    let end = try await run(order.job, orderFile, log: log)
    guard end == .exit(WorkerExit.done.rawValue) else {
      let said = try String(decoding: Data(contentsOf: log), as: UTF8.self).split(whereSeparator: \.isNewline).last
      throw Failed(stage: stage.material.stage.name, message: said.map(String.init) ?? "\(end)")
    }
    return try JSONDecoder().decode(Result.self, from: Data(contentsOf: Self.resultFile(in: folder)))
  }

  private func run(_ job: Job, _ order: URL, log: URL) async throws -> ProcessEnd {
    let output = try Enclosure(nil).open(log, O_WRONLY | O_CREAT | O_APPEND)
    let pipe = try makePipe()
    let input = Descriptor(pipe.read)
    let alive = Descriptor(pipe.write)  // at whose end, with this process, the worker ends too
    let child = try program.start(order, for: job, input: input.raw, log: output.raw)
    let end = await child.end(killGroup: true)
    _ = alive.raw
    return end
  }

  // MARK: - In the worker

  static func work(_ job: Job, steps: Int, catalog: StageCatalog) async throws {
    let files = FileOperations()
    let work = WorkFolder(job.work)
    try files.makeFolder(work.scratch)
    for parent in Set(job.outputs.values.map { $0.url.deletingLastPathComponent() }) { try files.makeFolder(parent) }
    let context = StageContext(
      job.compute, scratch: work.scratch, ownsProcess: true, probe: StepProbe(steps: steps), report: { _ in })
    var training: Probed?
    do { try await catalog.make(job.kind, job.binding).run(context) } catch let probed as Probed { training = probed }
    let result = Result(training: training, peakMemory: try peakMemory())
    try files.replace(resultFile(in: job.work), with: try storedJSON(result))
  }

  private static func resultFile(in folder: URL) -> URL { folder.appending(path: "probe.json") }

  package struct Failed: Error, CustomStringConvertible {
    package let stage: String
    package let message: String
    package var description: String { "stage `\(stage)` does not come to its first steps: \(message)" }
  }
}
