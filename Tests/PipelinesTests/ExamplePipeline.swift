/// The example of the design.
let examplePipeline = #"""
  # yaml-language-server: $schema=../.retort/schema.json
  version: 1
  name: korean-grammar              # default: the file's name
  params:                           # plain values
    data_version: supervised_only
    epochs: 3
  defaults: {seed: 7, threads: 2, memory: 6GB, precision: auto}
  stages:
    split:
      uses: split
      in:   {data: data/qa.json}                   # a path relative to this file, or stage.port
      with: {eval_ratio: 0.2, group_by: rule}
    train-groups:
      uses: groups
      in:   {data: split.train, passages: data/GrammarBook_structured.json}
      with: {data_version: "${params.data_version}", query_template: "query: {text}", passage_template: "passage: {text}"}
    eval-groups:
      uses: groups
      in:   {data: split.eval, passages: data/GrammarBook_structured.json}
      with: {data_version: "${params.data_version}", query_template: "query: {text}", passage_template: "passage: {text}"}
    teacher:
      uses: teacher
      in:   {base: "hf://intfloat/multilingual-e5-small", train: train-groups.groups, validation: eval-groups.groups}
      with: {epochs: "${params.epochs}", batch_size: 16, lr: 2e-5, max_len: 256, max_samples: 2000,
             lora: {r: 32, alpha: 64, dropout: 0.1, target_modules: all-linear}}
      retry: 2
      timeout: 4h
    candidates:
      uses: mine
      in:   {groups: train-groups.groups}
      with: {num_negatives: 15, strategy: random}
    scored:
      uses: score
      in:   {teacher: teacher.model, candidates: candidates.candidates}
    student:
      uses: distill
      matrix: {tau: [0.1, 0.2]}                    # as GitHub Actions; include and exclude too → student[tau=0.1]
      in:   {base: "hf://intfloat/multilingual-e5-small", scores: scored.scores, validation: eval-groups.groups}
      with: {K: 8, tau: "${matrix.tau}", contrastive_weight: 0.3, negative_penalty_weight: 0.4}
      publish: models/bi_encoder_distilled/tau-${matrix.tau}
    scores:
      uses: evaluate
      in:   {model: student.student, data: eval-groups.groups}
    summary:
      cmd: python3 ${in.script} ${in.all} > ${out.table}
      in:   {script: tools/summary.py, all: scores.*.results}      # gather: every variant
      out:  {table: {path: table.md, type: text}}
      tools: [python3]                             # the resolved binary's digest enters the key
      env:  [LANG]                                 # values enter the key
      secrets: [HF_TOKEN]                          # names only; values never stored, never in the job file, masked in logs
  """#
