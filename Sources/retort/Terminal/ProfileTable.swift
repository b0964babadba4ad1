/// Where a stage's time went, as a table.
import Foundation
import Pipelines

extension StageProfile {
  var table: String {
    let hasBeside = operations.contains { $0.secondsBeside > 0 }
    var table = Table(
      ["operation", "seconds", "share"] + (hasBeside ? ["beside"] : []) + ["calls", "GFLOP/s", "GB/s"],
      numbers: Set(1...(hasBeside ? 6 : 5)))
    func figure(_ value: Double?, _ format: String) -> String { value.map { String(format: format, $0) } ?? "" }
    for operation in operations {
      let share = seconds > 0 ? 100 * operation.seconds / seconds : 0
      let beside = operation.secondsBeside > 0 ? figure(operation.secondsBeside, "%.3f") : ""
      table.add(
        [operation.name, figure(operation.seconds, "%.3f"), figure(share, "%.1f %%")] + (hasBeside ? [beside] : [])
          + ["\(operation.calls)", figure(operation.gflops, "%.1f"), figure(operation.gigabytes, "%.1f")])
    }
    return table.text
  }
}
