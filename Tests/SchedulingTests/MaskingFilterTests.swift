/// Secrets never reach a log.
@testable import Scheduling
import Testing

@Suite struct MaskingFilterTests {
  private func filtered(_ pieces: [String], _ secrets: [String]) -> String {
    var filter = MaskingFilter(secrets)
    var output: [UInt8] = []
    for piece in pieces { output += filter.feed(piece.utf8) }
    output += filter.finish()
    return String(decoding: output, as: UTF8.self)
  }

  @Test func `a secret is masked wherever the stream is cut`() {
    let text = "token=hf_abc, hf_ab, hf_abcabc\n"
    for cut in 0...text.count {
      let pieces = [String(text.prefix(cut)), String(text.dropFirst(cut))]
      #expect(filtered(pieces, ["hf_abc"]) == "token=***, hf_ab, ***abc\n")
    }
  }

  @Test func `the longer of two secrets wins, and lines of a secret count for themselves`() {
    #expect(filtered(["abcd ab key1 key2"], ["ab", "abcd", "key1\nkey2"]) == "*** *** *** ***")
  }

  @Test func `nothing is changed without secrets`() {
    #expect(filtered(["a", "", "b"], [""]) == "ab")
  }
}
