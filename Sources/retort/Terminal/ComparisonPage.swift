/// A comparison as one HTML page that needs nothing else: tables, and metric curves as inline SVG.
import Escaping
import Foundation
import Lineage
import Reports

struct ComparisonPage {
  /// The curves of one variant's stages, by `stage.metric`.
  struct Curves {
    var variant: String
    /// Place among the comparison's rows.
    var row: Int
    var curves: [(name: String, points: [MetricCurve.Point])]
  }
  private let comparison: RunComparison
  private let sections: [ReportSection]
  private let curves: [Curves]
  /// Rows that have a colour of their own; further ones are drawn in grey.
  private static let colours = 8

  init(_ comparison: RunComparison, all: Bool, curves: [Curves]) {
    self.comparison = comparison
    sections = ComparisonReport(comparison, all: all).sections
    self.curves = curves
  }

  var html: String {
    let title =
      "Comparison of " + comparison.rows.prefix(4).map(\.name).joined(separator: ", ")
      + (comparison.rows.count > 4 ? " and \(comparison.rows.count - 4) more" : "")
    // Warnings go first: whoever reads the figures should have read them.
    let first = sections.filter { $0.title == "warnings" }
    let rest = sections.filter { $0.title != "warnings" }
    let plots = self.plots
    var body = ["<h1>\(Escape.html(title))</h1>"] + first.map(html)
    body += rest.prefix { $0.title == "metrics" }.map(html)
    if !plots.isEmpty {
      body.append("<section><h2>curves</h2>\(legend)<div class=\"plots\">\(plots.joined())</div></section>")
    }
    body += rest.drop { $0.title == "metrics" }.map(html)
    return """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8"/>
      <meta name="viewport" content="width=device-width, initial-scale=1"/>
      <title>\(Escape.html(title))</title>
      <style>\(Self.style)</style>
      </head>
      <body>
      \(body.joined(separator: "\n"))
      </body>
      </html>

      """
  }

  private func html(_ section: ReportSection) -> String {
    var parts = [
      "<section class=\"\(Escape.html(section.title.filter { $0 != " " }))\"><h2>\(Escape.html(section.title))</h2>"
    ]
    if !section.rows.isEmpty {
      func row(_ cells: [ReportCell], _ tag: String) -> String {
        let columns = cells.enumerated().map { column, cell in
          let classes = [section.numbers.contains(column) ? "n" : nil, cell.tone == .plain ? nil : cell.tone.rawValue]
          let names = classes.compactMap { $0 }.joined(separator: " ")
          return "<\(tag)\(names.isEmpty ? "" : " class=\"\(names)\"")>\(Escape.html(cell.text))</\(tag)>"
        }
        return "<tr>\(columns.joined())</tr>"
      }
      let head = row(section.header.enumerated().map { ReportCell($0 == 0 ? "" : $1) }, "th")
      let rows = section.rows.map { row($0, "td") }.joined(separator: "\n")
      parts.append("<div class=\"wide\"><table><thead>\(head)</thead><tbody>\n\(rows)\n</tbody></table></div>")
    }
    if !section.lines.isEmpty {
      parts.append("<ul>" + section.lines.map { "<li>\(Escape.html($0))</li>" }.joined() + "</ul>")
    }
    return parts.joined() + "</section>"
  }

  private func style(ofRow row: Int) -> String { row < Self.colours ? "s\(row)" : "rest" }

  private var legend: String {
    let entries = comparison.rows.enumerated().map { row, entry in
      "<span class=\"\(style(ofRow: row))\"><svg viewBox=\"0 0 20 8\"><polyline points=\"1,4 19,4\"/></svg>"
        + "\(Escape.html(entry.name))</span>"
    }
    return "<p class=\"legend\">\(entries.joined())</p>"
  }

  private var plots: [String] {
    var names: [String] = []
    for curves in curves { names += curves.curves.map(\.name).filter { !names.contains($0) } }
    return names.compactMap { name in
      let lines = curves.compactMap { curves in
        curves.curves.first { $0.name == name }
          .map { LinePlot.Line(name: curves.variant, style: style(ofRow: curves.row), points: $0.points) }
      }
      // The first row is drawn last, above the others.
      return LinePlot(title: name, lines: lines.reversed()).svg
        .map { "<figure><figcaption>\(Escape.html(name))</figcaption>\($0)</figure>" }
    }
  }

  private static let style = """

    :root { color-scheme: light dark; --page: #fbfbfa; --ink: #1d1d1b; --faint: #6a6a66; --line: #dcdcd7;
      --better: #00703c; --worse: #b3261e; --note: #fff4d6; --rest: #a3a39e;
      --s0: #2a78d6; --s1: #d9570f; --s2: #128a5f; --s3: #b3358f; --s4: #8a6d00; --s5: #4a3aa7; --s6: #c43a3a; --s7: #4f7d1f; }
    @media (prefers-color-scheme: dark) { :root { --page: #191918; --ink: #ecebe8; --faint: #a3a29d; --line: #3a3a37;
      --better: #6fce97; --worse: #f2938c; --note: #3b3215; --rest: #6d6d69;
      --s0: #6aa7f0; --s1: #f08a4e; --s2: #4cc596; --s3: #e383c4; --s4: #d3b13f; --s5: #a79bf2; --s6: #f08a8a; --s7: #9cc768; } }
    body { background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
      max-width: 76rem; padding: 0 1rem; }
    h1 { font-size: 1.4rem; font-weight: 600; overflow-wrap: anywhere; }
    h2 { font-size: 1.05rem; font-weight: 600; margin: 2rem 0 .4rem; }
    .wide { overflow-x: auto; }
    table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
    th, td { border-bottom: 1px solid var(--line); padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top; }
    th { color: var(--faint); font-weight: 500; }
    th.n, td.n { text-align: right; white-space: nowrap; }
    td:first-child { white-space: nowrap; }
    td.better { color: var(--better); }
    td.worse { color: var(--worse); }
    ul { color: var(--faint); font-size: .9rem; margin: .5rem 0; padding-left: 1.1rem; }
    .warnings { background: var(--note); border-radius: .4rem; padding: .2rem 1rem .5rem; }
    .warnings h2 { margin-top: .6rem; }
    .warnings ul { color: inherit; }
    .legend span { display: inline-flex; align-items: center; gap: .4rem; margin-right: 1.2rem; }
    .legend svg { width: 20px; height: 8px; }
    .plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); gap: 1rem 1.5rem; }
    figure { margin: 0; }
    figcaption { color: var(--faint); font-size: .9rem; }
    .plots svg { display: block; width: 100%; }
    svg text { fill: var(--faint); font-size: 11px; }
    svg .grid { stroke: var(--line); }
    svg polyline { fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; }
    svg circle { fill: currentColor; }
    svg .rest, .legend .rest svg { color: var(--rest); }
    """
    + (0..<colours).map { "\nsvg .s\($0), .legend .s\($0) svg { color: var(--s\($0)); }" }.joined() + "\n"
}
