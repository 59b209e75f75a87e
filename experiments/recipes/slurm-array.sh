#!/usr/bin/env bash
#SBATCH --job-name=workbench
#SBATCH --cpus-per-task=8
#SBATCH --time=02:00:00
#SBATCH --requeue
#SBATCH --output=%x-%A-%a.log
# Runs an experiment's cells as a Slurm array, each task one cell, or several if there are more cells than tasks.
# The folder, the data and the executable must lie at the same paths on every machine:
#
#   workbench plan rmsnorm-compare --export /shared/sweep
#   job=$(sbatch --parsable --array=0-9 slurm-array.sh /shared/sweep)          # ten tasks; 0-99%10 would run ten at a time
#   sbatch --dependency=afterany:$job --wrap "workbench collect /shared/sweep"
#
# Add --exclusive where times must not be disturbed. Finished cells are left alone, so the same array can be sent again
# for what is missing. The variable WORKBENCH names the executable [default: workbench].
#
# Exit code: 0 if every cell of this task ended ok, 4 if one failed, 1 if one could not be run.
set -euo pipefail
export LC_ALL=C

fail() { printf 'slurm-array: %s\n' "$*" >&2; exit 1; }

[ $# -eq 1 ] || fail "use: sbatch --array=0-N slurm-array.sh FOLDER, with a folder of \`workbench plan NAME --export FOLDER\`"
folder=$1
workbench=${WORKBENCH:-workbench}
[ -n "${SLURM_ARRAY_TASK_ID:-}" ] || fail "SLURM_ARRAY_TASK_ID is not set: send this with sbatch --array=0-N"
command -v "$workbench" >/dev/null || fail "$workbench: no such executable; name one with the variable WORKBENCH"

cells=()
for job in "$folder"/cells/*/cell.json; do
    [ -e "$job" ] && cells+=("${job%/cell.json}")
done
[ ${#cells[@]} -gt 0 ] || fail "$folder holds no cells: \`workbench plan NAME --export $folder\` makes them"

# The cells in the order of their names are dealt out to the array's tasks: number k goes to task k modulo their count.
first=$((SLURM_ARRAY_TASK_ID - ${SLURM_ARRAY_TASK_MIN:-0}))
step=${SLURM_ARRAY_TASK_COUNT:-${#cells[@]}}
[ "$first" -lt ${#cells[@]} ] || { echo "task $SLURM_ARRAY_TASK_ID: no cell is left for it"; exit 0; }

export RAYON_NUM_THREADS="${RAYON_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-$(nproc)}}"
worst=0
for ((number = first; number < ${#cells[@]}; number += step)); do
    while :; do
        code=0
        "$workbench" run-cell "${cells[number]}" || code=$?
        # 5: another process has this cell, e.g. that of a task which is just being requeued.
        [ "$code" -eq 5 ] || break
        sleep "${POLL_SECONDS:-10}"
    done
    case $code in
        0 | 3) ;;                                          # ok; ok, but a limit under `checks` was missed
        4) [ "$worst" -eq 1 ] || worst=4 ;;                # it failed, and its record says why
        *) echo "${cells[number]}: exit code $code" >&2; worst=1 ;;
    esac
done
exit "$worst"
