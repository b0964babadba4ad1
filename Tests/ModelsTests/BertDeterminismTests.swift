/// A model's bits do not depend on what is recorded or left out, and masks follow from seed and step.
/// `ArchitectureDeterminismTests` has what holds for every architecture.
import CPU
import Tensors
import Testing

@testable import Models

struct BertDeterminismTests {
  let golden: BertGolden

  init() throws { golden = try BertGolden() }

  @Test(arguments: [Precision.fp32, .bf16], [true, false])
  func `what is recorded decides no bit`(precision: Precision, lora: Bool) throws {
    let model = try golden.crossEncoder(on: CPU(threads: 2, precision: precision))
    model.dropout = Dropouts(hidden: 0.1, attention: 0.1)
    if lora {
      try model.attach(lora: LoRASettings(r: 4, alpha: 8, dropout: 0.1), seed: 5)
    } else {
      model.trainAllWeights()
    }
    for masks in [nil, Tape.Masks(seed: 1, step: 2)] {
      let outputs = try [true, false].map { records in
        try model.forward(golden.batch(), on: Tape(on: model.device, records: records, masks: masks)).value.array
      }
      #expect(outputs[0] == outputs[1])
    }
  }

  @Test func `masks follow from seed and step`() throws {
    let model = try golden.encoder(on: CPU(threads: 2))
    model.dropout = Dropouts(hidden: 0.2, attention: 0.2)
    func output(_ seed: UInt64, _ step: Int) throws -> [Float] {
      try model.trainingPass(golden.batch(), seed: seed, step: step).output.array
    }
    let first = try output(1, 1)
    #expect(try output(1, 1) == first)
    #expect(try output(1, 2) != first)
    #expect(try output(2, 1) != first)
    #expect(try model.output(of: golden.batch()).array != first)
  }

  @Test func `the head's dropout acts in training alone`() throws {
    let model = try golden.crossEncoder(on: CPU(threads: 1))
    func output(masks: Bool) throws -> [Float] {
      let tape = Tape(on: model.device, masks: masks ? Tape.Masks(seed: 1, step: 1) : nil)
      return try model.forward(golden.batch(), on: tape).value.array
    }
    let plain = try output(masks: false)
    #expect(try output(masks: true) == plain)
    model.dropout.head = 0.5
    #expect(try output(masks: false) == plain)
    #expect(try output(masks: true) != plain)
  }
}
