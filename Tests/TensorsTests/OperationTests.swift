/// Each operation's backward pass against central differences of its forward pass.
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

  @Test(arguments: [Activation.identity, .gelu, .geluTanh, .tanh], [nil, 0, 0.4])
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

  @Test func `gradients of a normalised sum are its differences`() {
    let (gamma, beta) = (weight([7], 1), weight([7], 2))
    check([input(7, 1), input(7, 2)], [gamma, beta]) { tape, x in
      tape.layerNorm(x[0], residual: x[1], rows: batch.tokenRows, gamma: gamma, beta: beta, eps: 1e-12)
    }
  }

  @Test(arguments: [0, 0.3], [(4, nil, false), (4, nil, true), (4, 2, false), (6, 1, true)] as [(Int, Int?, Bool)])
  func `gradients of attention are its differences, with and without dropout`(
    dropout: Double, form: (heads: Int, keyValueHeads: Int?, causal: Bool)
  ) {
    let shared = form.keyValueHeads ?? form.heads
    check([input(3 * form.heads, 1), input(3 * shared, 2), input(3 * shared, 3)]) { tape, x in
      tape.attention(
        x[0], x[1], x[2], heads: form.heads, keyValueHeads: form.keyValueHeads, causal: form.causal, batch: batch,
        dropout: dropout)
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
      return tape.layerNorm(y, residual: x[0], rows: rows, gamma: gamma, beta: beta, eps: 1e-6)
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
