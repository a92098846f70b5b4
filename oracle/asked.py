"""Three updates of a decision agent that hears the return in its head, in plain PyTorch: what `agents/tests/asked.rs` expects.

One token for each timestep (observation, reward and action before it), FiLM in the head, the expectile head, returns masked in a
share of the windows, noise on the history, and averaged weights; the same with bins of returns.

    python oracle/asked.py agents/tests/oracle/asked.json
"""

import json
import math
import sys

import torch
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention

STATE, ACTION, WIDTH, HEADS, LAYERS, LONGEST, CONTEXT, SCALE = 3, 2, 8, 2, 2, 5, 4, 2.0
RATE, WARMUP, DECAY, CLIP, EMA, MASKED, NOISE, EXPECTILE = 3e-4, 2, 0.01, 0.25, 0.5, 0.3, 0.05, 0.99
# Where windows start: drawn by ChaCha8 with seed 6 and the update as its stream; the test checks them.
STARTS = [[3, 5, 6, 5], [3, 8, 4, 9], [6, 3, 1, 8]]
EPISODES = [(0, 5), (5, 9), (9, 12)]


def data():
    wave = lambda count, step, f: torch.tensor([f(step * i) for i in range(count)], dtype=torch.float32)
    observations = wave(STATE * 12, 0.7, math.sin).view(12, -1)
    observations = (observations - torch.tensor([0.1, -0.2, 0.3])) / torch.tensor([0.5, 1.0, 2.0])
    actions = wave(ACTION * 12, 0.37, lambda x: 1.5 * math.cos(x)).view(12, -1) / 2  # their bounds are -2 and 2
    return observations, actions, wave(12, 0.9, math.sin)


def shares(to_go, bins):
    """Of the bins from the lowest to the highest return-to-go of the data: linear interpolation."""
    rewards = data()[2].double()
    all_to_go = [float(rewards[i:b].sum()) / SCALE for a, b in EPISODES for i in range(a, b)]
    low, high = min(all_to_go), max(all_to_go)
    points = [low + k * (high - low) / (bins - 1) for k in range(bins)]
    return [max(0.0, 1 - abs(to_go - point) / (points[1] - points[0])) for point in points]


def batch(starts, bins):
    observations, actions, rewards = data()
    rows = []
    for start in starts:
        first, end = next((a, b) for a, b in EPISODES if a <= start < b)
        row = []
        for i in range(start, min(start + CONTEXT, end)):
            to_go = float(rewards[i:end].double().sum()) / SCALE
            left = max(LONGEST - (i - first), LONGEST / 10)
            before = torch.zeros(1 + ACTION)
            if i > first:
                before = torch.cat([rewards[i - 1 : i] * LONGEST / SCALE, actions[i - 1]])
            asked = torch.tensor([to_go, to_go * LONGEST / left, 1.0] + (shares(to_go, bins) if bins else []))
            row.append((observations[i], before, asked, actions[i], i - first, torch.tensor([to_go])))
        rows.append(row)
    steps = max(map(len, rows))
    mask = torch.tensor([[float(t < len(row)) for t in range(steps)] for row in rows])
    # Padding stands at the end.
    padded = lambda part: torch.stack(
        [torch.stack([row[t][part] if t < len(row) else torch.zeros_like(row[0][part]) for t in range(steps)]) for row in rows]
    )
    times = torch.tensor([[row[t][4] if t < len(row) else 0 for t in range(steps)] for row in rows])
    return *map(padded, range(4)), times, padded(5), mask


