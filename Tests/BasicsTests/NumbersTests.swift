import Basics
import Testing

@Suite struct NumbersTests {
  @Test(
    arguments: [
      (0, 0), (-1.9, -1), (0x1p62, 1 << 62), (0x1p63, .max), (.infinity, .max), (.greatestFiniteMagnitude, .max),
      (-0x1p63, .min), (-.infinity, .min), (.nan, 0), (5e-324, 0), (0x1p63 - 1024, Int.max - 1023),
    ] as [(Double, Int)])
  func `any Double becomes the nearest Int`(value: Double, expected: Int) {
    #expect(Int(saturating: value) == expected)
  }

  @Test func `seconds keep their milliseconds and lose the noise of a difference`() {
    #expect((1.3 - 1.1).toMilliseconds == 0.2 && 0.13999986648559570.toMilliseconds == 0.14)
  }

  @Test func `a mean of finite numbers is finite`() {
    let most = Double.greatestFiniteMagnitude
    #expect(mean(ofFinite: [most, most]) == most)
    #expect(mean(ofFinite: [most, most, -most, -most]) == 0)
    #expect(mean(ofFinite: [1, 2, 6]) == 3)
    #expect(mean(ofFinite: []).isNaN)
  }

  @Test(arguments: [-800, -40, -1.5, 0, 0.25, 40, 800]) func `both forms of σ agree and do not overflow`(x: Double) {
    #expect(abs(sigmoid(x) - logistic(x)) <= sigmoid(x).ulp)
    #expect(abs(sigmoid(x) + sigmoid(-x) - 1) <= 1.0.ulp)
  }
}
