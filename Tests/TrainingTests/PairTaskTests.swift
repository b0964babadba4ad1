/// The batches of a cross-encoder.
import Testing

@testable import Tokenizers
@testable import Training

private let draws = SeededDraws(seed: 5)

/// Lists of a positive, a random negative and a hard one; their tokens say which they are.
private func lists(_ count: Int) -> [[LabelledPair]] {
  (0..<count).map { list in
    (0..<3).map { place in
      LabelledPair(
        record: "\(list)/\(place)", input: Encoding(ids: [Int32(place)], typeIDs: [0], contentTokens: 1),
        label: place == 0 ? 1 : 0, isHard: place == 2)
    }
  }
}

@Suite struct PairTaskTests {
  @Test func `a list's pairs stay together in a batch of lists`() {
    var loss = RerankerLoss()
    loss.kind = .listnet
    let task = PairTask(lists: lists(5), loss: loss)
    let batches = task.batches(of: 2, epoch: 1, draws)
    #expect(batches.flatMap(\.self).sorted() == Array(0..<5) && batches.count == 3)
    let batch = task.batch(of: [3, 1], epoch: 1)
    #expect(batch.records == ["3/0", "3/1", "3/2", "1/0", "1/1", "1/2"])
    #expect(batch.loss([0, 0, 0, 0, 0, 0]).gradient.count == 6)
  }

  @Test func `a curriculum leaves hard negatives out of its epochs, alone or in lists`() {
    let single = PairTask(lists: lists(4).joined().map { [$0] }, loss: RerankerLoss(), curriculum: 2)
    for (epoch, pairs) in [(0, 8), (1, 8), (2, 12)] {
      let batches = single.batches(of: 5, epoch: epoch, draws)
      #expect(Set(batches.joined()).count == pairs)
      #expect(batches.count == single.batchCount(of: 5, epoch: epoch, draws))
      #expect(batches.joined().allSatisfy { epoch == 2 || $0 % 3 != 2 })
    }
    let whole = PairTask(lists: lists(4), loss: RerankerLoss(), curriculum: 1)
    #expect(whole.batch(of: [2], epoch: 0).records == ["2/0", "2/1"])
    #expect(whole.batch(of: [2], epoch: 1).records == ["2/0", "2/1", "2/2"])
    let hardOnly = lists(4).enumerated().map { list, pairs in pairs.filter { list > 0 || $0.record != "0/1" } }
    #expect(PairTask(lists: hardOnly, loss: RerankerLoss(), curriculum: 1).batchCount(of: 1, epoch: 0, draws) == 3)
  }

  @Test func `without a curriculum batches are those of the plain order`() {
    let task = PairTask(lists: lists(7), loss: RerankerLoss())
    #expect(task.batches(of: 3, epoch: 1, draws).flatMap(\.self) == draws.order(of: 7, epoch: 1))
  }
}
