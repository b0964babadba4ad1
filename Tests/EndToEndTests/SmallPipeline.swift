/// A pipeline of cheap stages over a few questions about a small book, and its data; and a training.
import Foundation
import Testing

/// Question k is about passage k mod 6; `pair` keeps questions in twos.
let smallData: [String: String] = [
  "data/questions.json": "[\n"
    + (0..<24).map {
      #"{"question": "how is word\#($0 % 6) written, \#($0)?", "rule": "r\#($0 % 6)", "pair": "p\#($0 / 2)"}"#
    }
    .joined(separator: ",\n") + "\n]\n",
  "data/book.jsonl": (0..<6).map {
    #"{"id": "r\#($0)", "title": "word\#($0)", "text": "word\#($0) is written so"}"# + "\n"
  }
  .joined(),
]

let smallPipeline = """
  version: 1
  name: small
  params: {negatives: 3}
  defaults: {seed: 7, threads: 1, memory: 500MB}
  stages:
    split:
      uses: split
      in: {data: data/questions.json}
      with: {eval_ratio: 0.25, group_by: pair}
    train-groups:
      uses: groups
      in: {data: split.train, passages: data/book.jsonl}
    eval-groups:
      uses: groups
      in: {data: split.eval, passages: data/book.jsonl}
    candidates:
      uses: mine
      in: {groups: train-groups.groups, corpus: train-groups.corpus}
      with: {num_negatives: "${params.negatives}", strategy: bm25}
    lexical:
      uses: evaluate
      in: {data: eval-groups.groups, corpus: eval-groups.corpus}
      with: {method: bm25}
    count:
      cmd: |
        wc -l < ${in.candidates} > ${out.count}
        echo '{"lines": 18}' > m.json
      in: {candidates: candidates.candidates}
      out: {count: {path: count.txt, type: text}}
      metrics: m.json

  """

/// A student of the labels alone, with a checkpoint at every step.
func trainingPipeline(epochs: Int = 2, schedule: String = "schedule: constant, warmup_steps: 4") -> String {
  """
  version: 1
  name: small
  defaults: {seed: 7, threads: 1, memory: 500MB, checkpoint: {keep: 1000}}
  stages:
    groups:
      uses: groups
      in: {data: data/questions.json, passages: data/book.jsonl}
    base:
      uses: init
      in: {groups: groups.groups}
      with:
        {vocab_size: 120, hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64,
         max_position_embeddings: 32}
    candidates:
      uses: mine
      in: {groups: groups.groups, corpus: groups.corpus}
      with: {num_negatives: 3, strategy: bm25}
    teacher:
      uses: teacher
      in: {base: base.model, train: candidates.candidates, validation: groups.groups}
      with:
        {epochs: \(epochs), batch_size: 2, lr: 1e-3, max_len: 32, best_metric: ap, \(schedule),
         lora: {r: 4, alpha: 8, dropout: 0.2}}
      checkpoint: {every: 1}

  """
}

extension Project {
  /// Does something that starts a training and, as soon as that has left its third checkpoint, something to its processes.
  /// - Throws: `NoTraining` if no checkpoint lies there after five minutes.
  func disturbTraining<Result>(
    _ disturb: @escaping @Sendable (_ worker: Int32, _ coordinator: Int32) throws -> Void,
    startedBy start: () async throws -> Result
  ) async throws -> Result {
    let (outcome, tell) = AsyncStream<Swift.Result<Void, any Error>>.makeStream()
    // Other tests compute for seconds on the threads that tasks share; this one is there before the training.
    Thread.detachNewThread {
      tell.yield(
        Swift.Result {
          let end = ContinuousClock.now + .seconds(300)
          while ContinuousClock.now < end {
            if let (worker, coordinator) = try training() { return try disturb(worker, coordinator) }
            usleep(1000)
          }
          throw NoTraining()
        })
      tell.finish()
    }
    let result = try await start()
    for await result in outcome { try result.get() }
    return result
  }

  /// The worker that has left its third checkpoint, and its coordinator.
  private func training() throws -> (worker: Int32, coordinator: Int32)? {
    struct Holder: Decodable { var pid: Int32 }
    let found = FileManager.default.enumerator(atPath: store.appending(path: "work").path)?
      .compactMap { $0 as? String }.first { $0.hasSuffix("00003.state") }
    guard let key = found?.split(separator: "/")[0] else { return nil }
    let holder = try JSONDecoder().decode(Holder.self, from: Data(read(".retort/work/\(key)/lock").utf8))
    return (holder.pid, try parent(of: holder.pid))
  }
}

struct NoTraining: Error {}

func parent(of process: Int32) throws -> Int32 {
  let status = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
  return try #require(Int32(status.split(separator: " ")[3]))
}
