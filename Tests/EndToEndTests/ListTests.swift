/// Inputs of several files, through the program.
import Foundation
import Testing

@Suite struct ListTests {
  /// Triplets of two supervised files are divided; those of the detailed file are added to train alone.
  @Test func `rows added to train only are one line of a pipeline, and a file's name enters the key`() async throws {
    let header = "anchor,positive,negative_1\n"
    let project = try Project(
      """
      version: 1
      defaults: {seed: 42, threads: 1, memory: 500MB}
      stages:
        split:
          uses: split
          in: {data: "data/*_supervised.csv"}
          with: {eval_ratio: 0.1, test_ratio: 0.1}
        train:
          uses: groups
          in: {data: [split.train, data/detailed.csv]}
          with: {format: tuples, max_negatives: 1}
          publish: made/train
        eval:
          uses: groups
          matrix: {prefix: ["a: ", "b: "]}
          in: {data: split.eval}
          with: {format: tuples, query_template: "${matrix.prefix}{text}"}
        all:
          uses: groups
          in: {data: [train.groups, eval.*.groups]}
          with: {format: tuples, file_format: jsonl}
          publish: made/all
      """,
      data: [
        "data/one_supervised.csv": header + (0..<10).map { "x\($0),right x\($0),wrong x\($0)\n" }.joined(),
        "data/two_supervised.csv": header + (0..<10).map { "y\($0),right y\($0),wrong y\($0)\n" }.joined(),
        "data/detailed.csv": "anchor,original_positive,best_other_positive\nz,c,d\n",
      ])
    let stages = ["split", "train", "eval[prefix=\"a: \"]", "eval[prefix=\"b: \"]", "all"]
    #expect(try await Set(project.run()) == Set(stages))
    func sources(_ path: String) throws -> [String] {
      try project.read(path).split(separator: "\n").map { line in
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        return object?["source"] as? String ?? "none"
      }
    }
    let counts = { (names: [String]) in Dictionary(names.map { ($0, 1) }, uniquingKeysWith: +) }
    #expect(try counts(sources("made/train/groups.jsonl")) == ["split.train": 16, "detailed.csv": 1])
    #expect(
      try counts(sources("made/all/groups.jsonl")) == [
        "train.groups": 17, "eval[prefix=\"a: \"].groups": 2, "eval[prefix=\"b: \"].groups": 2,
      ])
    #expect(try await project.run() == [])

    let data = project.root.appending(path: "data")
    try FileManager.default.moveItem(
      at: data.appending(path: "two_supervised.csv"), to: data.appending(path: "zwei_supervised.csv"))
    #expect(try await project.run().contains("split"))
    let why = try await project.retort("why", "pipeline.yaml", "split")
    #expect(why.code == 0, "\(why)")
  }
}
