/// The batches of a dual encoder.
import Testing
import CPU

@testable import Tokenizers
@testable import Training

private func encoding(_ id: Int) -> Encoding { Encoding(ids: [Int32(id)], typeIDs: [0], contentTokens: 1) }

/// Queries number 0, 1, … of sets of these sizes; passage `number % passages` answers each.
private func task(
  _ sizes: [Int], passages: Int, _ mix: LabelTask.Mix = .proportional, kind: LabelLoss.Kind = .mnr
) -> LabelTask {
  let sets = sizes.enumerated().flatMap { set, size in [Int](repeating: set, count: size) }
  let queries = sets.enumerated().map { number, set in
    LabelledQuery(
      id: "\(number)", input: encoding(1000 + number), positives: [number % passages],
      negatives: (0..<passages).filter { $0 != number % passages }, set: set)
  }
  var loss = LabelLoss()
  loss.kind = kind
  return LabelTask(
    queries: queries, passages: (0..<passages).map(encoding), negatives: 2, mix: mix, loss: loss,
    temperature: Temperature(logarithm: 0, rate: 0, least: 1, learns: false, on: CPU(threads: 1)), width: 1, seed: 5)
}

private let draws = SeededDraws(seed: 5)

@Suite struct LabelTaskTests {
  @Test func `each query is in one batch of an epoch, and no positive twice in a batch`() {
    let task = task([100], passages: 7)
    let batches = task.batches(of: 5, epoch: 2, draws)
    #expect(batches.flatMap(\.self).sorted() == Array(0..<100))
    #expect(batches.allSatisfy { $0.count <= 5 && Set($0.map { $0 % 7 }).count == $0.count })
    #expect(task.batchCount(of: 5, epoch: 2, draws) == batches.count)
    #expect(task.batches(of: 5, epoch: 3, draws) != batches)
    #expect(task.batches(of: 5, epoch: 2, draws) == batches)
  }

  @Test func `own candidates need no other batches than those of the order`() {
    let batches = task([10], passages: 2, kind: .ce).batches(of: 4, epoch: 0, draws)
    #expect(batches.map(\.count) == [4, 4, 2])
  }

  @Test func `a batch is of one set, by lot or in turn`() {
    func set(_ batch: [Int]) -> Int { batch[0] < 40 ? 0 : 1 }
    let sizes = [40, 12]
    for mix in LabelTask.Mix.allCases {
      let batches = task(sizes, passages: 60, mix).batches(of: 4, epoch: 0, draws)
      #expect(batches.allSatisfy { batch in batch.allSatisfy { ($0 < 40) == (batch[0] < 40) } })
      switch mix {
      case .proportional:
        #expect(batches.flatMap(\.self).sorted() == Array(0..<52))
        #expect(batches.map(set) != batches.map(set).sorted())
      case .roundRobin: #expect(batches.map(set) == [0, 1, 0, 1, 0, 1])
      }
    }
  }

  @Test func `a passage that several queries share has one row`() {
    let batch = task([6], passages: 3, kind: .ce).batch(of: [0, 1, 2, 3], epoch: 0)
    #expect(batch.sequences.count == 4 + 3)
  }
}
