import Basics
import Testing

@Suite struct SeededOrderTests {
  @Test func `SplitMix64 gives the numbers of its authors' program`() {
    var random = SplitMix64(state: 1_234_567)
    let numbers: [UInt64] = [
      6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423, 4_593_380_528_125_082_431,
    ]
    #expect(numbers.allSatisfy { random.next() == $0 })
  }

  @Test func `a lottery draws what a shuffle of all numbers has first`() {
    var random = SplitMix64(seed: 3, stream: 5)
    var numbers = Array(0..<100)
    for place in numbers.indices { numbers.swapAt(place, place + random.next(below: 100 - place)) }
    #expect(Array(Lottery(100, SplitMix64(seed: 3, stream: 5))) == numbers)
    #expect(Set(numbers).count == 100)
  }

  @Test func `a shuffle holds every element once and follows from seed and stream`() {
    let numbers = Array(0..<50)
    #expect(numbers.shuffled(seed: 1).sorted() == numbers)
    #expect(numbers.shuffled(seed: 1) == numbers.shuffled(seed: 1))
    #expect(numbers.shuffled(seed: 1) != numbers.shuffled(seed: 2))
    #expect(numbers.shuffled(seed: 1) != numbers.shuffled(seed: 1, stream: 1))
  }
}
