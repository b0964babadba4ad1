/// A pipeline of cheap stages over a few questions about a small book, and its data.

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
