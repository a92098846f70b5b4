#!/bin/sh
# Compares the environments with Python Gymnasium's, step by step, and prints the largest differences.
# Called by `make oracle`, which installs Gymnasium.
set -eu
compare() { # id, kwargs, action scale, seeds
    for seed in $4; do
        "$PYTHON" oracle/rollout.py "$1" --steps 2500 --seed "$seed" --action-scale "$3" --kwargs "$2" |
            target/release/aaren envs check --json - |
            "$PYTHON" -c '
import json, sys
check = json.load(sys.stdin)
kwargs, scale, seed = sys.argv[1:]
print("| {env} | `{kwargs}` | {scale} | {seed} | {steps} | {max_observation_difference:.1e} | {max_reward_difference:.1e} | {flags_equal} |".format(kwargs=kwargs, scale=scale, seed=seed, **check))
tolerance = 1e-9 if check["env"].startswith("Hopper") else 1e-6
sys.exit(not (check["flags_equal"] and max(check["max_observation_difference"], check["max_reward_difference"]) <= tolerance))
' "$2" "$3" "$seed"
    done
}
echo "| environment | kwargs | action scale | seed | steps | observation | reward | flags equal |"
echo "|---|---|---|---|---|---|---|---|"
for id in Hopper-v4 Hopper-v5; do
    compare $id '{}' 1.0 "1 2 3"
    compare $id '{}' 0.1 "4 5"
    compare $id '{}' 1.8 "6 7"
    compare $id '{"terminate_when_unhealthy": false, "exclude_current_positions_from_observation": false, "healthy_reward": 0.3, "ctrl_cost_weight": 0.1, "forward_reward_weight": 2.5}' 1.0 "8"
    compare $id '{"healthy_z_range": [0.9, 2.0], "healthy_angle_range": [-0.1, 0.1], "reset_noise_scale": 0.05}' 1.0 "9"
done
compare Pendulum-v1 '{}' 1.0 "1 2 3"
compare Pendulum-v1 '{}' 1.7 "4"
compare Pendulum-v1 '{"g": 9.81}' 1.0 "5"
