/// The snapshot as lines for people.
import Escaping
import Foundation
import Lineage
import Reports
import Scheduling

extension RunSnapshot {
  /// - Parameters:
  ///   - height: how many lines there is room for; stages that ended are counted instead of listed if need be.
  ///   - columns: what lines stay below, by going on in the next one.
  func lines(height: Int = .max, columns: Int = 80) -> [StyledLine] {
    let head = wrapped(
      StyledLine("run \(run) of \(pipeline): ") + StyledLine(state, isOver ? colour(ofRun: state) : nil)
        + ", \(progressWords)",
      [seconds.map { "elapsed \(formatted(seconds: $0))" }, endWords].compactMap { $0.map { StyledLine($0) } }, columns)
    let advice = advice.flatMap { wrapped($0, columns) }
    let running = stages.filter { $0.state == "running" }
    let failed = stages.filter { $0.state == "failed" }
    let rest = running.flatMap { lines(of: $0, columns) } + failed.flatMap { failureLines($0, columns) }
    let ended = stages.filter { $0.state != "running" && $0.state != "failed" }
    let recovery = recoveryLines.flatMap { wrapped($0, columns) }
    let room = height - head.count - recovery.count - rest.count - advice.count
    let list = ended.count <= max(0, room) ? ended.map(endedLine) : []
    return head + recovery + list + rest + advice
  }

  /// `ETA at least 5 min`
  private var endWords: String? {
    secondsLeft.map { "ETA \(unknown > 0 ? "at least " : "")\(formatted(seconds: $0))" }
  }

  private var nameColumns: Int { min(40, stages.map(\.name.terminalColumns).max() ?? 0) }

  private func padded(_ name: String) -> String {
    name + String(repeating: " ", count: max(0, nameColumns - name.terminalColumns))
  }

  /// `3 of 9 stages done (2 ran, 1 cached)`
  private var progressWords: String {
    let known = counts.filter { $0.count > 0 }
    let words = known.map { "\($0.count) \($0.state.rawValue)" }.joined(separator: ", ")
    let done = count(.ran) + count(.cached)
    let all = planned.map { " of \($0)" } ?? ""
    return "\(done)\(all) stages done" + (words.isEmpty ? "" : " (\(words))")
  }

  private func endedLine(_ stage: Stage) -> StyledLine {
    let (sign, code): (String, Int?) =
      switch stage.state {
      case "ran": ("✓", 32)
      case "cached": ("✓", 2)
      default: ("-", 33)
      }
    let time = stage.state == "ran" ? stage.seconds.map { "  \(formatted(seconds: $0))" } ?? "" : ""
    return StyledLine(sign, code) + " \(padded(stage.name))  " + StyledLine(stage.state, code) + time
  }

  private func failureLines(_ stage: Stage, _ columns: Int) -> [StyledLine] {
    let reason = stage.error?.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
    let line = StyledLine("✗", 31) + " \(padded(stage.name))  " + StyledLine("failed", 31) + "  "
    return wrapped(line, words(of: reason), columns, gap: " ")
  }

  private func lines(of stage: Stage, _ columns: Int) -> [StyledLine] {
    if isOver { return [StyledLine("- ", 33) + "\(padded(stage.name))  was running"] }
    let line = StyledLine("▶ \(padded(stage.name))")
    var words: [StyledLine] = []
    if let done = stage.done, let total = stage.total, total > 0 {
      let share = max(0, min(1, Double(done) / Double(total)))
      let full = Int(share * 20)
      words.append(
        StyledLine(String(repeating: "█", count: full), 36) + String(repeating: "░", count: 20 - full)
          + String(format: " %3.0f %%", (share * 100).rounded(.down)))
      words.append(StyledLine("\(done)/\(total)"))
    }
    func add(_ text: String) { words.append(StyledLine(text)) }
    if let rate = stage.rate, rate > 0 { add(rateWords(rate)) }
    if let left = stage.secondsLeft { add("ETA \(formatted(seconds: left))") }
    if let memory = stage.memory { add(formatted(bytes: memory)) }
    if let seconds = stage.seconds { add("elapsed \(formatted(seconds: seconds))") }
    if stage.attempt > 1 { add("attempt \(stage.attempt)") }
    let series = stage.series.map { series in
      "\(series.name) \(series.last.map(formatted(metric:)) ?? "not a number") \(series.sparkline)"
    }
    let more = series.isEmpty ? [stage.detail].compactMap { $0 }.filter { !$0.isEmpty } : series
    return wrapped(line, words, columns) + more.flatMap { wrapped(StyledLine("    \($0)"), columns) }
  }

  /// - Parameter gap: between words.
  private func wrapped(
    _ first: StyledLine, _ words: [StyledLine], _ columns: Int, gap: String = "  "
  ) -> [StyledLine] {
    words.reduce(into: [first]) { lines, word in
      let line = lines[lines.count - 1]
      let joined = line.columns == 0 || line.endsInSpace ? line + word : line + gap + word
      if joined.columns < columns { lines[lines.count - 1] = joined } else { lines.append(StyledLine("    ") + word) }
    }
  }

  /// A line that is too long, broken between words.
  private func wrapped(_ line: StyledLine, _ columns: Int) -> [StyledLine] {
    if line.columns < columns { return [line] }
    let words = line.parts.flatMap { part in
      part.text.split(separator: " ").map { StyledLine(String($0), part.code) }
    }
    let indent = String(repeating: " ", count: line.parts.first?.text.prefix { $0 == " " }.count ?? 0)
    return wrapped(StyledLine(indent), words, columns, gap: " ")
  }

  private func words(of text: String) -> [StyledLine] { text.split(separator: " ").map { StyledLine(String($0)) } }

  private func rateWords(_ rate: Double) -> String {
    rate >= 1 ? String(format: rate < 100 ? "%.1f/s" : "%.0f/s", rate) : "\(formatted(seconds: 1 / rate)) each"
  }

  /// What to do next, where there is something.
  private var advice: [StyledLine] {
    switch state {
    case "died":
      [
        StyledLine("Nobody runs it any more: ", 31)
          + "process \(pid) on \(host) is gone, killed or with its machine. What was finished is kept;"
      ] + (restartAdvice ?? [StyledLine("`retort run \(file)` continues.")])
    case "interrupted": restartAdvice ?? [StyledLine("`retort run \(file)` continues.")]
    case "failed", "waited too long": [StyledLine("More: retort show \(run) STAGE")]
    default: []
    }
  }

  private func colour(ofRun state: String) -> Int {
    switch state {
    case "done": 32
    case "interrupted": 33
    default: 31
    }
  }
}
