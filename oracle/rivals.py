#!/usr/bin/env python3
"""What a user would install instead of this project: other libraries' Decision Transformers, and our exported step in ONNX
Runtime. Asked and answered as `policies.py` is, with the same sizes.

    {"what": "train", "library": "d3rlpy", "context": 20, "batch": 64, "updates": 10, "seconds": 2, "threads": 2}
    {"what": "step", "library": "onnxruntime", "model": "step.onnx", "episodes": 16, "at": 1000, "steps": 50, "cold": true}

library: `transformers` (Hugging Face), `d3rlpy`, `torchrl` or `onnxruntime` (steps alone). The first three recompute a
window of the last 20 timesteps at each step, as their own examples of acting do; all hold float32. d3rlpy acts in one
episode at a time.
"""
import json
import os
import sys
import time

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}

import numpy as np
import torch
import torch.nn.functional as F

STATE, ACTION, WIDTH, LAYERS, HEADS, DROPOUT, TIMESTEPS, WINDOW = 11, 3, 128, 3, 1, 0.1, 1000, 20
POOL = 64  # different inputs


class OnnxRuntime:
    def __init__(self, a):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(a["model"], options, providers=["CPUExecutionProvider"])
        self.ports = {port.name: port for port in self.session.get_inputs()}
        self.outputs = [port.name for port in self.session.get_outputs()]
        episodes, self.t = a["episodes"], 0
        self.observations = np.random.default_rng(0).normal(size=(POOL, episodes, STATE)).astype(np.float32)
        state = {name: port.shape[1:] for name, port in self.ports.items() if name.startswith("state.")}
        self.state = {name: np.zeros([episodes, *shape], np.float32) for name, shape in state.items()}
        for _ in range(a["at"]):
            self.step()

    def step(self):
        t, episodes = self.t, self.observations.shape[1]
        self.t += 1
        given = {
            "observation": self.observations[t % POOL],
            "return_to_go": np.full(episodes, 1000.0 - t, np.float32),
            "timestep": np.full(episodes, min(t, TIMESTEPS - 1), np.int64),
        }
        found = self.session.run(None, {name: given[name] for name in self.ports if name in given} | self.state)
        found = dict(zip(self.outputs, found, strict=True))
        self.state = {name: found[name.replace("state.", "next.")] for name in self.state}
        return found


class Library:
    """A library's model of the window; `predict` gives the actions of all its timesteps."""

    def draw(self, batch, context):
        self.states, self.returns = torch.randn(POOL, batch, context, STATE), torch.randn(POOL, batch, context, 1)
        self.actions = torch.randn(POOL, batch, context, ACTION).tanh()
        self.timesteps = torch.arange(context).expand(batch, -1)
        self.t = 0

    def for_steps(self, a):
        self.model.eval()
        self.draw(a["episodes"], WINDOW)
        return self

    def for_training(self, a):
        self.model.train()
        self.draw(a["batch"], a["context"])
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, weight_decay=1e-4, fused=True)
        return self

    def step(self):
        now, self.t = self.t % POOL, self.t + 1
        with torch.inference_mode():
            return self.predict(now)[:, -1].tolist()

    def update(self):
        now, self.t = self.t % POOL, self.t + 1
        loss = F.mse_loss(self.predict(now), self.actions[now])
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 0.25)
        self.optimizer.step()


class HuggingFace(Library):
    def __init__(self):
        from transformers import DecisionTransformerConfig, DecisionTransformerModel

        config = DecisionTransformerConfig(
            state_dim=STATE, act_dim=ACTION, hidden_size=WIDTH, max_ep_len=TIMESTEPS, n_layer=LAYERS, n_head=HEADS,
            n_inner=4 * WIDTH, activation_function="gelu", resid_pdrop=DROPOUT, attn_pdrop=DROPOUT, embd_pdrop=0.0,
        )
        self.model = DecisionTransformerModel(config)

    def predict(self, now):
        mask = torch.ones(self.timesteps.shape, dtype=torch.long)
        _, actions, _ = self.model(
            states=self.states[now], actions=self.actions[now], rewards=self.returns[now], attention_mask=mask,
            returns_to_go=self.returns[now], timesteps=self.timesteps, return_dict=False,
        )
        return actions


