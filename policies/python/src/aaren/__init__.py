"""Act from a policy trained with aaren: no torch, constant time and memory per step.

    policy = aaren.Policy.load("policy.safetensors")
    stream = policy.stream(target_return=3600)
    action = stream.act(observation, reward)

Everything that goes wrong in the library is an `aaren.Error` with the library's own sentence. Nothing here
imports Gymnasium but `aaren.wrappers`.
"""

from aaren._devices import c_file, quantise
from aaren._library import Error
from aaren._policy import Policy, State
from aaren._stream import Action, Stream, Streams

__all__ = ["Action", "Error", "Policy", "State", "Stream", "Streams", "c_file", "quantise"]
