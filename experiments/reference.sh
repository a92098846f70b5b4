#!/bin/sh
# Makes what results/reference holds, part by part, each by one command from a clean tree:
#   make reference                      the parts that need no file of others and end within the hour
#   make reference PARTS="demo bench"   some; those that train go on where they were stopped
# ablation measures for half an hour, on a machine where nothing else runs.
# forecasting needs ETTh1.csv: make reference PARTS=forecasting ETTH1=path/to/ETTh1.csv
# select, learning-rate, learning-rate-bc-10, regimes-seen and agents need a D4RL file of Hopper-v4 medium-expert data, at
# data/hopper-medium-expert.hdf5; those that begin with asked need Walker2d-v4's too, at
# data/walker2d-medium-expert.hdf5
# popgym, learning-rate, agents, asked, asked-full, asked-full-rivals, asked-total, asked-speed, positions, positions-rest,
# positions-rest-rivals, positions-t-maze and grid-gru take an hour and more, grid, hidden-endpoint and hidden-controls hours:
# where a grid is stopped, the experiments that are whole are kept, and the next time only the others are run. What is to be
# made anew is removed first.
# Runs are kept in target/reference under a name made of the sources' content: other sources, other runs. Two parts may be
# made at once. An unfinished.tar.xz beside a grid's experiments holds what another machine needs of the finished runs of one that is
# not whole: unpacked into the folder of that name, at the commit of provenance.json, they are not made again.
set -eu
cd "$(dirname "$0")/.."
parts=${*:-demo rate-t-maze precision recipes coverage oracle bench}
for part in $parts; do
    if [ -n "$(git status --porcelain -- . ':!results/reference')" ]; then
        echo "the tree has changes; commit them first" >&2
        exit 1
    fi
    case $part in
    select) yaml=experiments/select/forms.yaml ;;
    positions-costs) yaml=experiments/memory/positions.yaml ;;
    *) yaml=$(find experiments -name "$part.yaml") ;;
    esac
    sources=$(git ls-tree HEAD agents envs policies experiments/spec experiments/runs experiments/reports experiments/statistics experiments/cli Cargo.lock $yaml | git hash-object --stdin | cut -c1-12)
    work=target/reference/$sources
    to=results/reference/$part
    cargo build --quiet --release --locked --bin aaren
    mkdir -p "$work" "$to"
    # A copy: what is built meanwhile is not what runs here.
    aaren=$work/aaren
    cmp -s target/release/aaren "$aaren" || cp --remove-destination target/release/aaren "$aaren"
    export LD_LIBRARY_PATH="$PWD/.deps/site/torch/lib:$PWD/.deps/mujoco"
    export AAREN_MUJOCO_ASSETS="$PWD/.deps/site/gymnasium/envs/mujoco/assets"
    stopped=0
    commit=$(git rev-parse --short=12 HEAD)
    # What a run reports.
    keep() {
        cp "$work/$part"/summary.json "$work/$part"/summary.md "$work/$part"/*.svg "$to"
    }
    # A text without its pictures, which are not kept.
    text() {
        sed '/^!\[/d' "$1"
    }
    # What the finished experiments of a grid report.
    cells() {
        for summary in "$work/$1"/*/summary.json; do
            # One that was stopped may have finished none.
            [ -f "$summary" ] || continue
            cell=$(basename "$(dirname "$summary")")
            mkdir -p "$to/$cell"
            cp "$summary" "$to/$cell"
            text "$work/$1/$cell/summary.md" > "$to/$cell/summary.md"
            # The ladder of lengths asks when the order stays: its curves answer.
            [ "$1" != hidden-length ] || cp "$work/$1/$cell/learning_curves.svg" "$to/$cell"
        done
        cp "$work/$1/grid.json" "$to"
    }
    memories="--rollout unbounded --rollout window:20 --rollout reset:20 --rollout reset:1"
    # A sweep of one experiment of a grid, with those options.
    swept() {
        $aaren sweep "$work/$1/$2" $3
        cp "$work/$1/$2/sweep.json" "$to/$2"
        text "$work/$1/$2/sweep.md" > "$to/$2/sweep.md"
    }
    case $part in
    demo)
        # As `make demo` does; the page itself is not kept.
        command="aaren run $yaml --jobs 2 --html"
        $aaren run $yaml --jobs 2 --html --results "$work"
        cells demo
        for cell in "$work"/demo/*/summary.json; do
            cell=$(dirname "$cell")
            cp "$cell"/*.svg "$to/$(basename "$cell")"
        done
        # Those of Hopper are what the tests of the runtimes act with, and what the film shows.
        for policy in aaren transformer; do
            cp "$work/demo/hopper-medium-expert/$policy-seed0/policy.safetensors" "$to/$policy.safetensors"
        done
        $aaren render "$to"/aaren.safetensors "$to"/transformer.safetensors --out "$to"/episode.gif --size 240 --steps 400 --every 5
        ;;
    rate-t-maze)
        sweep="--episodes 20 --vary corridor=88,148,358,898,2398,9598"
        command="aaren run $yaml --jobs 2; aaren sweep results/rate-t-maze $sweep"
        $aaren run $yaml --jobs 2 --results "$work"
        $aaren sweep "$work/$part" $sweep
        keep
        cp "$work/$part"/sweep.json "$work/$part"/sweep.md "$to"
        ;;
    t-maze-long)
        all="--episodes 20 --vary corridor=998,2398"
        constant="--episodes 20 --vary corridor=9998,99998 --only aaren --only aaren-carry --only gru --only gru-carry"
        command="aaren run $yaml --jobs 2; aaren sweep results/$part $all; aaren sweep results/$part $constant"
        $aaren run $yaml --jobs 2 --results "$work"
        $aaren sweep "$work/$part" $all
        cp "$work/$part"/sweep.json "$work/$part"/sweep.md "$to"
        $aaren sweep "$work/$part" $constant --out "$work/$part/far"
        cp "$work/$part/far/sweep.json" "$to/far.json"
        text "$work/$part/far/sweep.md" > "$to/far.md"
        cp "$work/$part/summary.json" "$to"
        text "$work/$part/summary.md" > "$to/summary.md"
        ;;
    select)
        command="aaren run $yaml --jobs 2; aaren sweep results/select-forms/hopper-medium-expert $memories"
        $aaren run $yaml --jobs 2 --results "$work" || stopped=$?
        cells select-forms
        [ "$stopped" != 0 ] || swept select-forms hopper-medium-expert "$memories"
        $aaren report "$to" --out "$to"
        ;;
    grid | grid-gru | popgym | popgym-sliding | asked-settings | asked-warmup | asked-cloning | asked-forms | asked-forms-again | positions-search | positions-told-search | positions-told | positions | positions-rest | positions-rest-more | positions-rest-rivals | positions-rest-controls | positions-half | positions-half-rivals | positions-matched-search | positions-matched | positions-t-maze | t-maze-spread | hidden-forms | hidden-windows | hidden-endpoint | hidden-controls | hidden-length | hidden-rivals | hidden-iql | learning-rate | learning-rate-bc-10 | regimes-seen | asked-search)
        command="aaren run $yaml --jobs 2"
        left=$($aaren run $yaml --dry-run --json --results "$work" | python3 -c '
import json, os, sys
runs = dict.fromkeys(run["run"].split(":")[0] for run in json.load(sys.stdin)["runs"])
left = (run for run in runs if not os.path.exists(f"{sys.argv[1]}/{os.path.dirname(run)}/summary.json"))
print(*(f"--only {run}" for run in left))' "$to")
        if [ -n "$left" ]; then
            $aaren run $yaml --jobs 2 --results "$work" $left || stopped=$?
            cells $part
        fi
        if [ "$part" = learning-rate ]; then
            along=hopper-medium-expert_learning_rate-1.0e-2
            options="--kept --episodes 20 $memories"
            command="$command; aaren sweep results/learning-rate/$along $options"
            if [ -f "$work/$part/$along/summary.json" ] && [ ! -f "$to/$along/sweep.json" ]; then
                swept $part $along "$options"
            fi
        fi
        if [ "$part" = asked-warmup ]; then
            options="--episodes 20 --rollout unbounded --rollout window:20 --rollout reset:20"
            command="$command; for each experiment of 100 updates of warm-up: aaren sweep results/$part/NAME $options"
            for cell in "$work/$part"/*_warmup-100/summary.json; do
                cell=$(basename "$(dirname "$cell")")
                [ -f "$to/$cell/sweep.json" ] || swept $part "$cell" "$options"
            done
        fi
        if [ "$part" = asked-forms ]; then
            cell=hopper-medium-expert
            options="--episodes 20 --rollout unbounded --rollout window:20 --rollout reset:20 --only aaren --only aaren-rotary --only aaren-keys-rotary"
            command="$command; aaren sweep results/$part/$cell $options"
            [ -f "$to/$cell/sweep.json" ] || swept $part $cell "$options"
        fi
        if [ "$part" = t-maze-spread ]; then
            options="--episodes 20 --vary corridor=88,148,358,898,2398,9598,99998"
            command="$command; for each of its experiments: aaren sweep results/$part/NAME $options"
            for cell in "$work/$part"/*/summary.json; do
                cell=$(basename "$(dirname "$cell")")
                [ -f "$to/$cell/sweep.json" ] || swept $part "$cell" "$options"
            done
        fi
        if [ "$part" = positions-t-maze ]; then
            # Growing caches stop at 2398, and a million timesteps are walked in few episodes.
            options="--episodes 20 --vary corridor=88,148,358,898,2398"
            constant=
            for policy in aaren-timestep aaren-none aaren-rotary aaren-rotary-half aaren-spread-rotary-half aaren-gated gru-timestep gru; do
                constant="$constant --only $policy"
            done
            # Those that erred in none of five at 1.0e-2.
            unerring="--only aaren-none --only aaren-rotary-half"
            command="$command; for each of its experiments: aaren sweep results/$part/NAME with $options, and with --episodes 20 --vary corridor=9598,99998 $constant and --episodes 5 --vary corridor=999998 $constant; for learning rate 3.0e-3 these in one, with --episodes 5; for learning rate 1.0e-2 also --episodes 20 --vary corridor=999998 $unerring"
            beyond() {
                $aaren sweep "$work/$part/$1" $3 --out "$work/$part/$1/$2"
                cp "$work/$part/$1/$2/sweep.json" "$to/$1/$2.json"
                text "$work/$part/$1/$2/sweep.md" > "$to/$1/$2.md"
            }
            for cell in "$work/$part"/*/summary.json; do
                cell=$(basename "$(dirname "$cell")")
                if [ ! -f "$to/$cell/sweep.json" ]; then
                    case $cell in
                    *-3.0e-3) beyond "$cell" far "--episodes 5 --vary corridor=9598,99998,999998 $constant" ;;
                    *)
                        beyond "$cell" far "--episodes 20 --vary corridor=9598,99998 $constant"
                        beyond "$cell" million "--episodes 5 --vary corridor=999998 $constant"
                        [ "${cell%-1.0e-2}" = "$cell" ] || beyond "$cell" million-20 "--episodes 20 --vary corridor=999998 $unerring"
                        ;;
                    esac
                    swept $part "$cell" "$options"
                fi
            done
        fi
        # What hides velocities and what shows everything are two questions, and in no report together.
        case $part in
        grid | grid-gru | hidden-length)
            grid=${to%-gru}
            summaries=$(ls "$grid"/*/summary.json "$grid"-gru/*/summary.json 2> /dev/null || true)
            hides='"observe": "positions"'
            hidden=$(grep -l "$hides" $summaries || true)
            seen=$(grep -L "$hides" $summaries || true)
            # One that was stopped may have none of a kind yet.
            [ -z "$hidden" ] || $aaren report $(dirname $hidden) --out "$grid/hidden"
            [ -z "$seen" ] || $aaren report $(dirname $seen) --out "$grid/seen"
            ;;
        *) $aaren report "$to" --out "$to" ;;
        esac
        # Controls say something beside what they control only.
        [ "$part" != hidden-controls ] || $aaren report results/reference/hidden-endpoint "$to" --out "$to/beside"
        ;;
    agents | asked-total | asked | asked-ema | asked-scale | asked-guidance | asked-max | asked-rate | asked-edge | asked-full | asked-full-rivals | asked-speed | asked-speed-transformer | asked-unseen)
        command="aaren run $yaml --jobs 2"
        options=
        case $part in
        asked) options="--only aaren --only aaren-rate --only aaren-bins --only bc-10 --target-return --episodes 20" ;;
        asked-speed | asked-speed-transformer) options="--target-return --episodes 20" ;;
        asked-edge) options="--target-return 2500,3000,3300,3500,3700,3900,4100 --episodes 40" ;;
        esac
        [ -z "$options" ] || command="$command; for each of its experiments: aaren sweep results/$part/NAME $options"
        $aaren run $yaml --jobs 2 --results "$work" || stopped=$?
        cells $part
        [ "$stopped" != 0 ] || for cell in "$work/$part"/*/; do
            cell=$(basename "$cell")
            cp "$work/$part/$cell/learning_curves.svg" "$to/$cell"
            if [ -n "$options" ]; then
                swept "$part" "$cell" "$options"
                cp "$work/$part/$cell/sweep.svg" "$to/$cell"
            fi
        done
        $aaren report "$to" --out "$to"
        ;;
    precision | hidden-velocities | regimes | positions-whole | positions-autoencode)
        command="aaren run $yaml --jobs 2"
        $aaren run $yaml --jobs 2 --results "$work"
        keep
        ;;
    recipes)
        command="cargo run --release -p aaren-datasets --example difficulty"
        cargo run --quiet --release --locked -p aaren-datasets --example difficulty > "$work/table.md"
        mv "$work/table.md" "$to"
        ;;
    coverage)
        command="cargo test -p aaren-statistics --lib cover -- --nocapture"
        cargo test --quiet --locked -p aaren-statistics --lib cover -- --nocapture | sed -n 's/^[^|]*|/|/p' > "$work/table.md"
        mv "$work/table.md" "$to"
        ;;
    oracle)
        command="make oracle"
        make --quiet oracle > "$work/environments.md"
        mv "$work/environments.md" "$to"
        ;;
    bench)
        # The policy there is what `bench evaluate` acts with: an Aaren after 3000 updates, whose score is quoted nowhere.
        command="make bench"
        make --quiet bench
        cp results/bench.json results/bench.md "$to"
        ;;
    ablation)
        # With whatever instructions the processor has, and as on one without AVX-512. Nothing else may run meanwhile.
        command="cargo run --release -p aaren-encoders --features ablation --example ablation; the same with ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2"
        ablation="cargo run --quiet --release --locked -p aaren-encoders --features ablation --example ablation"
        $ablation > "$work/native.md"
        ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 $ablation > "$work/avx2.md"
        mv "$work/native.md" "$work/avx2.md" "$to"
        ;;
    devices)
        # An idle machine is not needed: what is counted here takes no time.
        command="make devices-test; aaren compare --int8 results/reference/demo"
        bash policies/streaming/devices/test.sh "$work/cortex-m4.md"
        $aaren compare --int8 results/reference/demo/*.safetensors > "$work/int8.txt"
        mv "$work/cortex-m4.md" "$work/int8.txt" "$to"
        ;;
    latency)
        # On an idle machine, half an hour.
        command="cargo run --release -p aaren-streaming --example latency"
        latency="cargo run --quiet --release --locked -p aaren-streaming --example latency -- --out $work/latency"
        $latency --width 64 --layers 2 --batches 1 --only aaren
        $latency --width 128 --layers 3
        $latency --width 256 --layers 4 --batches 1 --only aaren
        cp "$work"/latency/latency-* "$to"
        # The same weights in ONNX Runtime.
        make --quiet .deps/wheel/installed
        $latency --policies "$work/latency"
        for encoder in aaren gru; do
            $aaren export --onnx "$work/latency/$encoder.safetensors" --out "$work/latency/$encoder.onnx"
        done
        .deps/wheel/bin/python policies/streaming/devices/onnx_latency.py "$work"/latency/*.onnx > "$work/onnx-128.md"
        mv "$work/onnx-128.md" "$to"
        ;;
    positions-costs)
        # On an idle machine, minutes; untrained policies cost the same.
        task="--set dataset=popgym-repeat-previous-medium-expert --set env=popgym-RepeatPreviousMedium-v0"
        command="aaren compare $yaml $task"
        $aaren compare $yaml $task --results "$work/costs"
        cp "$work/costs/positions/compare.json" "$to"
        text "$work/costs/positions/compare.md" > "$to/compare.md"
        ;;
    forecasting)
        command="cargo run --release -p aaren-encoders --example forecasting -- ETTh1.csv"
        OMP_NUM_THREADS=1 cargo run --quiet --release --locked -p aaren-encoders --example forecasting -- "${ETTH1:?the path of ETTh1.csv}" > "$work/etth1.md"
        mv "$work/etth1.md" "$to"
        ;;
    *)
        echo "there is no part $part" >&2
        exit 2
        ;;
    esac
    dirty=false
    [ -z "$(git status --porcelain -- . ':!results/reference')" ] && [ "$(git rev-parse --short=12 HEAD)" = "$commit" ] || dirty=true
    printf '{"command": "%s", "commit": "%s", "dirty": %s}\n' "$command" "$commit" "$dirty" > "$to/provenance.json"
    [ "$stopped" = 0 ] || exit "$stopped"
done
