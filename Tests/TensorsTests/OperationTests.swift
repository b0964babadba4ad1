/// Each operation's backward pass against central differences of its forward pass.
import Foundation
import Testing

@testable import CPU
@testable import Tensors

struct OperationTests {
  private let engine = CPU(threads: 2)
  private let batch = PackedBatch(
    [[1, 2, 3], [4], [2, 2, 5, 0, 1]], typeIDs: [[0, 1, 1], [0], [0, 0, 1, 1, 1]], chunkSize: 2)

  private func weight(_ shape: [Int], _ stream: UInt64) -> Weight {
    let weight = Weight("w\(stream)", engine.uniform(shape, -1..<1, seed: 8, stream: stream), decays: true)
    weight.train()
    return weight
  }

  private func input(_ columns: Int, rows: Int? = nil, _ stream: UInt64) -> Weight {
    weight([rows ?? batch.tokens, columns], 100 + stream)
  }

  /// Compares gradients of Σ output·c. `inputs` become variables, `weights` are used by the operation as they are.
  private func check(
    _ inputs: [Weight], _ weights: [Weight] = [], _ operation: (Tape, [Variable]) -> Variable
  ) {
    func run() -> (output: Variable, variables: [Variable], tape: Tape) {
      let tape = Tape(on: engine, records: true, masks: Tape.Masks(seed: 6, step: 2))
      let variables = inputs.map { Variable(value: $0.value, gradient: Gradient()) }
      return (operation(tape, variables), variables, tape)
    }
    let (output, variables, tape) = run()
    let direction = engine.uniform(output.value.shape, -1..<1, seed: 9, stream: 1)
    func value() -> Double {
      zip(run().output.value.array, direction.array).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    tape.backward(from: output, gradient: direction)
    let found = variables.map { $0.gradient?.take()?.array } + weights.map { $0.gradient?.array }
    for (weight, gradient) in zip(inputs + weights, found) {
      guard let gradient else {
        Issue.record("no gradient for \(weight.name)")
        continue
      }
      let step: Float = 1.0 / 128
      for index in gradient.indices {
        let original = weight.value.floats[index]
        func set(_ number: Float) {
          weight.value.floats[index] = number
          weight.changed()
        }
        set(original + step)
        let above = value()
        set(original - step)
        let below = value()
        set(original)
        let expected = (above - below) / Double(2 * step)
        // Differences carry the step's square and fp32's rounding over the step.
        #expect(abs(Double(gradient[index]) - expected) < 2e-3 * max(1, abs(expected)), "\(weight.name)[\(index)]")
      }
    }
  }

  @Test(arguments: Activation.allCases, [nil, 0, 0.4])
  func `gradients of linear, its activation and adapter are its differences`(
    activation: Activation, adapterDropout: Double?
  ) {
    let (w, b) = (weight([4, 6], 1), weight([4], 2))
    let adapter = adapterDropout.map {
      Adapter(down: weight([2, 6], 3), up: weight([4, 2], 4), scale: 0.7, dropout: $0)
    }
    check([input(6, 1)], [w, b] + (adapter.map { [$0.down, $0.up] } ?? [])) { tape, x in
      tape.linear(x[0], rows: batch.tokenRows, weight: w, bias: b, adapter: adapter, activation: activation)
    }
  }

  @Test(arguments: [Norm.Form.centred, .rootMeanSquare], [true, false])
  func `gradients of a normalised sum are its differences`(form: Norm.Form, hasBeta: Bool) {
    let (gamma, beta) = (weight([7], 1), hasBeta ? weight([7], 2) : nil)
    let norm = Norm(form, gamma: gamma, beta: beta, eps: 1e-12, shift: hasBeta ? 0 : 1)
    check([input(7, 1), input(7, 2)], [gamma] + (beta.map { [$0] } ?? [])) { tape, x in
      tape.norm(x[0], residual: x[1], norm, rows: batch.tokenRows)
    }
  }

  @Test func `gradients of heads that are normalised each alone are their differences`() {
    let gamma = weight([3], 1)
    check([input(6, 1)], [gamma]) { tape, x in
      tape.norm(x[0], Norm(.rootMeanSquare, gamma: gamma, eps: 1e-6), rows: batch.tokenRows)
    }
  }

  @Test(arguments: [3, 7, 100]) func `gradients of tokens' scores are their differences, in blocks of any size`(
    block: Int
  ) {
    let table = weight([10, 5], 3)
    let targets: [Int32] = [0, 9, 3, 3, 8, 1, 2, 6, 7]
    check([input(5, 1)], [table]) { tape, x in
      tape.tokenScores(x[0], rows: batch.tokenRows, weight: table, targets: targets, block: block)
    }
  }

  @Test func `scores of all tokens are the logarithms of numbers whose sum is 1`() {
    let (table, row) = (weight([10, 5], 3), engine.uniform([1, 5], -3..<3, seed: 1, stream: 1))
    let rows = PackedBatch(Array(repeating: [1], count: 10)).tokenRows
    let h = Variable(value: engine.tensor((0..<10).flatMap { _ in row.array }, [10, 5]), gradient: nil)
    let scores = Tape(on: engine).tokenScores(h, rows: rows, weight: table, targets: Array(0..<10), block: 4)
    #expect(abs(scores.value.array.reduce(0) { $0 + exp($1) } - 1) < 1e-6)
  }

  @Test(arguments: Activation.allCases) func `gradients of gated activations are their differences`(f: Activation) {
    check([input(5, 1), input(5, 2)]) { tape, x in tape.gate(f, x[0], x[1]) }
  }

  @Test func `gradients of rotated heads, of sums, of columns and of scaled embeddings are their differences`() {
    let table = weight([6, 6], 3)
    check([input(12, 1), input(6, 2)], [table]) { tape, x in
      let rotation = Rotation([1, 0.3], positions: 5, on: engine)
      let turned = tape.rotate(tape.columns(x[0], 3..<11), rotation, rows: batch.tokenRows)
      let scaled = tape.scale(tape.embedding([(table, batch.ids)]), by: 1.7)
      return tape.sum(tape.sum(tape.columns(turned, 1..<7), x[1]), tape.sum(scaled, tape.columns(x[0], 0..<6)))
    }
  }

  @Test(
    arguments: [0, 0.3],
    [(4, nil, .all), (4, nil, .causal), (4, 2, Sight(before: 1, after: 1)), (6, 1, Sight(before: 2, after: 0))]
      as [(Int, Int?, Sight)])
  func `gradients of attention are its differences, with and without dropout`(
    dropout: Double, form: (heads: Int, keyValueHeads: Int?, sight: Sight)
  ) {
    let shared = form.keyValueHeads ?? form.heads
    check([input(3 * form.heads, 1), input(3 * shared, 2), input(3 * shared, 3)]) { tape, x in
      tape.attention(
        x[0], x[1], x[2], heads: form.heads, keyValueHeads: form.keyValueHeads, sight: form.sight, batch: batch,
        dropout: dropout, scale: 0.8)
    }
  }

  @Test func `gradients of attention's bias, a table that layers share, are its differences`() {
    let (table, inputs) = (weight([4, 2], 7), [input(6, 1), input(6, 2), input(6, 3)])
    // Distances -4 to 4, for each of the two chunks.
    let rows: [Int32] = [0, 0, 1, 1, 2, 3, 3, 0, 1]
    check(inputs, [table]) { tape, x in
      let bias = tape.embedding([(table, rows + rows)])
      let inner = tape.attention(x[0], x[1], x[2], heads: 2, bias: bias, batch: batch)
      return tape.attention(inner, x[1], x[2], heads: 2, bias: bias, batch: batch)
    }
  }

  @Test(
    arguments: PoolingMode.allCases.map { [$0] } + [[.cls, .mean], [.max, .weightedMean, .lastToken, .max]],
    [[0, 0, 0], [1, 0, 3]])
  func `gradients of pooling are its differences, with and without prompts that are left out`(
    modes: [PoolingMode], unpooled: [Int]
  ) {
    let batch = PackedBatch([[1, 2, 3], [4], [2, 2, 5, 0, 1]], chunkSize: 2, unpooled: unpooled)
    check([input(5, 1)]) { tape, x in tape.pool(x[0], modes, batch: batch) }
  }

  @Test func `of equal maxima the first gets the gradient, as in torch, and what is no number is the maximum`() {
    let batch = PackedBatch([[1, 2, 3, 4]])
    let x = engine.tensor([1, 2, .nan, 3, 2, 0, 3, 0, 0, 3, 2, 0], [4, 3])
    let (y, maxima) = engine.pool(x, [.max], batch)
    #expect(y.array[0] == 3 && y.array[1] == 2 && y.array[2].isNaN)
    let dx = engine.poolBackward(engine.tensor([5, 6, 7], [1, 3]), [.max], batch, maxima)
    #expect(dx.array == [0, 6, 7, 5, 0, 0, 0, 0, 0, 0, 0, 0])
  }

  @Test func `gradients of embeddings are their differences`() {
    let (word, position, segment) = (weight([6, 3], 1), weight([5, 3], 2), weight([2, 3], 3))
    check([], [word, position, segment]) { tape, _ in
      tape.embedding([(word, batch.ids), (segment, batch.typeIDs), (position, batch.positions)])
    }
  }

  @Test func `dropout keeps the expectation, and its gradient the mask`() {
    check([input(5, 1)]) { tape, x in tape.dropout(x[0], 0.3, rows: batch.tokenRows) }
    let tape = Tape(on: engine, records: true, masks: Tape.Masks(seed: 1, step: 1))
    let ones = engine.matrix(batch.tokens, 4000)
    ones.fill(1)
    let dropped = tape.dropout(Variable(value: ones, gradient: nil), 0.3, rows: batch.tokenRows).value.array
    #expect(abs(dropped.reduce(0, +) / Float(dropped.count) - 1) < 0.01)
  }

  @Test func `a tensor used twice gets both gradients`() {
    let (gamma, beta) = (weight([4], 1), weight([4], 2))
    let (w, b) = (weight([4, 4], 3), weight([4], 4))
    check([input(4, 1)], [gamma, beta, w, b]) { tape, x in
      let rows = batch.tokenRows
      let y = tape.linear(x[0], rows: rows, weight: w, bias: b, adapter: nil, activation: .gelu)
      return tape.norm(y, residual: x[0], Norm(.centred, gamma: gamma, beta: beta, eps: 1e-6), rows: rows)
    }
  }

  @Test func `nothing is computed for what does not train`() {
    let frozen = Weight("w", engine.zeros([4, 4]), decays: true)
    let bias = Weight("b", engine.zeros([4]), decays: false)
    let x = Variable(value: engine.matrix(batch.tokens, 4), gradient: nil)
    let y = Tape(on: engine, records: true, masks: Tape.Masks(seed: 1, step: 1))
      .linear(x, rows: batch.tokenRows, weight: frozen, bias: bias, adapter: nil, activation: .gelu)
    #expect(y.gradient == nil)
  }
}

extension Activation: CustomTestStringConvertible {
  public var testDescription: String { "\(self)" }
}
