/// Matrices of stages: which variants there are, how others follow or gather them.
import Foundation
import Testing

@testable import Pipelines

struct MatrixTests {
  let project: Project
  init() throws { project = try Project() }

  private func names(_ stages: String) throws -> [String] {
    try project.plan("version: 1\nstages:\n" + stages).stages.map(\.name)
  }

  private func sources(_ plan: Plan, _ stage: String) throws -> [String] {
    try #require(plan.stages.first { $0.name == stage }).inputs.map { input in
      if case .stage(let id, let port) = input.source { "\(input.port) = \(plan[id].name).\(port)" } else { input.port }
    }
  }

  @Test func `dimensions multiply, the last one fastest`() throws {
    #expect(
      try names("  a: {matrix: {x: [1, 2], y: [p, q]}, cmd: \"echo ${matrix.x} ${matrix.y}\"}\n") == [
        "a[x=1,y=p]", "a[x=1,y=q]", "a[x=2,y=p]", "a[x=2,y=q]",
      ])
  }

  /// The example of GitHub's documentation of `include`.
  @Test func `include extends what it does not contradict and adds the rest`() throws {
    #expect(
      try names(
        #"""
          a:
            cmd: echo
            matrix:
              fruit: [apple, pear]
              animal: [cat, dog]
              include:
                - {color: green}
                - {color: pink, animal: cat}
                - {fruit: apple, shape: circle}
                - {fruit: banana}
                - {fruit: banana, animal: cat}

        """#) == [
          "a[fruit=apple,animal=cat,color=pink,shape=circle]", "a[fruit=apple,animal=dog,color=green,shape=circle]",
          "a[fruit=pear,animal=cat,color=pink]", "a[fruit=pear,animal=dog,color=green]", "a[fruit=banana]",
          "a[fruit=banana,animal=cat]",
        ])
  }

  @Test func `exclude takes away every combination that has all of its values`() throws {
    #expect(
      try names("  a: {cmd: echo, matrix: {x: [1, 2], y: [3, 4], exclude: [{x: 1, y: 4}, {x: 2}]}}\n") == ["a[x=1,y=3]"]
    )
  }

  @Test func `stages follow their inputs' variants, and join those that agree`() throws {
    let plan = try project.plan(
      #"""
      version: 1
      params: {source: b}
      stages:
        a: {cmd: "echo ${matrix.x} > ${out.o}", matrix: {x: [1, 2]}, out: {o: o}}
        b: {cmd: "cat ${in.i} > ${out.o}", in: {i: a.o}, matrix: {y: [3, 4]}, out: {o: o}}
        c: {cmd: "cat ${in.i} ${in.j} > ${out.o}", in: {i: a.o, j: "${params.source}.o"}, out: {o: o}}
        all: {cmd: "cat ${in.i} > ${out.o}", in: {i: c.*.o}, out: {o: o}}
        each: {cmd: "cat ${in.a} ${in.i}", in: {a: a.o, i: c.*.o}}
      """#)
    #expect(
      plan.stages.map(\.name) == [
        "a[x=1]", "a[x=2]", "b[x=1,y=3]", "b[x=1,y=4]", "b[x=2,y=3]", "b[x=2,y=4]", "c[x=1,y=3]", "c[x=1,y=4]",
        "c[x=2,y=3]", "c[x=2,y=4]", "all", "each[x=1]", "each[x=2]",
      ])
    #expect(try sources(plan, "c[x=2,y=3]") == ["i = a[x=2].o", "j = b[x=2,y=3].o"])
    #expect(
      try sources(plan, "all") == [
        "i[x=1,y=3] = c[x=1,y=3].o", "i[x=1,y=4] = c[x=1,y=4].o", "i[x=2,y=3] = c[x=2,y=3].o",
        "i[x=2,y=4] = c[x=2,y=4].o",
      ])
    #expect(try sources(plan, "each[x=2]") == ["a = a[x=2].o", "i[y=3] = c[x=2,y=3].o", "i[y=4] = c[x=2,y=4].o"])
    #expect(plan.ids(named: "c[y=3]").map { plan[$0].name } == ["c[x=1,y=3]", "c[x=2,y=3]"])
    #expect(plan.ids(named: "c").count == 4)
    #expect(plan.ids(named: "c[y=5]").isEmpty)
  }

  @Test func `a value keeps its type, and a mapping can be a value`() throws {
    let plan = try project.plan(
      #"""
      version: 1
      stages:
        t:
          uses: teacher
          in: {base: data, train: data/qa.json}
          matrix: {lora: [{r: 8}, {r: 4, alpha: 8}], include: [{lora: {r: 2}, epochs: 7}]}
          with: {lora: "${matrix.lora}"}
      """#)
    #expect(plan.stages.map(\.name) == ["t[lora={r: 8}]", "t[lora={alpha: 8, r: 4}]", "t[lora={r: 2},epochs=7]"])
    let ranks = plan.stages.map { stage -> ParameterValue? in
      if case .map(let lora)? = stage.parameters["lora"] { lora["r"] } else { nil }
    }
    #expect(ranks == [.int(8), .int(4), .int(2)])
  }

  @Test(
    arguments: [
      ("a: {cmd: echo, matrix: [1]}", "`matrix` must be a mapping"),
      ("a: {cmd: echo, matrix: {x: 1}}", "the dimension `x` must be a list of values, not `1`"),
      ("a: {cmd: echo, matrix: {x: []}}", "the dimension `x` must be a list of values"),
      ("a: {cmd: echo, matrix: {x: [1, 1]}}", "the value 1 is in `x` twice"),
      ("a: {cmd: echo, matrix: {x.y: [1]}}", "`x.y` is no name for a dimension"),
      ("a: {cmd: echo, matrix: {x: [1], exclude: [{x: 1}]}}", "the matrix has no combination left"),
      ("a: {cmd: echo, matrix: {tau: [1], exclude: [{taw: 1}]}}", "`exclude` names `taw`"),
      ("a: {cmd: echo, matrix: {x: [1, 2], exclude: [{x: 3}]}}", "this `exclude` matches no combination"),
      ("a: {cmd: echo, matrix: {x: [1, 2], exclude: [{x: \"1\"}]}}", "this `exclude` matches no combination"),
      (
        "a: {cmd: echo, matrix: {x: [\"1\", \"2\"], include: [{x: 1, y: 2}]}}",
        "this is `1`, and the matrix has the text `1`"
      ),
      ("a: {cmd: echo, matrix: {x: [3.1, 3.10]}}", "the value 3.1 is in `x` twice; in quotes it is a text"),
      ("a: {cmd: echo, matrix: {x: [1, 1.0]}}", "the value 1.0 is in `x` twice"),
      ("a: {cmd: echo, matrix: {x: [1], include: {x: 2}}}", "`include` must be a list of mappings"),
      ("a: {cmd: \"echo ${matrix.tao}\", matrix: {tau: [1]}}", "did you mean `${matrix.tau}`?"),
      ("a: {cmd: \"echo ${matrix.x}\"}", "there is no `x` in the matrices of this stage"),
      (
        "a: {cmd: \"echo > ${out.o}\", matrix: {x: [1, 2]}, out: {o: o}, publish: p}",
        "`a[x=1]` and `a[x=2]` publish to the same path; write what tells them apart into it, such as ${matrix.x}"
      ),
      (
        "a: {cmd: echo, matrix: {x: [1]}, out: {o: o}}\n  b: {cmd: echo, matrix: {x: [2]}, in: {i: a.o}}",
        "no combination is left for stage `b`"
      ),
      (
        "a: {uses: split, in: {data: data/qa.json}, matrix: {x: [1, 2]}}\n  b: {uses: groups, in: {data: a.*.train}}",
        "takes one artifact; only `cmd` stages gather several"
      ),
      ("a: {cmd: echo, in: {i: a.*.o}, out: {o: o}}", "these stages wait for each other: a ← a"),
    ])
  func `what is wrong with a matrix is told at its place`(_ stages: String, _ message: String) throws {
    let problems = try project.problems("version: 1\nstages:\n  \(stages)\n")
    #expect(problems.contains(message), "\(problems)")
    #expect(problems.hasPrefix("pipelines/p.yaml:3:") || problems.hasPrefix("pipelines/p.yaml:4:"), "\(problems)")
  }

  @Test func `numbers are one value however they are written, and a name shows what a command gets`() throws {
    let plan = try project.plan(
      #"""
      version: 1
      stages:
        a: {cmd: "echo ${matrix.x} > ${out.o}", matrix: {x: [0.5, 1.0, 3.10], k: [2, 4], exclude: [{x: 1, k: 4.0}]}, out: {o: o}}
        b: {cmd: "cat ${in.i}", in: {i: a.o}, matrix: {x: [1, 3.1], include: [{x: 1.0, note: slow}]}}
      """#)
    #expect(
      plan.stages.map(\.name) == [
        "a[x=0.5,k=2]", "a[x=0.5,k=4]", "a[x=1.0,k=2]", "a[x=3.10,k=2]", "a[x=3.10,k=4]", "b[x=1.0,k=2,note=slow]",
        "b[x=3.10,k=2]", "b[x=3.10,k=4]",
      ])
    #expect(plan.stages[3].command?.canonicalText == "echo 3.10 > ${out.o}")
    #expect(plan.ids(named: "a[x=3.10]").count == 2 && plan.ids(named: "a[x=3.10,k=2]").count == 1)
  }

  @Test func `a matrix beyond all measure is refused`() throws {
    let values = "[" + (0..<101).map(String.init).joined(separator: ", ") + "]"
    #expect(
      try project.problems("version: 1\nstages:\n  a: {cmd: echo, matrix: {x: \(values), y: \(values)}}\n")
        .contains("the matrix has more than 10000 combinations"))
  }
}
