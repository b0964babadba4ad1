/// The first tensor and element in which two safetensors files differ.
import CPU
import Foundation
import Models
import Tensors
import TestSupport
import Testing

@Suite struct TensorDifferenceTests {
  private let engine = CPU(threads: 1)
  private let scratch: ScratchFolder

  init() throws { scratch = try ScratchFolder() }

  private func file(_ name: String, _ tensors: [String: Tensor]) throws -> SafeTensors {
    let url = scratch.url.appending(path: name)
    try SafeTensors.write(tensors, to: url)
    return try SafeTensors(contentsOf: url)
  }

  @Test func `the first tensor of the file comes first, with the element's place and both values`() throws {
    let left = try file("l", ["a": engine.tensor([1, 2], [2]), "b": engine.tensor([0, 1, 2, 3, 4, 5], [2, 3])])
    let right = try file("r", ["a": engine.tensor([1, 2], [2]), "b": engine.tensor([0, 1, 2, 3, -4, 6], [2, 3])])
    let found = try #require(try TensorDifference(left, right))
    #expect(found.tensor == "b" && found.index == [1, 1] && found.left == "4.0" && found.right == "-4.0")
    #expect(found.differing == 2 && found.count == 6 && found.tensors == 1)
    #expect(try TensorDifference(left, left) == nil)
  }

  @Test func `bits decide: zeros of two signs differ`() throws {
    let left = try file("l", ["a": engine.tensor([0], [1])])
    let right = try file("r", ["a": engine.tensor([-0.0], [1])])
    let found = try #require(try TensorDifference(left, right))
    #expect(found.left == "0.0" && found.right == "-0.0")
  }

  @Test func `other shapes and tensors of one side alone are named as such`() throws {
    let left = try file("l", ["a": engine.tensor([1, 2], [2]), "b": engine.tensor([1], [1])])
    let right = try file("r", ["a": engine.tensor([1, 2], [1, 2]), "c": engine.tensor([1], [1])])
    let found = try #require(try TensorDifference(left, right))
    #expect(found.tensor == "a" && found.index == nil && found.left == "F32 [2]" && found.right == "F32 [1, 2]")
    #expect(found.tensors == 3)
    let only = try #require(try TensorDifference(file("l", ["a": engine.tensor([1], [1])]), file("r", [:])))
    #expect(only.left == "F32 [1]" && only.right == "absent")
  }

  @Test func `types that are not computed with are compared too`() throws {
    let original = try Data(contentsOf: golden.appending(path: "types.safetensors"))
    let left = try SafeTensors(contentsOf: golden.appending(path: "types.safetensors"))
    for (name, size) in [("ids", 8), ("f16", 2), ("bf16", 2)] {
      // Finds the tensor's bytes and flips the lowest bit of its last element.
      let bytes = try left.withBytes(of: name) { Data($1) }
      let place = try #require(original.range(of: bytes))
      var changed = original
      changed[place.upperBound - size] ^= 1
      let right = try SafeTensors(contentsOf: scratch.write(changed, to: name))
      let found = try #require(try TensorDifference(left, right))
      let last = try left.shape(of: name)[0] - 1
      #expect(found.tensor == name && found.index == [last] && found.differing == 1)
      #expect(Double(found.left) != nil || found.left.contains("nan"), "\(found.left)")
    }
  }
}
