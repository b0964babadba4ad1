/// A comparison as CSV (RFC 4180): one line a row, with its differing parameters and every figure of its metrics.
import Escaping
import Lineage

struct ComparisonCSV {
  let text: String

  /// - Parameter all: also parameters that do not differ.
  init(_ comparison: RunComparison, all: Bool) {
    let parameters = comparison.parameters.filter { all || $0.differs }
    let figures = ["mean", "deviation", "n", "difference", "verdict", "p", "p of seeds"]
    let header =
      ["run", "variants"] + parameters.map(\.name)
      + comparison.metrics.flatMap { metric in figures.map { $0 == "mean" ? metric.name : "\(metric.name) \($0)" } }
    let lines = comparison.rows.indices.map { row in
      [comparison.rows[row].name, comparison.rows[row].members.joined(separator: " ")]
        + parameters.map { $0.values[row].joined(separator: " ") }
        + comparison.metrics.flatMap { metric in
          let cell = metric.cells[row]
          return [
            cell.sample.map { "\($0.mean)" }, cell.sample?.deviation.map { "\($0)" }, cell.sample.map { "\($0.count)" },
            cell.difference.map { "\($0)" }, cell.verdict?.rawValue, cell.test.map { "\($0.p)" },
            cell.seedTest.map { "\($0.p)" },
          ].map { $0 ?? "" }
        }
    }
    text = ([header] + lines).map { $0.map(Escape.csvField).joined(separator: ",") + "\r\n" }.joined()
  }
}
