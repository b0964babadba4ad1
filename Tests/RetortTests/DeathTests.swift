/// When a run that keeps dying is started again, and when it is given up.
import Testing

@testable import retort

@Suite struct DeathTests {
  @Test func `a run that dies at one place is started four times, after pauses that double`() {
    var deaths = Deaths()
    let mark = Deaths.Mark(stages: 2, steps: 100)
    #expect((0..<6).map { _ in deaths.add(at: mark) } == [1, 2, 4, 8, nil, nil])
  }

  @Test func `a stage that is done or a step that was saved counts as progress, falling back does not`() {
    var deaths = Deaths()
    #expect(deaths.add(at: .init()) == 1)
    #expect(deaths.add(at: .init()) == 2)
    #expect(deaths.add(at: .init(stages: 0, steps: 10)) == 1)
    #expect(deaths.add(at: .init(stages: 0, steps: 10)) == 2)
    #expect(deaths.add(at: .init(stages: 1, steps: 0)) == 1)
    #expect(deaths.add(at: .init(stages: 0, steps: 50)) == 2)
  }
}
