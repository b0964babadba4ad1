#!/usr/bin/env bash
# Measures every figure of this folder's README with one build on one machine, one benchmark after the other.
#
#   experiments/benchmarks/all.sh RESULTS MODEL        MODEL: a folder of all-MiniLM-L6-v2; $PYTHON: with the peers
#
# Each benchmark's output becomes a file in RESULTS; what is there already is not measured again, so a broken off run
# goes on where it was. Another build or another processor needs another folder.
set -euo pipefail
[ $# = 2 ] || { sed -n '4,7s/^# \{0,3\}//p' "$0" >&2; exit 2; }
results=$1 model=$2 here=$(cd "$(dirname "$0")" && pwd) python=${PYTHON:-python3}
mkdir -p "$results"
results=$(cd "$results" && pwd) model=$(cd "$model" && pwd)
cd "$here/../.."

machine() {
  retort --version; sha256sum "$(command -v retort)" | cut -c1-16
  retort doctor | grep -E '^(processor|engine|fp32|bf16|int8|threads|memory) '
}
if [ -e "$results/machine.txt" ] && ! diff <(grep -v '^memory' "$results/machine.txt") <(machine | grep -v '^memory'); then
  echo "$results was begun with another build or on another processor; name another folder" >&2
  exit 1
fi
machine > "$results/machine.txt"

measure() {  # NAME COMMAND…
  local name=$1
  shift
  [ -e "$results/$name.txt" ] && return
  echo "$name: $*"
  { echo "\$ ${*/#$here/experiments/benchmarks}"; "$@" 2>&1; } > "$results/$name.part" || {
    mv "$results/$name.part" "$results/$name.failed"
    echo "  failed: $results/$name.failed"
    return
  }
  mv "$results/$name.part" "$results/$name.txt"
}

bench() {  # NAME SCRIPT ARGUMENTS…
  measure "$1" "$python" "$here/$2.py" "${@:3}"
}

best=(--torch-settings autocast-eager-bucketed)  # of all settings, where the processor has bf16
fp32=(--torch-settings fp32-eager-bucketed)
bench products       gemm --threads 2 --kernels --shapes 2048x384x1536 2048x1536x384 4096x1024x4096
bench lora           lora_training "$model" --steps 8 --warm-up 3 "${best[@]}"
bench full           lora_training "$model" --method full --steps 8 --warm-up 3 "${best[@]}"
bench lora-e5-small  lora_training "$model" --shape e5-small --steps 5 --warm-up 2 --programs retort-bf16 "${best[@]}"
bench lora-e5-large  lora_training "$model" --shape e5-large --steps 4 --warm-up 2 --rounds 2 --programs retort-bf16 "${best[@]}"
bench teacher        cross_encoder "$model" --steps 6 --warm-up 3 --queries 8 --rounds 3 "${fp32[@]}"
bench scoring        cross_encoder "$model" --work scoring --steps 3 --warm-up 2 --queries 60 --rounds 3 "${fp32[@]}"
bench scoring-int8   cross_encoder "$model" --work scoring --precision int8 --steps 3 --warm-up 2 --queries 60 --rounds 3 "${fp32[@]}"
bench encoding-int8  encoding "$model" --texts 1000 --programs retort-bf16 retort-int8 openvino-bf16-throughput openvino-int8-throughput
bench encoding       encoding "$model" --texts 1000 --rounds 3 --programs retort retort-int8 torch-fp32 openvino-fp32-latency
bench latency        encoding "$model" --one-by-one --texts 100 --rounds 3 --programs retort retort-int8 torch-fp32 openvino-fp32-latency
bench tokenizing     tokenizing "$model" --texts 5000 --rounds 3
bench step-cost      step_cost
bench exactness      exactness "$model"
bench parity         parity "$model"
bench reuse          record_reuse --records 500
bench leaderboard    leaderboard
bench runner         runner
bench concurrent     concurrent_runs
bench crashes        crashes
bench extension      extension
measure quickstart   retort run "$here/../../pipelines/quickstart.yaml" --store "$results/quickstart"
measure wordnet      retort run "$here/../../pipelines/wordnet.yaml" --store "$results/wordnet"
ls "$results"/*.failed 2>/dev/null && exit 1
echo "all measured: $results"
