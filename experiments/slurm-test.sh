#!/bin/bash
# `aaren submit` against a real Slurm: one node, its daemons started here and ended here, nothing of it left behind.
#
#     bash experiments/slurm-test.sh target/release/aaren
#
# Tested: an array and the report after it; a task that fails, said by the report; more tasks than an array takes; an array
# in which every task reaches its time limit, saves, queues again, where squeue fails now and then too, and ends with the
# bytes of a run that was never stopped; one in which a task has ended before another one queues again; a cancelled task
# stays cancelled. All of that in folders whose names hold what Slurm replaces in the names of logs.
set -euo pipefail

aaren=$(realpath "$1")
[ "$(id -u)" -eq 0 ] || { echo "slurm-test: needs root, as slurmd and munged do"; exit 1; }
missing=
for program in munged slurmctld slurmd sbatch; do
  command -v "$program" >/dev/null || missing="$missing $program"
done
if [ -n "$missing" ]; then
  command -v apt-get >/dev/null || { echo "slurm-test: missing$missing; install Slurm and munge"; exit 1; }
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends slurm-wlm munge ||
    { echo "slurm-test: missing$missing, and apt-get cannot install slurm-wlm and munge"; exit 1; }
fi

here=$(mktemp -d)
daemons=()
finish() {
  status=$?
  [ "$status" -eq 0 ] || tail -n 20 "$here"/*.log "$here"/*/results/*/slurm/*.log 2>/dev/null || true
  scancel --user root 2>/dev/null || true
  for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do
    kill "${daemons[$i]}" 2>/dev/null || true
    wait "${daemons[$i]}" 2>/dev/null || true
  done
  rm -rf "$here"
  exit "$status"
}
trap finish EXIT
fail() { echo "slurm-test: $*"; exit 1; }

# --- A Slurm of our own: other ports and sockets than one that may be there.
mkdir "$here/munge" "$here/state" "$here/spool"
chmod 755 "$here"
chmod 700 "$here/munge"
head -c 1024 /dev/urandom >"$here/munge/key"
chmod 400 "$here/munge/key"
socket=$here/munge.socket
munged --foreground --force --key-file "$here/munge/key" --socket "$socket" --pid-file "$here/munge/pid" \
  --seed-file "$here/munge/seed" >"$here/munged.log" 2>&1 &
daemons+=($!)
host=$(hostname -s)
export SLURM_CONF=$here/slurm.conf
cat >"$SLURM_CONF" <<CONF
ClusterName=aaren
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$socket
CredType=cred/munge
StateSaveLocation=$here/state
SlurmdSpoolDir=$here/spool
SlurmctldPidFile=$here/slurmctld.pid
SlurmdPidFile=$here/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=5
KillWait=5
MinJobAge=86400
MaxArraySize=5
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
CONF
until [ -S "$socket" ]; do sleep 0.1; done
slurmctld -D -L "$here/slurmctld.log" >"$here/slurmctld.out" 2>&1 &
daemons+=($!)
slurmd -D -N "$host" -L "$here/slurmd.log" >"$here/slurmd.out" 2>&1 &
daemons+=($!)
for ((tries = 0; tries < 60; tries++)); do
  [ "$(sinfo --noheader --format %T 2>/dev/null)" = idle ] && break
  sleep 1
done
[ "$(sinfo --noheader --format %T)" = idle ] || fail "the node did not come up: $(sinfo)"
echo "slurm-test: $(sinfo --version), one node of 2 CPUs"

# --- What is asked of Slurm.
field() { scontrol --oneliner show job "$1" | grep -o " $2=[^ ]*" | sort | uniq -c | tr -s ' ' | sed 's/^ //' | paste -sd, -; }
wait_for_end() { # job, seconds
  local ended=0 waited task reason restarts
  declare -A moved=()
  for ((waited = 0; waited < $2; waited++)); do
    case "$(scontrol --oneliner show job "$1" | grep -oE 'JobState=[A-Z_]+' | sort -u | paste -sd' ' -)" in
    *PENDING* | *RUNNING* | *COMPLETING* | *REQUEUE* | *CONFIGURING*)
      # What queues again is held back for two minutes, of which a few seconds are enough here.
      while read -r task reason; do
        restarts=$(scontrol --oneliner show job "$task" | grep -oE 'Restarts=[0-9]+' | head -n 1)
        if [ "$reason" = BeginTime ] && [ "$restarts" != "${moved[$task]:-}" ]; then
          scontrol update JobId="$task" StartTime=now+10seconds
          moved[$task]=$restarts
        fi
      done < <(squeue --noheader --array --jobs "$1" --format '%i %r')
      ended=0
      ;;
    # What queues again may have ended for a moment; and an answer may fail to come.
    ?*) [ "$((ended += 1))" -lt 5 ] || return 0 ;;
    esac
    sleep 1
  done
  squeue
  fail "job $1 did not end within $2 s"
}
submit() { # arguments of `aaren submit`; sets $array and $report
  said=$("$aaren" submit "$@")
  echo "$said"
  array=$(sed -n 's/^submitted: job \([0-9 ]*\),.*/\1/p' <<<"$said")
  report=$(sed -n 's/.*; job \([0-9]*\), their report.*/\1/p' <<<"$said")
  [ -n "$array" ] && [ -n "$report" ] || fail "no jobs in: $said"
}
yaml() { # name, updates, width, more
  cat >"$1.yaml" <<YAML
name: $1
env: {id: TMaze-v0, kwargs: {corridor: 3}}
dataset: t-maze-3
policies: [aaren, transformer]
seeds: [0, 1]
model: {width: $3, layers: 2}
context: {train: 5}
train: {updates: $2, batch: 16, threads: 1}
evaluate: {every: $2, episodes: 5, target_returns: [1], return_scale: 1}
${4:-}
YAML
}
mkdir "$here/work %j"
cd "$here/work %j"

