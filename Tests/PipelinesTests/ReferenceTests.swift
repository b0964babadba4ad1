/// Helps for people: the reference of stage kinds; and the order of stages.
import TestSupport
import Testing

@testable import Pipelines

struct ReferenceTests {
  @Test func `the reference of a kind lists every port and parameter with type, default and meaning`() throws {
    #expect(
      try #require(catalog.describe("teacher")).reference == """
        teacher: Trains a cross-encoder.

        in
          base        model             Model.
          train       groups            Groups.
          validation  groups  optional  Groups.

        with
          epochs               an integer from 1 to 1000               3              Passes.
          batch_size           an integer from 1 to 4096               16             Pairs in a step.
          lr                   a number from 0 to 1                    2e-05          Step size.
          max_len              an integer from 8 to 8192               256            Tokens.
          max_samples          an integer                              absent         Groups to use.
          lora                 a group                                 absent         Low-rank adapters.
          lora.r               an integer from 1 to 1024               16             Rank.
          lora.alpha           a number                                32.0           Scale.
          lora.dropout         a number from 0 to 0.9                  0.1            Share of inputs dropped.
          lora.target_modules  a text, or a list, each element a text  all-linear     Layers.
          lora.use_rslora      true or false                           false          Scale by the root of the rank.
          seed                 an integer of at least 0                defaults.seed  For everything random in it.

        outputs
          model  model  Cross-encoder folder.

        checkpoint: {every: 10m, keep: 2}, retry: 1 unless the stage says otherwise
        """)
    #expect(stageList(catalog).contains("\nevaluate  Measures a model.\n"))
  }

  @Test func `a value is shown as one writes it in a pipeline`() {
    let value = ParameterValue.map([
      "b": .list([.int(1), .double(0.5), .null, .bool(true)]), "a": .string("query: {text}"), "c": .string("no\n\"x\""),
    ])
    #expect(value.yaml == #"{a: "query: {text}", b: [1, 0.5, null, true], c: "no\n\"x\""}"#)
    #expect(
      [ParameterValue.string("true"), .string(""), .string("-a"), .string("한글-1")].map(\.yaml) == [
        "\"true\"", "\"\"", "\"-a\"", "한글-1",
      ])
  }

  @Test func `any acyclic graph gets an order in which a stage follows what it needs, and no cycle is missed`() {
    var random = SplitMix(state: 3)
    for _ in 0..<200 {
      let count = Int.random(in: 1...30, using: &random)
      let names = Array(0..<count).shuffled(using: &random)
      var dependencies = Array(repeating: [Int](), count: count)
      for place in 1..<max(count, 2) where place < count {
        dependencies[names[place]] = names[..<place].filter { _ in Int.random(in: 0..<4, using: &random) == 0 }.sorted()
      }
      let (order, cycles) = orderStages(dependencies)
      #expect(cycles.isEmpty && order.sorted() == Array(0..<count))
      var seen: Set<Int> = []
      for stage in order {
        #expect(seen.isSuperset(of: dependencies[stage]))
        seen.insert(stage)
      }
      dependencies[names[0]].append(names[count - 1])
      dependencies[names[count - 1]].append(names[0])
      let broken = orderStages(dependencies)
      #expect(!broken.cycles.isEmpty)
      for cycle in broken.cycles {
        for (stage, next) in zip(cycle, cycle.dropFirst() + [cycle[0]]) { #expect(dependencies[stage].contains(next)) }
      }
    }
    #expect(orderStages([[], [], []]).order == [0, 1, 2])
  }
}
