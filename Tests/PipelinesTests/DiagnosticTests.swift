import Foundation
import Testing

@testable import Pipelines
struct DiagnosticTests {
  @Test(arguments: erroneous) func `x`(_ text: String) throws {
    let project = try Project()
    print("=====\n\(text)\n-----\n\(try project.problems(text))\n")
  }
}
let erroneous = [
 "",
 "version: 1\nstages: {a: [}",
 "version: 1\nstages:\n\ta: b\n",
 "- a\n- b",
 "version: 2\nnmae: x\nstages:\n",
 "version: 1\nstages:\n  split: {uses: splt, in: {data: data/qa.json}}\n  g: {uses: groups, in: {data: split.train}}\n",
 "version: 1\nstages:\n  split: {uses: split, in: {data: data/qaa.json}}\n  g: {uses: groups, in: {data: splt.train, passage: split}}\n  h: {uses: groups, in: {data: split.trian}}\n",
 "version: 1\nstages:\n  학습: {uses: split, in: {data: data/qa.json}}\n  split: {uses: split, in: {data: data/qa.json}, with: {group_by: 규칙, evl_ratio: 0.1, eval_ratio: 한글}}\n",
 "version: 1\nstages:\n  a: {uses: split, in: {data: c.train}}\n  b: {uses: split, in: {data: a.train}}\n  c: {uses: split, in: {data: b.eval}}\n  d: {uses: split, in: {data: d.eval}}\n  e: {uses: groups, in: {data: d.eval}}\n",
 "version: 1\nstages:\n  g: {uses: groups, in: {data: data/qa.json}}\n  t: {uses: teacher, in: {base: g.groups, train: g.groups}, with: {epochs: 0, batch_size: \"16\", lr: 2, max_len: 1_0, lora: {rr: 3, r: x, target_modules: {a: b}}}}\n  u: {uses: evaluate, in: {data: g.groups}}\n",
 "version: 1\nparams: {n: 3, l: [1]}\nstages:\n  m: {uses: mine, in: {groups: data/qa.json}, with: {strategy: randm, num_negatives: \"${params.m}\"}}\n  s: {uses: split, in: {data: data/qa.json}, with: {group_by: \"x${params.l}\", eval_ratio: \"${n}\"}}\n  r: {uses: split, in: {data: data/qa.json}, with: {group_by: \"${params.n\"}, retry: -1, timeout: 4, memory: lots}\n",
 "version: 1\nstages:\n  m: {uses: mine, in: {groups: data/qa.json}, matrix: {strategy: [random, nearest]}, with: {strategy: \"${matrix.strategy}\"}}\n  a: {cmd: \"cat ${in.all} > ${out.x}\", in: {all: m.*.candidates}, out: {x: y}}\n",
 "version: 1\nstages:\n  a:\n    cmd: python3 tools/summary.py ${in.al} ${HOME} > ${out.y}\n    in: {all: data/qa.json, 한: x}\n    out: {x: ../y, z: {path: q, typ: text, type: txt}, w: q}\n    env: [A-B, LANG]\n    secrets: [LANG]\n    with: {}\n    tools: [a b]\n  b: {uses: split, cmd: x}\n  c: {in: {}}\n  d: {uses: split, in: {data: data/qa.json}, out: {x: y}, env: [A]}\n",
 "version: 1\nstages:\n  a: {uses: split, in: {data: data/qa.json}, publish: out/a}\n  b: {uses: split, in: {data: data/qa.json}, publish: out/a}\n  c: {uses: split, in: {data: data/qa.json}, publish: out/a/c}\n  d: {uses: split, in: {data: data/qa.json}, publish: ../x}\n  e: {uses: split, in: {data: data/qa.json}, publish: pipelines}\n  f: {uses: split, in: {data: data/qa.json}, publish: pipelines/data/qa.json}\n  g: {uses: split, in: {data: data/qa.json}, publish: .retort/x}\n",
 "version: 1\nstages:\n  a: {uses: split, uses: split, in: {data: *x}}\n",
 "version: 1\nname: a\nname: b\nstages:\n  a: &a {uses: split, in: {data: data/qa.json}}\n  a: *a\n",
 "version: 1\n---\nx: 1\n",
 "version: 1\nstages: {t: {uses: teacher, in: {base: data, train: data/qa.json}, with: {max_len: 600, epochs: 200}}}",
 "version: 1\nstages: {t: {uses: teacher, in: {base: hf://x, train: [a]}, with: []}}",
 "version: 1\nstages: {t: {uses: split, in: {data: ${params.x}}}}",
]