# --- An array of four, of which one fails: a file stands where its folder should be.
yaml short 40 16
mkdir -p results/short
touch results/short/transformer-seed1
submit short.yaml --time 10 --parallel 2
wait_for_end "$array" 120
wait_for_end "$report" 60
[ "$(field "$array" JobState)" = "3 JobState=COMPLETED,1 JobState=FAILED" ] || fail "array: $(field "$array" JobState)"
[ "$(field "$report" JobState)" = "1 JobState=FAILED" ] || fail "a report that misses a run: $(field "$report" JobState)"
log=results/short/slurm/$report-report.log
! grep -q "aaren seed" "$log" || fail "more than failed: $(cat "$log")"
grep -q "did not finish:" "$log" && grep -q "results/short: transformer seed 1: " "$log" || fail "$(cat "$log")"
[ -f results/short/summary.json ] || fail "no summary of the three that finished"
echo "slurm-test: one task of four failed, and the report of the others says which"
rm results/short/transformer-seed1
submit short.yaml --time 10
wait_for_end "$array" 60
wait_for_end "$report" 60
[ "$(field "$array" JobState)" = "1 JobState=COMPLETED" ] || fail "again: $(field "$array" JobState)"
[ "$(field "$report" JobState)" = "1 JobState=COMPLETED" ] || fail "again: $(field "$report" JobState)"
echo "slurm-test: submitted again, only that one ran, and the report is whole"

# --- Six tasks where an array takes five.
sed -i 's/seeds: .*/seeds: [0, 1, 2]/' short.yaml
submit short.yaml --time 10 --results split
[ "$(wc -w <<<"$array")" -eq 2 ] || fail "one array: $array"
for job in $array "$report"; do wait_for_end "$job" 120; done
[ "$(ls split/short/*/policy.safetensors | wc -l)" -eq 6 ] && [ -f split/short/summary.json ] || fail "$(ls split/short/*)"
echo "slurm-test: six tasks in arrays of at most five, and one report"

# --- A limit of one minute that every training of an array reaches: they take about 130 seconds, by what a dry run measures.
yaml long 100 64
rate=$("$aaren" run long.yaml --only aaren:0 --dry-run --json | grep -o '"updates_per_second":[0-9.]*' | cut -d: -f2)
updates() { awk -v rate="$rate" -v seconds="$1" 'BEGIN { print int(seconds * rate) }'; }
yaml long "$(updates 130)" 64
# A squeue that answers every other time only.
mkdir flaky
cat >flaky/squeue <<SQUEUE
#!/bin/sh
if mkdir "$PWD/flaky/asked" 2>/dev/null; then exit 1; fi
rmdir "$PWD/flaky/asked"
exec $(command -v squeue) "\$@"
SQUEUE
chmod 755 flaky/squeue
PATH="$PWD/flaky:$PATH" submit long.yaml --only aaren --results 'results/100%j' --time 1 -- --signal=B:TERM@10
wait_for_end "$array" 900
wait_for_end "$report" 60
[ "$(field "$array" JobState)" = "2 JobState=COMPLETED" ] || fail "requeued: $(field "$array" JobState)"
scontrol --oneliner show job "$array" | grep -q ' JobId='"$array"' \|^JobId='"$array"' ' || fail "no task has the array's id"
! scontrol --oneliner show job "$array" | grep -q 'Restarts=0' || fail "a task never queued again: $(field "$array" Restarts)"
for task in 0 1; do
  grep -q "stopped by SIGTERM after update" "results/100%j/long/slurm/${array}_$task.log" || fail "task $task saved nothing"
  "$aaren" run long.yaml --only "aaren:$task" --results straight >straight.log 2>&1 || fail "$(tail straight.log)"
  cmp "results/100%j/long/aaren-seed$task/policy.safetensors" "straight/long/aaren-seed$task/policy.safetensors" ||
    fail "another policy than that of a run that was never stopped"
done
echo "slurm-test: every task queued again at its time limit ($(field "$array" Restarts)), and ended with the same bytes"

# --- One that ends before its limit, while the other one of its array reaches it: only that queues again.
yaml early 100 64 "grid: {train.updates: [20, $(updates 80)]}"
submit early.yaml --only aaren:0 --time 1 -- --signal=B:TERM@10
wait_for_end "$array" 600
wait_for_end "$report" 60
[ "$(field "$array" JobState)" = "2 JobState=COMPLETED" ] || fail "early: $(field "$array" JobState)"
restarts() { scontrol --oneliner show job "${array}_$1" | grep -oE 'Restarts=[0-9]+' | cut -d= -f2; }
[ "$(restarts 0)" -eq 0 ] && [ "$(restarts 1)" -ge 1 ] || fail "restarts: $(restarts 0) of the early one, $(restarts 1)"
echo "slurm-test: what had ended did not queue again with the other one"

# --- What is cancelled stays cancelled.
yaml cancelled 100000000 64
submit cancelled.yaml --only aaren:0 --time 10
until [ -s results/cancelled/aaren-seed0/metrics.jsonl ]; do sleep 0.5; done
scancel "$array"
wait_for_end "$array" 60
wait_for_end "$report" 60
[ "$(field "$array" JobState)" = "1 JobState=CANCELLED" ] || fail "cancelled: $(field "$array" JobState)"
[ -f results/cancelled/aaren-seed0/checkpoint.safetensors ] || fail "what was cancelled was not saved"
echo "slurm-test: a cancelled task saved, and stayed cancelled"
echo "slurm-test: passed"
