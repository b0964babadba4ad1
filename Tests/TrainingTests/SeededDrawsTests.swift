/// Orders and draws: complete, reproducible, even.
import Testing

@testable import Training

@Suite struct SeededDrawsTests {
  @Test func `an epoch's order holds every item once and is the same every time`() {
    let draws = SeededDraws(seed: 7)
    let order = draws.order(of: 100, epoch: 1)
    #expect(order.sorted() == Array(0..<100))
    #expect(order == draws.order(of: 100, epoch: 1))
    #expect(order != draws.order(of: 100, epoch: 2))
    #expect(order != SeededDraws(seed: 8).order(of: 100, epoch: 1))
  }

  @Test func `a sample is not the head of the file`() {
    let sample = SeededDraws(seed: 1).sample(50, of: 1000)
    #expect(sample.count == 50 && Set(sample).count == 50)
    #expect(sample == sample.sorted())
    #expect(sample != Array(0..<50))
    #expect(SeededDraws(seed: 1).sample(5, of: 3) == [0, 1, 2])
  }

  @Test func `every negative of a query is drawn equally often`() {
    let draws = SeededDraws(seed: 3)
    var counts = [Int](repeating: 0, count: 8)
    let epochs = 4000
    for epoch in 0..<epochs {
      let (positive, negatives) = draws.candidates(positives: 2, negatives: 3, available: 8, epoch: epoch, query: 5)
      #expect((0..<2).contains(positive) && Set(negatives).count == 3)
      for index in negatives { counts[index] += 1 }
    }
    // Binomial with p = 3/8: mean 1500, deviation 31; five of them.
    #expect(counts.allSatisfy { abs($0 - epochs * 3 / 8) < 155 })
  }
}
