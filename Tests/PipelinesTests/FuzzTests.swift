/// Any bytes at all end in a plan or in problems with a place, soon and without a crash.
import Foundation
import TestSupport
import Testing

@testable import Pipelines

struct FuzzTests {
  /// `RETORT_FUZZ` asks for more files, `RETORT_SEED` for others.
  @Test func `mutated files are planned or refused`() async throws {
    let environment = ProcessInfo.processInfo.environment
    let count = environment["RETORT_FUZZ"].flatMap(Int.init) ?? 1000
    let seed = environment["RETORT_SEED"].flatMap(UInt64.init) ?? 7
    let project = try Project()
    try project.folder.write(examplePipeline, to: "pipelines/base.yaml")
    let root = project.folder.url
    let workers = ProcessInfo.processInfo.activeProcessorCount
    let plans = await withTaskGroup(of: Int.self) { group in
      for worker in 0..<workers {
        group.addTask {
          stride(from: worker, to: count, by: workers).count { isPlan($0, seed: seed, in: root) }
        }
      }
      return await group.reduce(0, +)
    }
    #expect(plans > 0 && count - plans > plans)
    var usage = rusage()
    getrusage(0, &usage)  // of this process
    #expect(usage.ru_maxrss < 2_000_000, "kilobytes")
  }

  /// Whether the file of that number is a plan; every problem of the others has a place.
  private func isPlan(_ number: Int, seed: UInt64, in root: URL) -> Bool {
    var fuzzer = Fuzzer(seed: seed &* 1_000_003 &+ UInt64(number))
    do {
      _ = try Plan(bytes: fuzzer.next(), of: root.appending(path: "pipelines/p.yaml"), root: root, catalog: catalog)
      return true
    } catch {
      let hasPlaces = error.all.allSatisfy {
        $0.location.line > 0 && $0.location.column > 0 && !$0.description.isEmpty
      }
      #expect(!error.all.isEmpty && hasPlaces, "RETORT_SEED=\(seed), file \(number)")
      return false
    }
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

/// Mutates a few pipelines and experiments: bytes flipped, pieces cut, doubled, exchanged, and tokens that YAML cares for put in.
struct Fuzzer {
  private var random: SplitMix
  private let seeds: [[UInt8]] = [
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
  private let tokens = [
    "&a ", "*a", "<<: *a", "${params.x}", "${", "$${", "!!str ", "!!int ", "[", "]", "{", "}", ": ", "- ", "\n", "\t",
    "\"", "'", "|\n", ">-\n", "? ", "---\n", "...\n", "%YAML 1.1\n", "#", "\u{feff}", "\u{2028}", "한", "\u{0}", "0x7f",
    ".inf", "split", "train", "a.b.c", "hf://a/b", "null", "-9223372036854775808", "99999999999999999999", "matrix: ",
    "${matrix.x}",
    ".*.", "include: ", "exclude: ", "stages.", "set: ",
  ].map { Array($0.utf8) }

  init(seed: UInt64) { random = SplitMix(state: seed) }

  mutating func next() -> [UInt8] {
    var bytes = seeds.randomElement(using: &random) ?? []
    for _ in 0..<Int.random(in: 1...6, using: &random) {
      let place = Int.random(in: 0...bytes.count, using: &random)
      let end = min(bytes.count, place + Int.random(in: 0...40, using: &random))
      switch Int.random(in: 0..<5, using: &random) {
      case 0: if place < bytes.count { bytes[place] = UInt8.random(in: 0...255, using: &random) }
      case 1: bytes.removeSubrange(place..<end)
      case 2: bytes.insert(contentsOf: bytes[place..<end], at: place)
      case 3: bytes.insert(contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &random))
      default: bytes.insert(contentsOf: tokens.randomElement(using: &random) ?? [], at: place)
      }
    }
    return bytes
  }
}
