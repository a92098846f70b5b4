#!/bin/sh
# Compares the environments with Python Gymnasium's and POPGym's, step by step, and prints the largest differences: a
# line for each trajectory, then one for each environment. A trajectory starts in Python's state, or from its seed.
# Called by `make oracle`, which installs Gymnasium and POPGym.
set -eu
rows=$(mktemp)
trap 'rm -f "$rows" "$rows.line"' EXIT
compare() { # id, kwargs, action scale, seeds, --seeded or nothing
    case "$1${5:-}" in popgym-* | RateTMaze-* | *--seeded) start=seed ;; *) start=state ;; esac
    for seed in $4; do
        "$PYTHON" oracle/rollout.py "$1" --steps 2500 --seed "$seed" --action-scale "$3" --kwargs "$2" ${5:-} |
            target/release/aaren envs check --json - |
            "$PYTHON" -c '
import json, sys
check = json.load(sys.stdin)
kwargs, scale, seed, start = sys.argv[1:]
print("| {env} | `{kwargs}` | {scale} | {seed} | {start} | {steps} | {max_observation_difference:.1e} | {max_reward_difference:.1e} | {flags_equal} |".format(kwargs=kwargs, scale=scale, seed=seed, start=start, **check))
# As in envs/tests/environments.rs.
allowed = {"Acrobot-v1": (4e-9, 0), "Pendulum-v1": (0, 2e-10)}
if check["env"].startswith("popgym-PositionOnlyPendulum"): allowed[check["env"]] = (0, 4e-14)
observations, rewards = allowed.get(check["env"], (0, 0))
same = check["max_observation_difference"] <= observations and check["max_reward_difference"] <= rewards
sys.exit(not (check["flags_equal"] and same))
' "$2" "$3" "$seed" "$start" > "$rows.line" || { cat "$rows.line"; exit 1; }
        tee -a "$rows" < "$rows.line"
    done
}
echo "| environment | kwargs | action scale | seed | start | steps | observation | reward | flags equal |"
echo "|---|---|---|---|---|---|---|---|---|"
for id in Hopper-v4 Hopper-v5 HalfCheetah-v4 HalfCheetah-v5 Walker2d-v4 Walker2d-v5 Ant-v4 Ant-v5; do
    compare $id '{}' 1.0 "1 2"
    compare $id '{}' 0.1 "3"
    compare $id '{}' 1.8 "4"
    compare $id '{}' 1.0 "8 9" --seeded
    compare $id '{"exclude_current_positions_from_observation": false, "ctrl_cost_weight": 0.2, "reset_noise_scale": 0.05}' 1.0 "5"
done
for id in Hopper-v4 Hopper-v5; do
    compare $id '{"terminate_when_unhealthy": false, "healthy_reward": 0.3, "forward_reward_weight": 2.5}' 1.0 "6"
    compare $id '{"healthy_z_range": [0.9, 2.0], "healthy_angle_range": [-0.1, 0.1]}' 1.0 "7"
done
for id in Walker2d-v4 Walker2d-v5; do
    compare $id '{"terminate_when_unhealthy": false, "healthy_z_range": [0.9, 1.5]}' 1.0 "6"
done
compare Ant-v4 '{"use_contact_forces": true}' 1.0 "6"
for id in Humanoid-v4 Humanoid-v5 HumanoidStandup-v4 HumanoidStandup-v5 InvertedDoublePendulum-v4 \
    InvertedDoublePendulum-v5 InvertedPendulum-v4 InvertedPendulum-v5 Pusher-v5 Reacher-v4 Reacher-v5 Swimmer-v4 Swimmer-v5
do
    compare $id '{}' 1.0 "1 2"
    compare $id '{}' 0.1 "3"
    compare $id '{}' 1.8 "4"
    compare $id '{}' 1.0 "8 9" --seeded
