/// Which candidates a training group gets, and what happens where there are too few.
import Testing

@testable import Tokenizers
@testable import Training

/// `negatives` negatives after two positives; the passage with number n has n + 1 tokens.
private func query(_ index: Int, negatives: Int, positives: Int = 2) -> JudgedQuery {
  JudgedQuery(
    id: "q\(index)", query: Encoding(ids: [1, 2], typeIDs: [0, 0], contentTokens: 2),
    candidates: (0..<positives + negatives).map {
      .init(passage: $0, isPositive: $0 < positives, logit: Double(-$0))
    })
}

private let passages = (0..<12).map {
  Encoding(ids: [Int32](repeating: Int32($0), count: $0 + 1), typeIDs: [Int32](repeating: 0, count: $0 + 1))
}

private func task(_ queries: [JudgedQuery], K: Int) throws -> DistillationTask {
  try DistillationTask(queries: queries, passages: passages, K: K, loss: DistillationLoss(), width: 2, seed: 5)
}

@Suite struct DistillationTaskTests {
  @Test func `a group is one positive and K - 1 different negatives, drawn anew each epoch`() throws {
    let task = try task([query(0, negatives: 10)], K: 6)
    let groups = (0..<20).map { task.group(of: 0, epoch: $0) }
    for group in groups {
      #expect(group.map(\.isPositive) == [true] + [Bool](repeating: false, count: 5))
      #expect(Set(group.map(\.passage)).count == 6)
    }
    #expect(Set(groups.map { $0.map(\.passage) }).count > 10)
    #expect(Set(groups.map { $0[0].passage }) == [0, 1])
    #expect(task.group(of: 0, epoch: 3).map(\.passage) == groups[3].map(\.passage))
  }

  @Test func `a query with exactly K - 1 negatives has the same candidates in every epoch`() throws {
    let task = try task([query(0, negatives: 5, positives: 1)], K: 6)
    let groups = Set((0..<20).map { Set(task.group(of: 0, epoch: $0).map(\.passage)) })
    #expect(groups == [Set(0..<6)])
  }

  @Test func `a chunk holds whole groups, query first`() throws {
    let task = try task((0..<5).map { query($0, negatives: 3) }, K: 3)
    let batch = task.batch(of: [4, 0, 2], epoch: 0)
    #expect(batch.records == ["q4", "q0", "q2"])
    // Groups of 4 sequences: two make a chunk of 8.
    #expect(batch.sequences.chunks == [0..<8, 8..<12])
    let firstTokens = batch.sequences.offsets.dropLast().map { batch.sequences.ids[$0] }
    #expect([0, 4, 8].map { firstTokens[$0] } == [1, 1, 1])
  }

  @Test func `the heaviest chunk has the longest of each query's candidates`() throws {
    let task = try task([query(0, negatives: 10)], K: 4)
    #expect(task.heaviestChunk == [2, 2, 12, 11, 10])
  }

  @Test func `too few negatives are an error that says how many to mine`() {
    #expect {
      try task([query(0, negatives: 9), query(1, negatives: 2), query(2, negatives: 3)], K: 8)
    } throws: {
      let message = "\($0)"
      return message.contains("query q1 (and 1 more") && message.contains("num_negatives: 7")
        && message.contains("lower K to 3")
    }
  }

  @Test func `a query without a positive is an error that names it`() {
    #expect { try task([query(7, negatives: 9, positives: 0)], K: 2) } throws: { "\($0)".contains("q7") }
  }
}
