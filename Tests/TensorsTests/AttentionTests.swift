/// Attention of every class that this machine has, or that is emulated, against the reference loops; its bits.
import CKernels
import TestKernels
import TestSupport
import Testing

@testable import CPU
@testable import Tensors

struct AttentionTests {
  /// Lengths at the edges of blocks, and random ones; widths of models, and others.
  private func cases(_ sight: Sight, dropout: Bool) -> [attention_case] {
    var random = SplitMix(state: sight == .causal ? 1 : 2)
    let edges = [1, 6, 7, 31, 32, 33, 47, 48, 49, 95, 97, 127, 128, 129, 143, 145, 256, 257, 300]
    let lengths = edges + (0..<12).map { _ in Int.random(in: 1...300, using: &random) }
    return lengths.enumerated().map { index, length in
      let width = index % 3 == 0 ? 32 : index % 3 == 1 ? 64 : Int.random(in: 1...130, using: &random)
      let queries = index % 4 == 1 ? 1 : index % 4 == 3 ? Int.random(in: 1...length, using: &random) : length
      // Scores up to 1 spread the probabilities, scores up to √width make them sharp.
      return attention_case(
        queries: queries, length: length, width: width, heads: 1 + index % 3, before: sight.before ?? length,
        after: sight.after ?? length, threshold: dropout ? 19661 : 0,
        scale: index % 2 == 0 ? 1 : 1 / Float(width).squareRoot(), seed: UInt64(index),
        bias: index % 3 == 2 ? 1 : 0, brains: 0,
        past: index % 4 == 1 ? length - 1 : index % 8 == 3 ? (length - queries) / 2 : 0)
    }
  }

  /// All, earlier ones, and windows that lie in a block, end with one and reach over several.
  private static let sights: [(Sight, dropout: Bool)] = [
    (.all, false), (.all, true), (.causal, false), (.causal, true), (Sight(before: 9, after: 0), false),
    (Sight(before: 130, after: 0), true), (Sight(before: 7, after: 7), true), (Sight(before: 127, after: 64), false),
    (Sight(after: 3), false),
  ]

  @Test(arguments: KernelPair.all, sights)
  func `attention and its gradients equal the reference, and read and write nothing else`(
    pair: KernelPair, variant: (sight: Sight, dropout: Bool)
  ) {
    var (fast, reference) = (pair.fast, pair.reference)
    for what in cases(variant.sight, dropout: variant.dropout) {
      let check = check_attention(&fast, &reference, what)
      #expect(check.error < 2e-5, "\(what)")
      #expect(check.overwritten == 0 && check.variant == 0, "\(what)")
      // Rounded probabilities and gradients are off by 2⁻⁹; the largest gradients here are about 10.
      var rounded = what
      rounded.brains = 1
      let roundedCheck = check_attention(&fast, &reference, rounded)
      #expect(roundedCheck.error < 0.06, "\(rounded)")
      #expect(roundedCheck.overwritten == 0 && roundedCheck.variant == 0, "\(rounded)")
    }
  }

  private static let width = 32
  private static let lengths = [7, 130, 1, 50]

  /// Output and gradients of q, k, v of some of four sequences, each sequence's rows alone.
  private func attend(
    _ sequences: [Int], threads: Int, heads: Int, keyValueHeads: Int?, sight: Sight, dropout: Double = 0.1,
    changing token: Int? = nil, repeating copies: Int = 1
  ) -> [[[Float]]] {
    let engine = CPU(threads: threads)
    let batch = PackedBatch(
      sequences.map { Array(repeating: 0, count: Self.lengths[$0]) }, sequenceKeys: sequences.map { UInt64($0) })
    /// Heads of random numbers, each `copies` times side by side.
    func matrix(_ heads: Int, _ stream: UInt64, copies: Int = 1) -> Tensor {
      let columns = heads * Self.width
      return engine.tensor(
        sequences.flatMap { sequence in
          let rows = various(Self.lengths[sequence] * columns, stream << 8 | UInt64(sequence))
          let changed = rows.enumerated().map { $0.offset / columns == token ? -$0.element : $0.element }
          return stride(from: 0, to: changed.count, by: Self.width).flatMap { start in
            Array(repeatElement(changed[start..<start + Self.width], count: copies).joined())
          }
        }, [batch.tokens, columns * copies])
    }
    let shared = (keyValueHeads ?? heads) / copies
    let inputs = [(heads, 1, 1), (shared, 2, copies), (shared, 3, copies)].map {
      Variable(value: matrix($0.0, $0.1, copies: $0.2), gradient: Gradient())
    }
    let tape = Tape(on: engine, records: true, masks: Tape.Masks(seed: 3, step: 4))
    let out = tape.attention(
      inputs[0], inputs[1], inputs[2], heads: heads, keyValueHeads: keyValueHeads, sight: sight, batch: batch,
      dropout: dropout)
    tape.backward(from: out, gradient: matrix(heads, 4))
    return ([out.value] + inputs.map { $0.gradient!.take()! }).map { tensor in
      sequences.indices.map { index in
        Array(tensor.array[batch.offsets[index] * tensor.columns..<batch.offsets[index + 1] * tensor.columns])
      }
    }
  }

  @Test(arguments: [(4, nil, .all), (4, 2, .causal), (6, 1, Sight(before: 9, after: 40))] as [(Int, Int?, Sight)])
  func `bits of attention depend neither on threads nor on the other sequences`(
    heads: Int, keyValueHeads: Int?, sight: Sight
  ) {
    let expected = attend([0, 1, 2, 3], threads: 1, heads: heads, keyValueHeads: keyValueHeads, sight: sight)
    for (sequences, threads) in [([0, 1, 2, 3], 3), ([1], 2), ([3, 1], 1), ([2, 0], 2)] {
      let found = attend(sequences, threads: threads, heads: heads, keyValueHeads: keyValueHeads, sight: sight)
      for (found, expected) in zip(found, expected) { #expect(found == sequences.map { expected[$0] }) }
    }
  }

  @Test(arguments: [Sight.all, .causal])
  func `heads that share keys do what they do with copies of these, whose gradients they add up`(sight: Sight) {
    let shared = attend([0, 1], threads: 2, heads: 4, keyValueHeads: 2, sight: sight)
    let alone = attend([0, 1], threads: 2, heads: 4, keyValueHeads: nil, sight: sight, repeating: 2)
    #expect(shared[0] == alone[0] && shared[1] == alone[1])
    for (sums, parts) in [(shared[2], alone[2]), (shared[3], alone[3])] {
      for (sum, part) in zip(sums.joined(), pairs(Array(parts.joined()))) {
        #expect(abs(sum - part) < 1e-4 * max(1, abs(part)))
      }
    }
  }

  /// The sums of two heads that lie side by side.
  private func pairs(_ x: [Float]) -> [Float] {
    stride(from: 0, to: x.count, by: 2 * Self.width).flatMap { start in
      (start..<start + Self.width).map { x[$0] + x[$0 + Self.width] }
    }
  }

  @Test func `a later token changes no bit of an earlier row, if causal`() {
    for token in [5, 48, 129] {
      func rows(changing: Int?, _ sight: Sight) -> ArraySlice<Float> {
        attend([1], threads: 1, heads: 2, keyValueHeads: 1, sight: sight, changing: changing)[0][0]
          .prefix(token * 2 * Self.width)
      }
      #expect(rows(changing: token, .causal) == rows(changing: nil, .causal))
      #expect(rows(changing: token, .all) != rows(changing: nil, .all))
    }
  }
}