class TorchRl(Library):
    def __init__(self):
        from torchrl.modules import DTActor
        from torchrl.modules.models.decision_transformer import DecisionTransformer

        config = DecisionTransformer.DTConfig(
            n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, n_inner=4 * WIDTH, activation="gelu", n_positions=1024,
            resid_pdrop=DROPOUT, attn_pdrop=DROPOUT,
        )
        self.model = DTActor(STATE, ACTION, config)

    def predict(self, now):
        return self.model(self.states[now], self.actions[now], self.returns[now])


class D3rlpy:
    """Through its own update, and its own wrapper for acting."""

    def __init__(self, a):
        from d3rlpy.algos import DecisionTransformerConfig
        from d3rlpy.models import VectorEncoderFactory
        from d3rlpy.optimizers import AdamWFactory

        config = DecisionTransformerConfig(
            batch_size=a.get("batch", 64), context_size=a.get("context", WINDOW), max_timestep=TIMESTEPS, num_heads=HEADS,
            num_layers=LAYERS, attn_dropout=DROPOUT, resid_dropout=DROPOUT, embed_dropout=DROPOUT, activation_type="gelu",
            encoder_factory=VectorEncoderFactory([WIDTH], exclude_last_activation=True),
            optim_factory=AdamWFactory(weight_decay=1e-4, clip_grad_norm=0.25),
        )
        self.algorithm = config.create(device=False)
        self.algorithm.create_impl((STATE,), ACTION)
        self.t = 0

    def for_steps(self, a):
        if a["episodes"] > 1:
            raise ValueError("d3rlpy acts in one episode at a time")
        self.actor = self.algorithm.as_stateful_wrapper(target_return=1000.0)
        self.states = np.random.default_rng(0).normal(size=(POOL, STATE)).astype(np.float32)
        return self

    def for_training(self, a):
        from d3rlpy.dataset import PartialTrajectory, TrajectoryMiniBatch

        draw, context = np.random.default_rng(0).normal, a["context"]
        column = lambda n: draw(size=(context, n)).astype(np.float32)
        def trajectory():
            timesteps, masks = np.arange(1, context + 1), np.ones(context, np.float32)
            zero = np.zeros((context, 1), np.float32)
            return PartialTrajectory(
                column(STATE), np.tanh(column(ACTION)), column(1), column(1), zero, timesteps, masks, context
            )
        batches = [[trajectory() for _ in range(a["batch"])] for _ in range(8)]
        self.batches = [TrajectoryMiniBatch.from_partial_trajectories(batch) for batch in batches]
        return self

    def step(self):
        now, self.t = self.t % POOL, self.t + 1
        return self.actor.predict(self.states[now], 1.0)

    def update(self):
        now, self.t = self.t % len(self.batches), self.t + 1
        self.algorithm.update(self.batches[now])


LIBRARIES = {"transformers": lambda a: HuggingFace(), "torchrl": lambda a: TorchRl(), "d3rlpy": D3rlpy}
FLUSH = torch.zeros(64 << 20, dtype=torch.uint8)
known = {}


def of(key, make):
    if key not in known:
        torch.manual_seed(0)
        known[key] = make()
    return known[key]


def step(a):
    torch.set_num_threads(1)
    made = lambda: OnnxRuntime(a) if a["library"] == "onnxruntime" else LIBRARIES[a["library"]](a).for_steps(a)
    stepper = of(("step", a["library"], a.get("model"), a["episodes"]), made)
    for _ in range(WINDOW):  # what came between has left the caches to others, and a window may not be full yet
        stepper.step()
    seconds = []
    for _ in range(a["steps"]):
        if a["cold"]:
            FLUSH.add_(1)
        start = time.perf_counter()
        stepper.step()
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds}


def train(a):
    torch.set_num_threads(a["threads"])
    trainer = of(("train", a["library"], a["context"], a["batch"]), lambda: LIBRARIES[a["library"]](a).for_training(a))
    trainer.update()
    seconds = []
    while len(seconds) < a["updates"] and sum(seconds) < a["seconds"]:
        start = time.perf_counter()
        trainer.update()
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds}


answers = os.dup(1)
os.dup2(2, 1)  # libraries log on standard output
with os.fdopen(answers, "w") as answers:
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = (step if question["what"] == "step" else train)(question)
        except Exception as error:  # such as a library that is not there
            answer = {"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
        print(json.dumps(answer), file=answers, flush=True)
