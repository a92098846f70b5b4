#!/usr/bin/env python3
"""What a user would write instead of this project: the same policies in plain PyTorch, timed when asked.

Reads one JSON object a line from standard input and answers each with one: `aaren-bench` asks in turns with its own
measurements, so that a slower spell of the machine meets both.

    {"what": "train", "encoder": "transformer", "precision": "float32", "context": 20, "batch": 64, "updates": 10,
     "seconds": 2, "threads": 2, "compile": false}
    {"what": "step", "memory": "cache", "precision": "float32", "episodes": 1, "at": 1000, "steps": 50, "cold": true,
     "script": false}

Answers: {"seconds": [one for each update or step]}, or {"error": "…"}.
encoder: `transformer` or `aaren`. memory: `window` (the last 20 timesteps recomputed), `cache` (all keys and values, in
memory reserved beforehand), `sliding` (those of the last 20 timesteps, in a ring) or `recurrent` (Aaren's state).
seconds: no update begins after so long. cold: a buffer larger than the processor's caches is written between two steps.
script: TorchScript, traced and frozen, of `window` and `recurrent`.

Written for speed as far as plain PyTorch goes: scaled_dot_product_attention, reserved caches, fused AdamW, the last
block for state tokens only, Aaren's query folded into its keys once, its prefixes by dense weights within chunks, inputs
drawn beforehand that differ from step to step.
Sizes are Hopper's: state 11, action 3, width 128, 3 layers, 1 head, dropout 0.1 after attention and MLP, 1000 timesteps.
Needs `pip install torch==2.13.0 numpy`.
"""
import json
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

STATE, ACTION, WIDTH, LAYERS, HEADS, DROPOUT, TIMESTEPS, WINDOW = 11, 3, 128, 3, 1, 0.1, 1000, 20
POOL = 64  # different inputs


def split(x):
    return x.view(x.shape[0], x.shape[1], HEADS, WIDTH // HEADS).transpose(1, 2)


def join(x):
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], WIDTH)


