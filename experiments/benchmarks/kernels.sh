#!/usr/bin/env bash
# Measures products in GFLOP/s: every class of instructions that this machine has, every precision, one thread and all.
#
#   experiments/benchmarks/kernels.sh RETORT [OLDER…]     binaries; $SECONDS_EACH: of a measurement, 0.2
#
# A shape is rows x depth x columns. Binaries take turns, a line has a column for each; `share` is the first one's part of
# what the registers do, `gradient` its rate for the gradient of a weight. Takes a minute and a half
# for each binary; needs nothing but a shell.
set -euo pipefail
[ $# -gt 0 ] || { sed -n '4s/^# \{0,3\}//p' "$0" >&2; exit 2; }

"$1" doctor | grep -E '^(retort|processor|OpenBLAS|threads|memory) '
threads=$(nproc)

# The value of a key in an object of one key a line.
value() { sed -n "s/^ *\"$1\" : \([0-9.]*\),\{0,1\}$/\1/p"; }

printf '\n%-5s %-11s %7s %-15s' '' class threads shape
for binary; do printf ' %12s' "$(basename "$binary")"; done
printf ' %6s %9s\n' share gradient
for precision in fp32 bf16 int8; do
  for class in openblas avx2 avx512 avx512bf16 amx; do
    RETORT_KERNELS=$class "$1" products 1 1 1 --precision $precision --seconds 0.01 >/dev/null 2>&1 || continue
    for count in $(printf '1\n%s\n' "$threads" | uniq); do
      for shape in 2048x384x1536 4096x1024x4096 16x384x1536 1x384x1536; do
        printf '%-5s %-11s %7s %-15s' $precision $class "$count" $shape
        first=
        for binary; do
          found=$(RETORT_KERNELS=$class "$binary" products ${shape//x/ } --precision $precision --threads "$count" \
            --seconds "${SECONDS_EACH:-0.2}")
          first=${first:-$found}
          printf ' %12.1f' "$(value forward <<<"$found")"
        done
        awk -v f="$(value forward <<<"$first")" -v r="$(value registers <<<"$first")" \
          -v g="$(value gradient <<<"$first")" 'BEGIN { printf " %5.0f%% %9.1f\n", 100 * f / r, g }'
      done
    done
  done
done