done
for id in Humanoid-v4 Humanoid-v5; do
    compare $id '{"terminate_when_unhealthy": false, "healthy_reward": 0.3, "forward_reward_weight": 2.5}' 1.0 "5"
    compare $id '{"healthy_z_range": [1.2, 1.5], "ctrl_cost_weight": 0.2, "reset_noise_scale": 0.05, "exclude_current_positions_from_observation": false}' 1.0 "6"
done
compare Humanoid-v5 '{"contact_cost_weight": 1e-4, "contact_cost_range": [0.5, 3], "frame_skip": 3}' 1.0 "7"
compare Humanoid-v5 '{"include_cinert_in_observation": false, "include_cvel_in_observation": false}' 1.0 "7"
compare Humanoid-v5 '{"include_qfrc_actuator_in_observation": false, "include_cfrc_ext_in_observation": false}' 1.0 "7"
compare HumanoidStandup-v5 '{"impact_cost_weight": 1e-4, "impact_cost_range": [0.5, 3], "ctrl_cost_weight": 0.3, "uph_cost_weight": 2}' 1.0 "5"
compare HumanoidStandup-v5 '{"include_cinert_in_observation": false, "include_cfrc_ext_in_observation": false, "frame_skip": 3}' 1.0 "6"
compare InvertedDoublePendulum-v5 '{"healthy_reward": 3, "reset_noise_scale": 0.2, "frame_skip": 3}' 1.0 "5"
compare InvertedPendulum-v5 '{"reset_noise_scale": 0.1, "frame_skip": 3}' 0.1 "5"
compare Pusher-v5 '{"reward_near_weight": 0.7, "reward_dist_weight": 2, "reward_control_weight": 0.3, "frame_skip": 3}' 1.0 "5"
compare Reacher-v5 '{"reward_dist_weight": 0.7, "reward_control_weight": 0.3, "frame_skip": 3}' 1.0 "5"
for id in Swimmer-v4 Swimmer-v5; do
    compare $id '{"exclude_current_positions_from_observation": false, "ctrl_cost_weight": 0.2, "reset_noise_scale": 0.05, "forward_reward_weight": 2.5}' 1.0 "5"
done
compare Ant-v5 '{"include_cfrc_ext_in_observation": false, "contact_cost_weight": 0.01}' 1.0 "6"
for id in CartPole-v1 Acrobot-v1 MountainCar-v0 MountainCarContinuous-v0 Pendulum-v1; do
    compare $id '{}' 1.0 "1 2"
    compare $id '{}' 1.0 "8 9" --seeded
done
for task in Autoencode CountRecall PositionOnlyCartPole PositionOnlyPendulum RepeatFirst RepeatPrevious; do
    for level in Easy Medium Hard; do
        compare popgym-$task$level-v0 '{}' 1.0 "1 2"
        compare popgym-$task$level-v0 '{}' 1.0 "3" --seeded
    done
done
compare RateTMaze-v0 '{}' 1.0 "1"
compare RateTMaze-v0 '{"corridor": [1, 4]}' 1.0 "2 3"
compare MountainCarContinuous-v0 '{}' 1.7 "3"
compare Pendulum-v1 '{}' 1.7 "3"
compare Pendulum-v1 '{"g": 9.81}' 1.0 "4"
echo
echo "| environment | trajectories | steps | largest difference of observations | of rewards | flags |"
echo "|---|---:|---:|---:|---:|---|"
awk -F'|' '
    { gsub(/ /, "", $2); sub(/(Easy|Medium|Hard)-/, "{Easy,Medium,Hard}-", $2); runs[$2]++; steps[$2] += $7 }
    $8 + 0 > observation[$2] { observation[$2] = $8 + 0 }
    $9 + 0 > reward[$2] { reward[$2] = $9 + 0 }
    END {
        for (id in runs)
            printf "| %s | %d | %d | %g | %g | equal |\n", id, runs[id], steps[id], observation[id], reward[id]
    }' "$rows" | sort
