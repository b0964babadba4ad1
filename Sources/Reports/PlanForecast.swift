/// How long a plan will take and what it will need: from history, or from the first steps of its trainings.
import Artifacts
import Foundation
import Lineage
import Pipelines
import Scheduling

/// What one stage, or all of them, will take.
package struct StageForecast: Encodable {
  package struct Quantity: Encodable {
    package var value: Double
    package var least: Double?
    package var most: Double?
  }
  /// `history`: of this stage; `kind`: of other stages of its kind; `estimated`: from the first steps.
  package var basis: String
  /// Executions that it rests on; steps, where it is estimated.
  package var samples: Int
  package var seconds: Quantity
  /// Bytes.
  package var memory: Quantity?
  /// Bytes of outputs.
  package var disk: Quantity?
}

/// What a whole plan will take, an experiment with all its combinations.
package struct PlanTotal: Encodable {
  package var seconds: StageForecast.Quantity
  /// Bytes; of the stage that needs most.
  package var memory: Double?
  /// Bytes of new outputs.
  package var disk: StageForecast.Quantity
  /// Bytes that are free where the store lies.
  package var freeDisk: Int
  /// Stages to run of which nothing is known yet, so that the sums are of the others.
  package var unknown: [String]
}

extension Preview {
  /// Forecasts of the stages that will or may run.
  /// - Parameters:
  ///   - probe: times first steps of trainings that have no history and whose inputs are there; absent: does not.
  ///   - notice: told before such a timing, which takes a while, and what came in its way.
  package func forecasts(
    probe: StageProbe?, notice: (String) -> Void
  ) async throws -> (ofStage: [StageID: StageForecast], total: PlanTotal) {
    var lines: [Digest: Int?] = [:]
    var usages: [String: [StageUsage]] = [:]
    let forecaster = Forecaster(
      plan,
      history: { stage in
        if let known = usages[stage.kind.name] { return known }
        let usage = try lineage.usage(of: stage)
        usages[stage.kind.name] = usage
        return usage
      },
      records: { artifact in
        if let known = lines[artifact.digest] { return known }
        let count = try lineCount(of: store.url(of: artifact))
        lines[artifact.digest] = count
        return count
      })
    var forecasts: [StageID: StageForecast] = [:]
    var probed: [ProbeSubject: StageProbe.Result] = [:]
    var sizes: [StageID: [String: Double]] = [:]
    for preview in stages {
      sizes[preview.id] = preview.outputs?.mapValues { Double($0.bytes) }
      switch preview.verdict {
      case .cached, .broken: continue
      case .willRun, .mayRun: break
      }
      let stage = plan[preview.id]
      for (_, input) in preview.resolved?.inputs ?? [:] where input.artifact.kind == .file {
        if stage.description.trains { lines[input.artifact.digest] = try lineCount(of: input.url(in: store)) }
      }
      let forecast = try forecaster.forecast(
        stage, inputs: preview.resolved?.inputs.mapValues(\.artifact), sizes: { sizes[$0] })
      sizes[preview.id] = forecast?.outputs
      forecasts[preview.id] = forecast.map(StageForecast.init)
      guard forecast?.isOwn != true, stage.description.trains, let probe, let resolved = preview.resolved else {
        continue
      }
      do {
        let subject = ProbeSubject(resolved)
        if let absent = resolved.absentModel {
          notice("`\(stage.name)` is not timed: \(absent) is not downloaded yet")
          continue
        }
        if probed[subject] == nil {
          notice("timing the first steps of `\(stage.name)`")
          probed[subject] = try await probe.time(resolved, of: plan, store: store)
        }
        forecasts[preview.id] = probed[subject].map(StageForecast.init)
      } catch let failure as StageProbe.Failed {
        notice("\(failure)")
      }
    }
    return (forecasts, try total(forecasts))
  }

  private func total(_ forecasts: [StageID: StageForecast]) throws -> PlanTotal {
    let all = forecasts.values
    return PlanTotal(
      seconds: sum(all.map(\.seconds)), memory: all.compactMap { $0.memory?.value }.max(),
      disk: sum(all.compactMap(\.disk)), freeDisk: try MachineDisk.freeBytes(at: store.root),
      unknown: stages.filter { preview in
        switch preview.verdict {
        case .willRun, .mayRun: forecasts[preview.id] == nil
        case .cached, .broken: false
        }
      }.map { plan[$0.id].name })
  }

  private func sum(_ quantities: [StageForecast.Quantity]) -> StageForecast.Quantity {
    StageForecast.Quantity(
      value: quantities.reduce(0) { $0 + $1.value }, least: quantities.reduce(0) { $0 + ($1.least ?? $1.value) },
      most: quantities.reduce(0) { $0 + ($1.most ?? $1.value) })
  }
}

/// Variants that differ in real numbers (learning rates, temperatures, weights) or the seed do the same work at every
/// step, and are timed once.
private struct ProbeSubject: Hashable {
  let kind: String
  let parameters: [String: ParameterValue]
  let inputs: [String: Digest]

  init(_ stage: ResolvedStage) {
    kind = stage.material.stage.description.kind.name
    parameters = stage.material.stage.parameters.filter { if case .double = $0.value { false } else { true } }
    inputs = stage.inputs.mapValues(\.artifact.digest)
  }
}

extension StageForecast {
  init(_ forecast: Forecast) {
    basis = forecast.isOwn ? "history" : "kind"
    samples = forecast.executions
    seconds = Quantity(forecast.seconds)
    memory = forecast.memory.map(Quantity.init)
    disk = Quantity(forecast.disk)
  }

  init(_ probe: StageProbe.Result) {
    basis = "estimated"
    samples = probe.training?.timedSteps ?? 0
    seconds = Quantity(value: probe.training?.seconds ?? 0)
    memory = Quantity(value: Double(probe.peakMemory))
  }
}

extension StageForecast.Quantity {
  init(_ estimate: Forecast.Estimate) {
    self.init(value: estimate.value, least: estimate.range?.lowerBound, most: estimate.range?.upperBound)
  }
}

/// Line ends of a file; `nil` if it is gone.
private func lineCount(of url: URL) throws -> Int? {
  guard FileStatus.of(url)?.isFile == true else { return nil }
  return try Data(contentsOf: url, options: .mappedIfSafe).withUnsafeBytes { bytes in
    bytes.count { $0 == UInt8(ascii: "\n") }
  }
}

/// How much room there is for what will be written.
package enum MachineDisk {
  /// Free space of the disk that a folder lies on, or will lie on.
  package static func freeBytes(at folder: URL) throws -> Int {
    let existing = sequence(first: folder) { $0.deletingLastPathComponent() }
      .first { FileManager.default.fileExists(atPath: $0.path) }
    let free = try FileManager.default.attributesOfFileSystem(forPath: existing?.path ?? "/")[.systemFreeSize]
    return (free as? NSNumber)?.intValue ?? 0
  }
}