class Block(nn.Module):
    """x + mixing → LayerNorm → x + MLP → LayerNorm, as in the public minimal Decision Transformer."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH), nn.Dropout(DROPOUT))
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)

    def finish(self, x, mixed):
        x = self.norm1(x + F.dropout(self.out(join(mixed)), DROPOUT, self.training))
        return self.norm2(x + self.mlp(x))


class TransformerBlock(Block):
    def forward(self, x, wanted):
        """All tokens where `wanted` is None, else those of that slice."""
        key, value = split(self.key(x)), split(self.value(x))
        if wanted is None:
            return self.finish(x, F.scaled_dot_product_attention(split(self.query(x)), key, value, is_causal=True))
        at = x[:, wanted]
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()[wanted]
        return self.finish(at, F.scaled_dot_product_attention(split(self.query(at)), key, value, attn_mask=mask))

    def attend(self, x, cache, slots, visible, mask):
        """`x` enters the cache at `slots`; what its last tokens make of the first `visible` slots: as many as `mask` has rows."""
        cache[0][:, :, slots], cache[1][:, :, slots] = split(self.key(x)), split(self.value(x))
        x = x[:, -mask.shape[0]:]
        keys, values = cache[0][:, :, :visible], cache[1][:, :, :visible]
        return self.finish(x, F.scaled_dot_product_attention(split(self.query(x)), keys, values, attn_mask=mask))


def chunked(scores, values, chunk=64):
    """All prefixes: dense weights within a chunk, and what all chunks before it sum up to. The last chunk is padded."""
    tokens, padding = scores.shape[2], -scores.shape[2] % chunk
    scores = F.pad(scores, (0, padding), value=-torch.inf).unflatten(2, (-1, chunk))
    values = F.pad(values, (0, 0, 0, padding)).unflatten(2, (-1, chunk))
    # The largest score of each prefix is what its weights are divided by.
    top = scores.amax(-1).detach()
    before = F.pad(top.cummax(-1).values[..., :-1], (1, 0), value=-torch.inf)
    largest = torch.maximum(scores.cummax(-1).values, before[..., None]).detach()
    future = torch.ones(chunk, chunk, dtype=torch.bool).triu(1)
    inside = (scores[..., None, :] - largest[..., None]).masked_fill(future, -torch.inf).exp()
    # Each chunk's own sums, and those of all before it, divided by e^before.
    own = (scores - top[..., None]).exp()
    ahead = torch.ones(top.shape[-1], top.shape[-1], dtype=torch.bool).triu()
    since = (top[..., None, :] - before[..., None]).masked_fill(ahead, -torch.inf).exp()
    value = (own[..., None, :].to(values.dtype) @ values).squeeze(-2).float()
    u, w = (since @ own.sum(-1, keepdim=True)), since @ value
    old = (before[..., None] - largest).exp()
    weight = inside.sum(-1) + old * u
    mixed = (inside.to(values.dtype) @ values).float() + old[..., None] * w[..., None, :]
    return (mixed / weight[..., None]).flatten(2, 3)[:, :, :tokens].to(values.dtype)


class AarenBlock(Block):
    """Attention with a learned query (arXiv 2405.13956)."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.randn(WIDTH))

    folded = None

    def fold(self):
        """The query in the keys' weights; kept in `folded` where the weights do not change any more."""
        query = self.query(self.token).view(HEADS, WIDTH // HEADS, 1)
        return (self.key.weight.view(HEADS, WIDTH // HEADS, WIDTH) * query).sum(1) / (WIDTH // HEADS) ** 0.5

    def scores_and_values(self, x):
        folded = self.fold() if self.folded is None else self.folded
        return F.linear(x, folded.to(x.dtype)).transpose(1, 2).float(), split(self.value(x))

    def forward(self, x, wanted):
        scores, values = self.scores_and_values(x)
        tokens = x.shape[1]
        if tokens <= 64:
            future = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
            weights = scores.unsqueeze(2).masked_fill(future, float("-inf"))
            if wanted is not None:
                weights, x = weights[:, :, wanted], x[:, wanted]
            return self.finish(x, weights.softmax(-1).to(values.dtype) @ values)
        mixed = chunked(scores, values)
        return self.finish(x, mixed) if wanted is None else self.finish(x[:, wanted], mixed[:, :, wanted])

    def recur(self, x, m, u, w, outputs):
        """The tokens of `x` enter the state (m, u, w): what its last `outputs` tokens make of it, and the next state."""
        scores, values = self.scores_and_values(x)
        top = torch.maximum(m, scores.amax(-1))
        old, new = (m - top).exp(), (scores - top[..., None]).exp()
        us = (u * old)[..., None] + new.cumsum(-1)
        ws = (w * old[..., None])[:, :, None] + (new[..., None] * values).cumsum(2)
        mixed = (ws / us[..., None])[:, :, -outputs:].to(x.dtype)
        return self.finish(x[:, -outputs:], mixed), (top, us[..., -1], ws[:, :, -1])


class Policy(nn.Module):
    def __init__(self, block):
        super().__init__()
        self.blocks = nn.ModuleList(block() for _ in range(LAYERS))
        self.norm, self.time = nn.LayerNorm(WIDTH), nn.Embedding(TIMESTEPS, WIDTH)
        self.embed_return, self.embed_state = nn.Linear(1, WIDTH), nn.Linear(STATE, WIDTH)
        self.embed_action, self.head = nn.Linear(ACTION, WIDTH), nn.Linear(WIDTH, ACTION)

    def forward(self, timesteps, returns, states, actions):
        time_ = self.time(timesteps)
        tokens = [self.embed_return(returns) + time_, self.embed_state(states) + time_, self.embed_action(actions) + time_]
        x = self.norm(torch.stack(tokens, 2).flatten(1, 2))
        for block in self.blocks[:-1]:
            x = block(x, None)
        return torch.tanh(self.head(self.blocks[-1](x, slice(1, None, 3))))

    def tokens(self, t, returns, states, actions):
        """The action before timestep `t`, its return-to-go and its state."""
        now = self.time.weight[min(t, TIMESTEPS - 1)]
        before = self.time.weight[min(max(t - 1, 0), TIMESTEPS - 1)]
        tokens = [self.embed_action(actions) + before, self.embed_return(returns) + now, self.embed_state(states) + now]
        return self.norm(torch.stack(tokens, 1))


class Recurrent(nn.Module):
    """One step of an Aaren: state in, state out."""

    def __init__(self, policy):
        super().__init__()
        self.policy = policy

    def forward(self, before, now, returns, states, actions, state):
        p = self.policy
        x = p.norm(torch.stack([p.embed_action(actions) + before, p.embed_return(returns) + now, p.embed_state(states) + now], 1))
        after = []
        for i, block in enumerate(p.blocks):
            x, new = block.recur(x, *state[3 * i:3 * i + 3], 1 if i + 1 == LAYERS else 3)
            after.extend(new)
        return torch.tanh(p.head(x))[:, -1], tuple(after)


class Stepper:
    """A policy in the middle of so many episodes, with one kind of memory."""

    def __init__(self, memory, dtype, at, episodes, script):
        torch.manual_seed(0)
        self.memory, self.t, self.dtype = memory, 0, dtype
        self.policy = Policy(AarenBlock if memory == "recurrent" else TransformerBlock).eval().to(dtype)
        draw = lambda n: torch.randn(POOL, episodes, n).to(dtype)
        self.returns, self.states, self.actions = draw(1), draw(STATE), draw(ACTION).tanh()
        room = {"cache": 3 * (at + 4000), "sliding": 3 * WINDOW}.get(memory, 3)
        cache = lambda: torch.zeros(episodes, HEADS, room, WIDTH // HEADS, dtype=dtype)
        self.caches = [[cache() for _ in range(2)] for _ in range(LAYERS)]
        self.room = room
        # For three new tokens after any number of old ones: the last columns of these rows.
        self.causal = torch.ones(3, room, dtype=torch.bool)
        self.causal[:, -3:] = torch.ones(3, 3, dtype=torch.bool).tril()
        self.ring = []
        for phase in range(WINDOW if memory == "sliding" else 0):
            mask = torch.ones(3, room, dtype=torch.bool)
            mask[:, 3 * phase:3 * phase + 3] = torch.ones(3, 3, dtype=torch.bool).tril()
            self.ring.append(mask)
        heads = episodes, HEADS
        empty = [torch.full(heads, -torch.inf), torch.zeros(heads), torch.zeros(*heads, WIDTH // HEADS)]
        self.state = tuple(LAYERS * empty)
        self.forward = {"recurrent": Recurrent(self.policy), "window": self.policy}.get(memory)
        if memory == "window":
            self.t = at
        with torch.no_grad():
            for block in self.policy.blocks if memory == "recurrent" else ():
                block.folded = block.fold()
            if script:
                self.forward = torch.jit.freeze(torch.jit.trace(self.forward.eval(), self.inputs(), check_trace=False))
        with torch.inference_mode():
            while self.t < at:
                self.step()
            for _ in range(20 if script else 0):  # its first runs are compiled
                self.step()

    def inputs(self):
        """What `forward` takes at this timestep."""
        t, now = self.t, self.t % POOL
        if self.memory == "window":
            rows = [(t + i) % POOL for i in range(WINDOW)]
            timesteps = torch.arange(t - WINDOW + 1, t + 1).clamp(0, TIMESTEPS - 1).expand(self.states.shape[1], -1)
            return timesteps, *(part[rows].transpose(0, 1) for part in (self.returns, self.states, self.actions))
        time_ = self.policy.time.weight
        before, now_ = time_[min(max(t - 1, 0), TIMESTEPS - 1)], time_[min(t, TIMESTEPS - 1)]
        return before, now_, self.returns[now], self.states[now], self.actions[now - 1], self.state

    def step(self):
        t, p, now = self.t, self.policy, self.t % POOL
        if self.memory == "window":
            actions = self.forward(*self.inputs())[:, -1]
        elif self.memory == "recurrent":
            actions, self.state = self.forward(*self.inputs())
        else:
            actions = self.attend(p.tokens(t, self.returns[now], self.states[now], self.actions[now - 1]))
        self.t += 1
        return actions.tolist()

    def attend(self, x):
        """What the keys and values in memory make of three new tokens."""
        t, p = self.t, self.policy
        for i, block in enumerate(p.blocks):
            outputs = 1 if i + 1 == LAYERS else 3
            if self.memory == "cache":
                end = 3 * t + 3
                x = block.attend(x, self.caches[i], slice(end - 3, end), end, self.causal[-outputs:, self.room - end:])
            else:
                start, visible = 3 * (t % WINDOW), min(3 * t + 3, self.room)
                mask = self.ring[t % WINDOW][-outputs:, :visible]
                x = block.attend(x, self.caches[i], slice(start, start + 3), visible, mask)
        return torch.tanh(p.head(x))[:, -1]


FLUSH = torch.zeros(64 << 20, dtype=torch.uint8)
steppers, trainers = {}, {}


def step(a):
    torch.set_num_threads(1)
    dtype = getattr(torch, a["precision"])
    key = a["memory"], dtype, a["at"], a["episodes"], a["script"]
    if key not in steppers:
        steppers[key] = Stepper(*key)
    stepper, seconds = steppers[key], []
    with torch.inference_mode():
        for _ in range(a["steps"]):
            if a["cold"]:
                FLUSH.add_(1)
            start = time.perf_counter()
            stepper.step()
            seconds.append(time.perf_counter() - start)
    return {"seconds": seconds}


class Trainer:
    def __init__(self, encoder, bf16, context, batch, compiled):
        torch.manual_seed(0)
        self.policy = Policy(AarenBlock if encoder == "aaren" else TransformerBlock)
        self.optimizer = torch.optim.AdamW(self.policy.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)
        self.forward = torch.compile(self.policy) if compiled else self.policy
        self.bf16, self.done = bf16, 0
        draw = lambda n: torch.randn(batch, context, n)
        timesteps = torch.arange(context).expand(batch, -1)
        self.batches = [(timesteps, draw(1), draw(STATE), draw(ACTION).tanh()) for _ in range(8)]

    def update(self):
        batch = self.batches[self.done % len(self.batches)]
        self.done += 1
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            predicted = self.forward(*batch)
        loss = F.mse_loss(predicted.float(), batch[3])
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.policy.parameters(), 0.25)
        self.optimizer.step()


def train(a):
    torch.set_num_threads(a["threads"])
    key = tuple(a[k] for k in ("encoder", "precision", "context", "batch", "compile"))
    if key not in trainers:
        trainers[key] = Trainer(key[0], key[1] == "bfloat16", *key[2:])
    trainers[key].update()  # what came between has left the caches to others
    seconds = []
    while len(seconds) < a["updates"] and sum(seconds) < a["seconds"]:
        start = time.perf_counter()
        trainers[key].update()
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds}


for line in sys.stdin:
    question = json.loads(line)
    try:
        answer = (step if question["what"] == "step" else train)(question)
    except Exception as error:  # such as no compiler for torch.compile
        answer = {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
    print(json.dumps(answer), flush=True)
