/// Four panels about triplets: scores, margins, their spread, their variances.
import Escaping
import Foundation

extension TripletScores {
  var panels: [Panel] { [scorePanel, marginPanel, boxPanel, variancePanel] }

  private var scorePanel: Panel {
    .distributions(
      ScorePool(name: "rows", positives: positives, negatives: negatives), title: "Normalised scores of the rows",
      range: 0...1, mark: nil)
  }

  private var marginPanel: Panel {
    let bins = 50
    let counts = histogram(margins, in: -1...1, bins: bins)
    let mean = margins.reduce(0, +) / Double(max(1, margins.count))
    return Panel(
      settings: [
        "set title \(Escape.gnuplot("Margins of the rows; dashed: mean \(decimal(mean, 3))"))",
        "set xlabel 'positive − negative'", "set ylabel '% of rows'", "set xrange [-1:1]", "set yrange [0:*]",
        "set boxwidth \(2 / Double(bins))", "unset key",
        "set arrow from \(decimal(mean, 5)), graph 0 to \(decimal(mean, 5)), graph 0.9 nohead dt 2 lc '#444444' front",
      ],
      tables: [
        (
          "h",
          counts.enumerated().map { [decimal((Double($0) + 0.5) * 2 / Double(bins) - 1, 3), decimal($1 * 100)] }
        )
      ],
      plots: ["$h using 1:2 with boxes lc \(Palette.plain) notitle"])
  }

  /// The box is the middle half, the line in it the median, the whiskers end at the 5th and 95th percentiles.
  private var boxPanel: Panel {
    let rows = [("positives", positives), ("negatives", negatives)].enumerated().map { place, side in
      let quantiles = Distribution(sorted: side.1.sorted()).quantiles
      return ["\(place + 1)"] + [1, 2, 3, 4, 5].map { decimal(quantiles[$0], 5) } + ["\"\(side.0)\""]
    }
    return Panel(
      settings: [
        "set title 'Spread of the scores: 5, 25, 50, 75 and 95 %'", "set ylabel 'normalised score'",
        "set xrange [0.4:2.6]", "set yrange [0:1]", "set boxwidth 0.4", "unset key",
      ],
      tables: [("b", rows)],
      plots: [
        "$b using 1:3:2:6:5:xtic(7) with candlesticks lw 1.5 lc \(Palette.plain) notitle whiskerbars 0.5",
        "$b using 1:4:4:4:4 with candlesticks lw 3 lc '#444444' notitle",
      ])
  }

  private var variancePanel: Panel {
    let variances = variances
    let bars = [("positives", variances.positives), ("negatives", variances.negatives), ("both", variances.both)]
    return Panel(
      settings: [
        "set title 'Variance of the scores (uniformity)'", "set ylabel 'variance'", "set xrange [-0.6:2.6]",
        "set yrange [0:*]", "set offsets 0, 0, graph 0.1, 0", "set boxwidth 0.6", "unset key",
      ],
      tables: [("v", bars.enumerated().map { ["\($0)", "\($1.1)", "\"\($1.0)\"", String(format: "%.3g", $1.1)] })],
      plots: [
        "$v using 1:2:xtic(3) with boxes lc \(Palette.plain) notitle",
        "$v using 1:2:4 with labels offset 0, 0.7 tc '#444444' notitle",
      ])
  }
}
