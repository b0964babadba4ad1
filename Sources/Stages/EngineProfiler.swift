/// The engine's profile as a stage's.
import Pipelines
import Tensors

package struct EngineProfiler: StageProfiler {
  package init() {}

  package func begin() { Profile.begin() }

  package func end() -> StageProfile {
    guard let profile = Profile.end() else { return StageProfile(seconds: 0, operations: []) }
    let (total, entries) = (profile.seconds, profile.entries)
    var operations = entries.map { operation, entry -> StageProfile.Operation in
      let seconds = entry.seconds + entry.secondsBeside
      func rate(_ count: Int) -> Double? { count > 0 && seconds > 0 ? Double(count) / seconds / 1e9 : nil }
      return StageProfile.Operation(
        name: operation.rawValue, calls: entry.calls, seconds: entry.seconds, secondsBeside: entry.secondsBeside,
        gflops: rate(entry.flops), gigabytes: rate(entry.bytes))
    }
    let other = total - operations.reduce(0) { $0 + $1.seconds }
    operations.append(StageProfile.Operation(name: "other", calls: 1, seconds: other))
    operations.sort { ($1.seconds, $0.name) < ($0.seconds, $1.name) }
    return StageProfile(seconds: total, operations: operations)
  }
}
