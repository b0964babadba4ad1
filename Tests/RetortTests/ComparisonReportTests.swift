/// Tables of comparisons, as people read them.
import Foundation
@testable import Reports
import Testing

@Suite struct ComparisonReportTests {
  @Test func `of long texts that differ late the place where they part is shown`() {
    let common = String(repeating: "a", count: 100)
    let texts = excerpts(["\(common)1\(common)", "\(common)2\(common)", common])
    // 20 characters before the place, 78 in all.
    let before = String(repeating: "a", count: 20)
    let after = String(repeating: "a", count: 57)
    #expect(texts == ["…\(before)1\(after)…", "…\(before)2\(after)…", "…\(before)"])
  }

  @Test func `texts that differ early, or not at all, are shown from their beginning`() {
    let long = String(repeating: "b", count: 79)
    let beginning = "x\n\(long)"
    #expect(excerpts([beginning, "y"]) == ["x ⏎ \(long.prefix(74))…", "y"])
    #expect(excerpts([long + long, long + long]) == [String](repeating: "\(long.prefix(78))…", count: 2))
    #expect(excerpts(["\(long)b", long]) == ["\(long)b", long])
  }
}