def shapes(bins):
    sizes = {"embed.timestep.weight": (LONGEST, WIDTH)}

    def layer(name, outputs, inputs):
        sizes[name + ".weight"], sizes[name + ".bias"] = (outputs, inputs), (outputs,)

    def norm(name):
        sizes[name + ".weight"] = sizes[name + ".bias"] = (WIDTH,)

    layer("embed.token", WIDTH, STATE + 1 + ACTION)
    norm("embed.norm")
    for n in range(LAYERS):
        for part in ["query", "key", "value", "output"]:
            layer(f"blocks.{n}.attention.{part}", WIDTH, WIDTH)
        layer(f"blocks.{n}.mlp.up", 4 * WIDTH, WIDTH)
        layer(f"blocks.{n}.mlp.down", WIDTH, 4 * WIDTH)
        norm(f"blocks.{n}.norm1")
        norm(f"blocks.{n}.norm2")
    layer("head.hidden", 2 * WIDTH, WIDTH)
    layer("head.asked", WIDTH, 3 + bins)
    layer("head.film", 4 * WIDTH, WIDTH)
    layer("head", ACTION, 2 * WIDTH)
    layer("most.hidden", WIDTH, WIDTH)
    layer("most", 1, WIDTH)
    return sizes


def weights(bins):
    made = {}
    for place, (name, shape) in enumerate(sorted(shapes(bins).items())):
        i = torch.arange(math.prod(shape), dtype=torch.float64)
        values = (0.6 * torch.sin(1.7 * i + place)).float().reshape(shape)
        made[name] = values.requires_grad_()
    return made


def losses(w, states, before, asked, actions, times, returns, mask):
    apply = lambda name, x: linear(x, w[name + ".weight"], w[name + ".bias"])
    norm = lambda name, x: layer_norm(x, [WIDTH], w[name + ".weight"], w[name + ".bias"])
    rows, steps = mask.shape
    heads = lambda x: x.view(rows, steps, HEADS, -1).transpose(1, 2)
    x = norm("embed.norm", apply("embed.token", torch.cat([states, before], -1)) + w["embed.timestep.weight"][times])
    for n in range(LAYERS):
        at = f"blocks.{n}.attention."
        q, k, v = (heads(apply(at + part, x)) for part in ["query", "key", "value"])
        mixed = scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(rows, steps, WIDTH)
        x = norm(f"blocks.{n}.norm1", x + apply(at + "output", mixed))
        x = norm(f"blocks.{n}.norm2", x + apply(f"blocks.{n}.mlp.down", gelu(apply(f"blocks.{n}.mlp.up", x))))
    scale, shift = apply("head.film", gelu(apply("head.asked", asked))).chunk(2, -1)
    acted = torch.tanh(apply("head", gelu(apply("head.hidden", x) * (1 + scale) + shift)))
    action = (((acted - actions) ** 2).mean(-1) * mask).sum() / mask.sum()
    short = returns - apply("most", gelu(apply("most.hidden", x.detach())))
    errors = torch.where(short < 0, 1 - EXPECTILE, EXPECTILE) * short**2
    return action, (errors[..., 0] * mask).sum() / mask.sum()


def trained(bins):
    w = weights(bins)
    average = {name: weight.detach().clone() for name, weight in w.items()}
    optimizer = torch.optim.AdamW(w.values(), lr=RATE, weight_decay=DECAY)
    said = []
    for update, starts in enumerate(STARTS):
        states, before, asked, actions, times, returns, mask = batch(starts, bins)
        torch.manual_seed(update)
        asked = asked * (torch.rand(len(starts), 1, 1) >= MASKED)
        states = states + NOISE * torch.randn_like(states)
        before = before + NOISE * torch.randn_like(before)
        action, most = losses(w, states, before, asked, actions, times, returns, mask)
        optimizer.zero_grad()
        (action + most).backward()
        norm = torch.nn.utils.clip_grad_norm_(w.values(), CLIP)
        optimizer.param_groups[0]["lr"] = RATE * min(1.0, (update + 1) / WARMUP)
        optimizer.step()
        decay = min(EMA, (1 + update) / (10 + update))
        for name, weight in w.items():
            average[name].lerp_(weight.detach(), 1 - decay)
        said.append({"loss": action.item(), "return_loss": most.item(), "gradient_norm": norm.item()})
    flat = lambda named: {name: [float(f"{x:.8g}") for x in tensor.detach().flatten().tolist()] for name, tensor in sorted(named.items())}
    return {"bins": bins, "starts": STARTS, "losses": said, "weights": flat(w), "average": flat(average)}


with open(sys.argv[1], "w") as file:
    json.dump([trained(bins) for bins in (0, 5)], file)
    file.write("\n")
