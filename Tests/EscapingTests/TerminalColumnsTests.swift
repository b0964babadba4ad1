import Escaping
import Testing

@Suite struct TerminalColumnsTests {
  @Test func `Hangul, ideographs and emoji are two columns wide, marks none`() {
    #expect("a한글b".terminalColumns == 6)
    #expect("\u{1112}\u{1161}\u{11ab}".terminalColumns == 2)  // one syllable in three jamo
    #expect("e\u{301}漢\u{1f600}ｱＡ".terminalColumns == 8)
  }

  @Test func `a text is cut before the sign that does not fit`() {
    #expect("a한b".clipped(toColumns: 2) == "a" && "a한b".clipped(toColumns: 3) == "a한")
    #expect("ab".clipped(toColumns: -1) == "")
  }

  @Test func `rows stand in columns of their widest cell, numbers at the right, without blanks at the end`() {
    #expect([["a", "7", "x"], ["한글", "10", ""]].aligned(numbers: [1], indent: 1) == " a      7  x\n 한글  10")
    #expect([[String]]().aligned() == "")
  }
}
