/// Cross-encoders that other programs saved give the logits that they give there.
import CPU
import Foundation
import Tensors
import TestSupport
import Testing
import Training

@Suite struct CheckpointLogitsTests {
  /// Made by Tests/Fixtures/generate/pytorch.py.
  private let pytorch = fixtures.appending(path: "pytorch")

  private struct Golden: Decodable {
    let pairs: [[String]]
    let logits: [String: [Float]]
  }

  /// Largest difference from PyTorch's logits, whose magnitude is about 1.
  private func error(_ name: String, base: String?) throws -> Float {
    let golden = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: pytorch.appending(path: "logits.json")))
    let model = try CrossEncoder(
      folder: pytorch.appending(path: name), base: base.map { pytorch.appending(path: $0) }, on: CPU(threads: 1))
    let logits = try model.score(golden.pairs.map { ($0[0], $0[1]) })
    let expected = try #require(golden.logits[name])
    #expect(logits.count == expected.count)
    return zip(logits, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
  }

  @Test(arguments: ["teacher-lora", "teacher-plain", "teacher-default"])
  func `a teacher of the distillation program, with adapters or without, scores as in PyTorch`(name: String) throws {
    #expect(try error(name, base: "base") < 1e-5)
  }

  @Test func `of two labels the second logit is the score`() throws {
    #expect(try error("labels-2", base: nil) < 1e-5)
  }
}
