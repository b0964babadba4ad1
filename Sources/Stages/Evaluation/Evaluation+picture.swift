/// The picture of an evaluation: distributions, margin per query, ranks, calibration.
import Escaping
import Foundation

extension Evaluation {
  func picture(title: String) -> Picture {
    let values = Dictionary(uniqueKeysWithValues: ranking)
    let figures = ["ndcg@10", "mrr@10", "accuracy@1"].map { "\($0) \(decimal(values[$0] ?? 0, 3))" }
    let subject = "\(method), \(queryCount) queries, \(passages.count) passages"
    return Picture(
      title: (title.isEmpty ? subject : "\(title) – \(subject)") + "  |  " + figures.joined(separator: "  "),
      panels: (triplets?.panels ?? []) + [distributions, margins, ranks, calibration])
  }

  private var distributions: Panel {
    // The rows' panel shows the given negatives.
    guard let pool = triplets == nil ? pools.first : pools.last else {
      return .empty("Scores of pairs", "there are no negatives")
    }
    guard scale == .unbounded else {
      return .distributions(pool, title: "Normalised scores of pairs", range: 0...1, mark: pool.bestThreshold)
    }
    let top = max(1, (pool.positives + pool.negatives).max() ?? 1)
    return .distributions(pool, title: "Scores of pairs (unbounded)", range: 0...top, mark: nil)
  }

  /// Each query's margin, sorted; the worst queries by name.
  private var margins: Panel {
    let title = "Margin per query"
    let sorted = judgements.indices.compactMap { query in margin(query).map { (query, $0) } }
      .sorted { $0.1 != $1.1 ? $0.1 < $1.1 : $0.0 < $1.0 }
    guard !sorted.isEmpty else { return .empty(title, "this method has no normalised scores") }
    let below = sorted.count { $0.1 <= 0 }
    let mean = sorted.reduce(0) { $0 + $1.1 } / Double(sorted.count)
    var settings = [
      "set title \(Escape.gnuplot("\(title): mean \(decimal(mean, 3)), \(below) of \(sorted.count) at or below 0; the worst:"))",
      "set xlabel 'queries, worst first'", "set ylabel 'mean of positives − mean of negatives'", "unset key",
      "set xrange [0.5:\(sorted.count).5]", "set yrange [*<-0.05:1.05<*]", "set xzeroaxis lt 1 lc '#888888'",
      "set label 'target 0.7' at graph 0.99, first 0.7 right offset 0, 0.6 tc \(Palette.faint)",
    ]
    let instructions = SharedBeginnings(of: groups.map(\.query))
    for (line, worst) in sorted.prefix(4).enumerated() {
      let query = instructions.rest(of: groups[worst.0].query)
      settings.append(
        "set label \(Escape.gnuplot("\(decimal(worst.1, 2))  \(shortened(query))")) "
          + "at graph 0.03, graph \(decimal(0.97 - Double(line) * 0.055, 2)) font ',10' tc '#555555' front")
    }
    return Panel(
      settings: settings,
      tables: [("m", sorted.enumerated().map { ["\($0 + 1)", decimal($1.1, 5)] })],
      plots: [
        "$m using 1:2 with filledcurves y1=0 fs solid 0.25 lc \(Palette.plain) notitle",
        "$m using 1:2 with lines lw 2 lc \(Palette.plain) notitle",
        "0.7 with lines dt 2 lc \(Palette.faint) notitle",
      ])
  }

  /// How many queries have their best positive at which rank.
  private var ranks: Panel {
    let bins = [1...1, 2...2, 3...3, 4...5, 6...10, 11...20, 21...50, 51...100, 101...Int.max]
    let best = judgements.compactMap(\.ranking.ranks.first)
    let counts = bins.map { bin in best.count { bin.contains($0) } }
    let names = bins.map { bin in
      bin.upperBound == .max ? "101+" : bin.count == 1 ? "\(bin.lowerBound)" : "\(bin.lowerBound)–\(bin.upperBound)"
    }
    let rows = zip(names, counts).enumerated().map { ["\($0)", "\($1.1)", "\"\($1.0)\"", "\($1.1)"] }
    return Panel(
      settings: [
        "set title 'Rank of the best positive'", "set xlabel 'rank'", "set ylabel 'queries'",
        "set xrange [-0.6:\(bins.count).4 - 1]", "set yrange [0:*]", "set offsets 0, 0, graph 0.08, 0",
        "set boxwidth 0.8",
        "unset key",
      ],
      tables: [("r", rows)],
      plots: [
        "$r using 1:2:xtic(3) with boxes lc \(Palette.plain) notitle",
        "$r using 1:2:4 with labels offset 0, 0.7 tc '#444444' notitle",
      ])
  }

  /// Of pairs scored so, how many are positive, positives and negatives weighing the same.
  private var calibration: Panel {
    let title = "Calibration: share of positives at a score (classes weigh the same)"
    guard let pool = pools.first, scale != .unbounded else {
      return .empty(title, "this method has no normalised scores")
    }
    let bins = 20
    let (positive, negative) = (
      histogram(pool.positives, in: 0...1, bins: bins), histogram(pool.negatives, in: 0...1, bins: bins)
    )
    let rows = (0..<bins).compactMap { bin -> [String]? in
      let weight = positive[bin] + negative[bin]
      guard weight > 0 else { return nil }
      return [
        decimal((Double(bin) + 0.5) / Double(bins)), decimal(positive[bin] / weight), decimal(weight.squareRoot() * 4),
      ]
    }
    return Panel(
      settings: [
        "set title \(Escape.gnuplot(title))", "set xlabel 'normalised score'", "set ylabel 'share of positives'",
        "set xrange [0:1]", "set yrange [-0.03:1.03]", "set key top left",
      ],
      tables: [("c", rows)],
      plots: [
        "x with lines dt 2 lc \(Palette.faint) title 'a calibrated probability'",
        "$c using 1:2 with lines lw 2 lc \(Palette.plain) notitle",
        "$c using 1:2:3 with points pt 7 ps variable lc \(Palette.plain) title 'this model; larger: more pairs'",
      ])
  }
}

/// At most 46 columns.
private func shortened(_ text: String) -> String {
  Escape.comment(text.clipped(toColumns: 46)) + (text.terminalColumns > 46 ? "…" : "")
}
