"""Train with aaren, and act from a policy that it trained: no torch, constant time and memory per step.

    policy = aaren.Policy.load("policy.safetensors")
    stream = policy.stream(target_return=3600)
    action = stream.act(observation, reward)

    results = aaren.run("my.yaml", set={"train.updates": 500})      # needs aaren[train]
    results.policies["aaren"].score.mean

Everything that goes wrong in the library is an `aaren.Error` with the library's own sentence. Nothing here
imports Gymnasium but `aaren.wrappers`.
"""

import sys

if sys.version_info < (3, 10):
    raise ImportError(
        "aaren needs Python 3.10 or newer, found %d.%d; make an environment of a newer one: python3.12 -m venv my-env"
        % sys.version_info[:2]
    )

# That of `typing`, whose import takes as long as the rest of the command's start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from aaren._command import CommandError
    from aaren._devices import c_file, quantise
    from aaren._library import Error
    from aaren._policy import Policy, State
    from aaren._results import PolicySummary, Results, Run, Score, results
    from aaren._run import run
    from aaren._stream import Action, Stream, Streams
else:
    # Imported at their first use: the command starts without NumPy and the library.
    _MODULES = {
        "_command": ("CommandError",),
        "_devices": ("c_file", "quantise"),
        "_library": ("Error",),
        "_policy": ("Policy", "State"),
        "_results": ("PolicySummary", "Results", "Run", "Score", "results"),
        "_run": ("run",),
        "_stream": ("Action", "Stream", "Streams"),
    }

    def __getattr__(name):
        import importlib

        for module, names in _MODULES.items():
            if name in names:
                value = getattr(importlib.import_module("aaren." + module), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module 'aaren' has no attribute {name!r}")

    def __dir__():
        return sorted({*globals(), *__all__})

__all__ = [
    "Action",
    "CommandError",
    "Error",
    "Policy",
    "PolicySummary",
    "Results",
    "Run",
    "Score",
    "State",
    "Stream",
    "Streams",
    "c_file",
    "quantise",
    "results",
    "run",
]
