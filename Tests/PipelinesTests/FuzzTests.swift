/// Any bytes at all end in a plan or in problems with a place, soon and without a crash.
import Foundation
import TestSupport
import Testing

@testable import Pipelines

struct FuzzTests {
  @Test func `mutated files are planned, or refused with a place for every problem`() throws {
    let project = try Project()
    try project.folder.write(examplePipeline, to: "pipelines/base.yaml")
    let root = project.folder.url
    let outcome = try Fuzz("pipeline", pipelines, tokens: tokens, count: 1000).run { bytes in
      do throws(Problems) {
        _ = try Plan(bytes: bytes, of: root.appending(path: "pipelines/p.yaml"), root: root, catalog: catalog)
        return true
      } catch {
        let hasPlaces = error.all.allSatisfy {
          $0.location.line > 0 && $0.location.column > 0 && !$0.description.isEmpty
        }
        if error.all.isEmpty || !hasPlaces { throw error }
        return false
      }
    }
    #expect(outcome.failures == [] && outcome.accepted > 0 && outcome.refused > outcome.accepted, "\(outcome)")
  }

  @Test(arguments: HostileFile.all) func `hostile files are refused at a place`(_ file: HostileFile) throws {
    let problems = try Project().problems(file.text())
    #expect(problems.contains(file.problem), "\(problems.prefix(500))")
  }
}

/// A file that asks for much more than it is large.
struct HostileFile: CustomTestStringConvertible {
  var name: String
  var problem: String
  var text: @Sendable () -> String
  var testDescription: String { name }

  static let all = [
    HostileFile(
      name: "billion laughs",
      problem: "p.yaml:18:18: error: not valid YAML: with its aliases the file has more than 1000000 values"
    ) { "a0: &a0 [x, x]\n" + (1..<40).map { "a\($0): &a\($0) [*a\($0 - 1), *a\($0 - 1)]\n" }.joined() },
    HostileFile(name: "deep flow", problem: "p.yaml:2:72: error: not valid YAML: nested deeper than 64 levels") {
      "version: 1\nstages: " + String(repeating: "[", count: 500) + String(repeating: "]", count: 500)
    },
    HostileFile(name: "deep by aliases", problem: "error: not valid YAML: nested deeper than 64 levels") {
      "a0: &a0 [x]\n" + (1..<100).map { "a\($0): &a\($0) [*a\($0 - 1)]\n" }.joined()
    },
    HostileFile(
      name: "giant scalar",
      problem: "p.yaml:2:7: error: not valid YAML: a text of 300000 bytes; at most 262144 are allowed"
    ) { "version: 1\nname: \"" + String(repeating: "x", count: 300_000) + "\"\n" },
    HostileFile(name: "giant file", problem: "p.yaml:1:1: error: the file is larger than 16 MiB") {
      String(repeating: "#\n", count: 9_000_000)
    },
    HostileFile(name: "growing placeholders", problem: "the file's placeholders expand to more than 4 MB") {
      "version: 1\nparams: {x: \"" + String(repeating: "x", count: 200_000) + "\"}\nstages:\n  a:\n    cmd: "
        + String(repeating: "${params.x}", count: 1000)
    },
  ]
}

private let pipelines: [[UInt8]] =
  [
    Array(examplePipeline.utf8),
    Array("version: 1\nstages:\n  a: &a {uses: split, in: {data: data/qa.json}}\n  b: {<<: *a, publish: x}\n".utf8),
    Array(
      """
      version: 1
      stages:
        a: {cmd: "echo ${matrix.x} > ${out.o}", matrix: {x: [1, 2.5, p], y: [q], exclude: [{x: 1}], include: [{x: 9, z: 1}]}, out: {o: o}}
        b: {cmd: "cat ${in.i} > ${out.o}", in: {i: a.o}, out: {o: o}, publish: "p/${matrix.x}"}
        c: {cmd: "cat ${in.i}", in: {i: b.*.o}}
      """.utf8),
    Array(
      """
      pipeline: base.yaml
      set: {params.epochs: 1, stages.teacher.with.lora.r: 4, defaults.threads: 1}
      matrix: {stages.student.with.K: [4, 8], defaults.seed: [1, 2], exclude: [{defaults.seed: 1}]}
      compare: {metrics: [scores.ndcg@10], sort: -scores.ndcg@10}
      """.utf8),
    Array(
      "version: 1\nparams: {n: 0o17, x: .5}\nstages:\n  c:\n    cmd: |\n      echo ${params.n}\n    out: {x: y}\n".utf8),
  ]

/// What YAML and pipelines care for.
private let tokens = [
  "&a ", "*a", "<<: *a", "${params.x}", "${", "$${", "!!str ", "!!int ", "[", "]", "{", "}", ": ", "- ", "\n", "\t",
  "\"", "'", "|\n", ">-\n", "? ", "---\n", "...\n", "%YAML 1.1\n", "#", "\u{feff}", "\u{2028}", "한", "\u{0}", "0x7f",
  ".inf", "split", "train", "a.b.c", "hf://a/b", "null", "-9223372036854775808", "99999999999999999999", "matrix: ",
  "${matrix.x}",
  ".*.", "include: ", "exclude: ", "stages.", "set: ",
]
