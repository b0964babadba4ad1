/// Pictures by gnuplot: a script and its data in, a PNG out.
import Escaping
import Foundation

/// One drawing inside a picture: gnuplot commands that plot `$name` data blocks.
struct Panel {
  /// Set before the plot, all of it reset after.
  let settings: [String]
  /// Named tables of numbers; a row's columns are separated by blanks.
  var tables: [(name: String, rows: [[String]])] = []
  /// After `plot`.
  let plots: [String]
}

struct Picture {
  let title: String
  let panels: [Panel]
  var columns = 2

  /// Draws through `gnuplot` with a Korean font; the PNG depends on nothing but the figures and the versions of both.
  func write(to file: URL, scratch: URL) throws {
    try Data(source.utf8).write(to: scratch.appending(path: "picture.gnuplot"))
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["gnuplot", "picture.gnuplot"]
    process.currentDirectoryURL = scratch
    let errors = Pipe()
    process.standardError = errors
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw StageInputError(
        process.terminationStatus == 127
          ? "gnuplot is not installed; on Debian and Ubuntu: apt-get install gnuplot-nox fonts-nanum"
          : "gnuplot failed with code \(process.terminationStatus): \(message)")
    }
    try Data(contentsOf: scratch.appending(path: "picture.png")).write(to: file)
  }

  private var source: String {
    let rows = (panels.count + columns - 1) / columns
    var lines = [
      "set encoding utf8",
      "set terminal pngcairo size \(columns * 700),\(rows * 480 + 60) font 'NanumGothic,12' background '#ffffff' noenhanced",
      "set output 'picture.png'",
      "set multiplot layout \(rows),\(columns) title \(Escape.gnuplot(title)) font 'NanumGothic,17' margins char 9,3,4,5 "
        + "spacing char 10,7",
    ]
    for (number, panel) in panels.enumerated() {
      for table in panel.tables {
        lines.append("$\(table.name)\(number) << end_of_table")
        lines += table.rows.map { $0.joined(separator: " ") } + ["end_of_table"]
      }
      lines += [
        "reset", "set border 3 lc '#888888'", "set tics nomirror textcolor '#444444'",
        "set grid ytics lt 1 lc '#e4e4e4'",
        "set key noenhanced spacing 1.2", "set style fill solid 0.55 noborder",
      ]
      lines += panel.settings
      lines.append("plot " + panel.plots.map { place(tables: panel, number, in: $0) }.joined(separator: ", "))
    }
    return (lines + ["unset multiplot", "unset output", ""]).joined(separator: "\n")
  }

  private func place(tables panel: Panel, _ number: Int, in plot: String) -> String {
    panel.tables.reduce(plot) { $0.replacingOccurrences(of: "$\($1.name) ", with: "$\($1.name)\(number) ") }
  }
}

enum Palette {
  static let positive = "'#1b7f5c'"
  static let negative = "'#c8553d'"
  static let plain = "'#3b6ea5'"
  static let faint = "'#9a9a9a'"
}

/// How many values fall into each of `bins` equal bins of `range`, as shares of all; the ends take what lies beyond.
func histogram(_ values: [Double], in range: ClosedRange<Double>, bins: Int) -> [Double] {
  var counts = [Double](repeating: 0, count: bins)
  let width = (range.upperBound - range.lowerBound) / Double(bins)
  for value in values where value.isFinite {
    counts[Int(min(Double(bins - 1), max(0, (value - range.lowerBound) / width)))] += 1
  }
  return counts.map { $0 / Double(max(1, values.count)) }
}

extension Panel {
  /// Shares of positives and negatives over a score, as filled steps.
  static func distributions(_ pool: ScorePool, title: String, range: ClosedRange<Double>, mark: Double?) -> Panel {
    let bins = 50
    let width = (range.upperBound - range.lowerBound) / Double(bins)
    let (positive, negative) = (
      histogram(pool.positives, in: range, bins: bins), histogram(pool.negatives, in: range, bins: bins)
    )
    let rows = (0..<bins).map { bin in
      [
        decimal(range.lowerBound + (Double(bin) + 0.5) * width), decimal(negative[bin] * 100),
        decimal(positive[bin] * 100),
      ]
    }
    let top = ((positive + negative).max() ?? 1) * 100 * 1.25  // room for the key
    var settings = [
      "set title \(Escape.gnuplot(mark.map { "\(title); dashed: threshold \(decimal($0, 2))" } ?? title))",
      "set xlabel 'score'",
      "set ylabel '% of pairs'", "set yrange [0:\(decimal(top))]",
      "set xrange [\(range.lowerBound):\(range.upperBound)]",
      "set boxwidth \(width)", "set key top center", "set style fill transparent solid 0.5 noborder",
    ]
    if let mark {
      settings.append("set arrow from \(mark), graph 0 to \(mark), graph 0.8 nohead dt 2 lc '#444444' front")
    }
    return Panel(
      settings: settings, tables: [("d", rows)],
      plots: [
        "$d using 1:2 with boxes lc \(Palette.negative) title \(Escape.gnuplot("negatives (\(pool.name)), mean \(decimal(pool.negative.mean, 3))"))",
        "$d using 1:3 with boxes lc \(Palette.positive) title \(Escape.gnuplot("positives, mean \(decimal(pool.positive.mean, 3))"))",
      ])
  }

  static func empty(_ title: String, _ reason: String) -> Panel {
    Panel(
      settings: [
        "set title \(Escape.gnuplot(title))", "unset tics", "unset border", "set xrange [0:1]", "set yrange [0:1]",
        "unset key",
        "set label \(Escape.gnuplot(reason)) at 0.5, 0.5 center tc \(Palette.faint)",
      ],
      plots: ["-1 notitle"])
  }
}
