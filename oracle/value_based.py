"""Three updates of the value-based agents in PyTorch, written from their papers: what `agents/tests/value_based.rs` expects.

    python oracle/value_based.py iql agents/tests/oracle/iql.json
"""

import json
import math
import sys

import torch
from torch.nn.functional import linear, mse_loss

OBSERVATIONS, ACTIONS, WIDTH, RATE, DISCOUNT, POLYAK = 3, 2, 4, 3e-4, 0.99, 0.005
UPDATES = 100
# Drawn by ChaCha8 with seed 6 and the update as its stream; the test checks them.
DRAWS = [[3, 4, 5, 4], [2, 7, 3, 7], [5, 2, 1, 7]]


def data():
    count = 12
    f32 = lambda values: torch.tensor(values, dtype=torch.float32)
    observations = f32([math.sin(0.7 * i) for i in range(OBSERVATIONS * count)]).view(count, -1)
    observations = (observations - f32([0.1, -0.2, 0.3])) / f32([0.5, 1.0, 2.0])
    actions = f32([1.5 * math.cos(0.37 * i) for i in range(ACTIONS * count)]).view(count, -1) / 2
    rewards = f32([math.sin(0.9 * i) for i in range(count)])
    # Episodes of 5, 4 and 3 timesteps; the task ends the first one only.
    terminal = torch.zeros(count)
    terminal[4] = 1
    returns = [float(part.double().sum()) for part in rewards.split([5, 4, 3])]
    return observations, actions, rewards, terminal, returns


def names(prefix, inputs, outputs):
    shapes = [("mlp.0", inputs, WIDTH), ("mlp.1", WIDTH, WIDTH), ("head", WIDTH, outputs)]
    for name, before, after in shapes:
        yield f"{prefix}{name}.weight", (after, before)
        yield f"{prefix}{name}.bias", (after,)


def weights(shapes):
    """Every tensor from its place among the sorted names."""
    made = {}
    for place, name in enumerate(sorted(shapes)):
        count = math.prod(shapes[name])
        values = [0.6 * math.sin(1.7 * i + place) for i in range(count)]
        made[name] = torch.tensor(values, dtype=torch.float32).view(shapes[name])
    return made


def network(weights, prefix, inputs):
    x = inputs
    for layer in ("mlp.0", "mlp.1"):
        x = linear(x, weights[f"{prefix}{layer}.weight"], weights[f"{prefix}{layer}.bias"]).relu()
    return linear(x, weights[f"{prefix}head.weight"], weights[f"{prefix}head.bias"])


def adam(weights, matches, rate=RATE):
    parameters = [tensor.requires_grad_() for name, tensor in weights.items() if matches(name)]
    return torch.optim.Adam(parameters, lr=rate)


def descend(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def follow(weights, prefix):
    """Targets, whose names have `-target` before the first dot or stand below `target.`."""
    with torch.no_grad():
        for name, tensor in weights.items():
            if name.startswith("critic-target."):
                source = weights["critic." + name.removeprefix("critic-target.")]
            elif prefix and name.startswith(prefix):
                source = weights[name.removeprefix(prefix)]
            else:
                continue
            tensor.mul_(1 - POLYAK).add_(POLYAK * source)


def critics(weights, kind, observations, actions):
    inputs = torch.cat([observations, actions], 1)
    return [network(weights, f"{kind}.{index}.", inputs)[:, 0] for index in (0, 1)]


CRITICS = {
    name: shape
    for kind in ("critic", "critic-target")
    for index in (0, 1)
    for name, shape in names(f"{kind}.{index}.", OBSERVATIONS + ACTIONS, 1)
}
POLICY = dict(names("", OBSERVATIONS, ACTIONS))
IN_POLICY = ("mlp.", "head.", "log_std")


def iql():
    expectile, temperature = 0.7, 3.0
    observations, actions, rewards, terminal, returns = data()
    rewards = rewards * (1000 / (max(returns) - min(returns)))
    w = weights({**POLICY, "log_std": (ACTIONS,), **dict(names("value.", OBSERVATIONS, 1)), **CRITICS})
    value = lambda s: network(w, "value.", s)[:, 0]
    of_value = adam(w, lambda name: name.startswith("value."))
    of_critics = adam(w, lambda name: name.startswith("critic."))
    of_policy = adam(w, lambda name: name.startswith(IN_POLICY))
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(of_policy, UPDATES)
    losses = []
    for draws in DRAWS:
        s, a, r, d = observations[draws], actions[draws], rewards[draws], terminal[draws]
        after = observations[[min(i + 1, 11) for i in draws]]
        with torch.no_grad():
            q = torch.min(*critics(w, "critic-target", s, a))
        u = q - value(s)
        value_loss = (torch.where(u > 0, expectile, 1 - expectile) * u**2).mean()
        descend(of_value, value_loss)

        with torch.no_grad():
            weight = torch.exp(temperature * (q - value(s))).clamp(max=100.0)
        scale = w["log_std"].clamp(-5.0, 2.0).exp()
        normal = torch.distributions.Normal(network(w, "", s).tanh(), scale)
        loss = -(weight * normal.log_prob(a).sum(-1)).mean()
        descend(of_policy, loss)
        cosine.step()

        with torch.no_grad():
            target = r + DISCOUNT * (1 - d) * value(after)
        critic_loss = sum(mse_loss(q, target) for q in critics(w, "critic", s, a))
        descend(of_critics, critic_loss)
        follow(w, None)
        losses.append({"loss": loss.item(), "value_loss": value_loss.item(), "critic_loss": critic_loss.item()})
    return losses, w


def td3_bc():
    alpha, delay, noise, clip = 2.5, 2, 0.2, 0.5
    observations, actions, rewards, terminal, _ = data()
    w = weights({**POLICY, **dict(names("target.", OBSERVATIONS, ACTIONS)), **CRITICS})
    of_critics = adam(w, lambda name: name.startswith("critic."))
    of_policy = adam(w, lambda name: name.startswith(IN_POLICY))
    losses = []
    for update, draws in enumerate(DRAWS):
        torch.manual_seed(update)
        s, a, r, d = observations[draws], actions[draws], rewards[draws], terminal[draws]
        after = observations[[min(i + 1, 11) for i in draws]]
        with torch.no_grad():
            wobble = (torch.randn(len(draws), ACTIONS) * noise).clamp(-clip, clip)
            action = (network(w, "target.", after).tanh() + wobble).clamp(-1, 1)
            target = r + DISCOUNT * (1 - d) * torch.min(*critics(w, "critic-target", after, action))
        critic_loss = sum(mse_loss(q, target) for q in critics(w, "critic", s, a))
        descend(of_critics, critic_loss)
        losses.append({"loss": critic_loss.item()})
        if (update + 1) % delay == 0:
            pi = network(w, "", s).tanh()
            q = critics(w, "critic", s, pi)[0]
            loss = -alpha / q.abs().mean().detach() * q.mean() + mse_loss(pi, a)
            descend(of_policy, loss)
            follow(w, "target.")
            losses[-1]["policy_loss"] = loss.item()
    return losses, w


def main():
    agent, path = sys.argv[1:]
    torch.set_num_threads(1)
    losses, w = {"iql": iql, "td3-bc": td3_bc}[agent]()
    flat = {name: w[name].detach().flatten().tolist() for name in sorted(w)}
    with open(path, "w") as file:
        json.dump({"draws": DRAWS, "losses": losses, "weights": flat}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
