"""Steps environments of Gymnasium for the process that started this one. Needs numpy and gymnasium.

Standard input is a socket. A message is a header of two little-endian uint32, what is asked for and how many rows, and
then a uint32 for each row:
  RESET   a uint64 for each row, its seed
  STEP    float32, the entries of each row's action
  RENDER  nothing
An answer is a header of two uint32, 0 and the bytes that follow: for RESET and STEP a float64 for each entry of the
observation, the reward and the flags (1 terminated, 2 truncated) of each row, for RENDER height and width as uint32 and
the picture. A header that begins with 1 announces JSON that says what went wrong.
"""

import importlib
import json
import os
import signal
import socket
import struct
import sys
import traceback

RESET, STEP, RENDER = 1, 2, 3


class Refusal(Exception):
    """What cannot be had, and the cure."""

    def __init__(self, kind, reason, cure=""):
        super().__init__(reason)
        self.kind, self.cure = kind, cure


def told(error):
    """The last line of Python's own message, and where the error was raised outside of this file."""
    lines = [line.strip() for line in traceback.format_exception_only(error) if line.strip()]
    text = " ".join(lines[-1].split()) if lines else type(error).__name__
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != "<string>"]
    if frames:
        text += f" ({os.path.basename(frames[-1].filename)}, line {frames[-1].lineno})"
    return text


def imported(name):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        own = missing == name.split(".")[0] or missing == name
        package = missing.split(".")[0].replace("_", "-")
        cure = f"run `{sys.executable} -m pip install {package}`, or set `interpreter:` to a Python that has it"
        if own and name not in ("numpy", "gymnasium"):
            cure += ", or `path:` to the folder that holds the module"
        raise Refusal("package", f"{sys.executable} has no module {missing} ({told(error)})", cure) from error
    except Exception as error:
        raise Refusal("package", f"`import {name}` raised {told(error)}", f"mend what `{name}` does on import") from error


def nearest(word, words):
    import difflib

    near = difflib.get_close_matches(word, words, n=1)
    return f"did you mean `{near[0]}`? If not, name" if near else "name"


def make(config, gymnasium):
    """The function that makes one environment."""
    kwargs, limit = dict(config["kwargs"]), config["max_episode_steps"]
    if not config["function"]:
        if limit is not None:
            kwargs["max_episode_steps"] = limit
        if config["film"]:
            kwargs.setdefault("render_mode", "rgb_array")
        try:
            gymnasium.spec(config["id"])
        except gymnasium.error.Error as error:
            hint = nearest(config["id"], list(gymnasium.registry))
            cure = f"{hint} the package that registers it: `import: PACKAGE`"
            raise Refusal("id", f"gymnasium {gymnasium.__version__} knows no such id ({told(error)})", cure) from error
        except ModuleNotFoundError as error:
            raise Refusal("package", f"its module cannot be imported ({told(error)})", "install its package") from error
        return lambda: gymnasium.make(config["id"], disable_env_checker=True, **kwargs)
    module, _, name = config["id"].partition(":")
    if not module or not name:
        raise Refusal("id", "`python:` has no colon in the middle", "write `module:function`, such as `my_env:make_env`")
    function = imported(module)
    for part in name.split("."):
        if not hasattr(function, part):
            names = [each for each in dir(function) if not each.startswith("_")]
            raise Refusal("id", f"module {module} has no `{name}`; it has {', '.join(names[:20])}", "name one of them")
        function = getattr(function, part)
    if not callable(function):
        raise Refusal("id", f"`{config['id']}` is a {type(function).__name__}", "name a function or a class")
    if config["film"]:
        import inspect

        if "render_mode" in inspect.signature(function).parameters:
            kwargs.setdefault("render_mode", "rgb_array")

    def made():
        environment = function(**kwargs)
        if limit is not None:
            environment = gymnasium.wrappers.TimeLimit(environment, limit)
        return environment

    return made


def time_limit(environment):
    """The number of timesteps after which a wrapper truncates, else the registry's; None if there is none."""
    registered = getattr(getattr(environment, "spec", None), "max_episode_steps", None)
    limits = []
    while environment is not None:
        limits.append(getattr(environment, "__dict__", {}).get("_max_episode_steps"))
        environment = getattr(environment, "__dict__", {}).get("env")
    limits = [limit for limit in limits if isinstance(limit, int) and limit > 0]
    if not limits and isinstance(registered, int) and registered > 0:
        limits = [registered]
    return min(limits) if limits else None


class Observation:
    """How an observation becomes a vector: as `gymnasium.spaces.flatten` makes it."""

    def __init__(self, space, observe, gymnasium, np):
        spaces = gymnasium.spaces
        self.np, self.flatten, self.spaces = np, spaces.flatten, None
        self.space, self.keys = space, None
        if observe is not None:
            if not isinstance(space, spaces.Dict):
                raise Refusal("space", f"`observe` chooses keys, but its observations are {space}", "remove `observe`")
            self.keys, self.spaces = [key.replace("/", ".").split(".") for key in observe], []
            for key in self.keys:
                part = space
                for name in key:
                    if not isinstance(part, spaces.Dict) or name not in part.spaces:
                        has = ", ".join(part.spaces) if isinstance(part, spaces.Dict) else str(part)
                        shown = ".".join(key)
                        raise Refusal("space", f"its observations have no key `{shown}`; they have {has}", "choose among these with `observe`")
                    part = part.spaces[name]
                self.spaces.append(part)
        self.size = sum(self.entries(part, spaces) for part in (self.spaces or [space]))
        # A vector is written as it comes.
        self.shape = space.shape if isinstance(space, spaces.Box) else None

    def entries(self, space, spaces, name="its observations"):
        if isinstance(space, spaces.Box):
            image = space.dtype == self.np.uint8 and len(space.shape) >= 2
            if image and (len(space.shape) == 3 or min(space.shape) >= 16):
                raise Refusal("space", f"{name} are images, {space}", "choose other keys with `observe`, or wrap the environment in one that gives a vector of features")
            return int(self.np.prod(space.shape, dtype=int))
        if isinstance(space, spaces.Discrete):
            return int(space.n)
        if isinstance(space, spaces.MultiDiscrete):
            return int(space.nvec.sum())
        if isinstance(space, spaces.MultiBinary):
            return int(self.np.prod(space.shape, dtype=int))
        if isinstance(space, spaces.Dict):
            return sum(self.entries(part, spaces, f"the observations' `{key}`") for key, part in space.spaces.items())
        if isinstance(space, spaces.Tuple):
            return sum(self.entries(part, spaces, name) for part in space.spaces)
        raise Refusal("space", f"{name} are {space}", "wrap the environment in one with Box, Discrete, MultiDiscrete, MultiBinary, Dict or Tuple observations")

    def write(self, observation, line):
        """Writes it into `line`, of `size` entries."""
        if self.shape is not None:
            found = self.np.shape(observation)
            if found != self.shape:
                raise ValueError(f"an observation of shape {found}, where its space has {self.shape}")
            line[:] = observation if len(found) == 1 else self.np.ravel(observation)
            return
        if self.keys is None:
            line[:] = self.checked(self.space, observation)
            return
        at = 0
        for key, space in zip(self.keys, self.spaces):
            part = observation
            for name in key:
                part = part[name]
            flat = self.checked(space, part)
            line[at : at + len(flat)] = flat
            at += len(flat)

    def checked(self, space, part):
        flat = self.flatten(space, part)
        expected = self.entries_of(space)
        if flat.ndim != 1 or len(flat) != expected:
            raise ValueError(f"an observation of {flat.size} entries, where its space {space} has {expected}")
        return flat

    def entries_of(self, space):
        sizes = self.__dict__.setdefault("sizes", {})
        if id(space) not in sizes:
            import gymnasium

            sizes[id(space)] = self.entries(space, gymnasium.spaces)
        return sizes[id(space)]


def described(space, spaces):
    """A space as Minari writes it, without bounds; a dictionary's in their order."""
    if isinstance(space, spaces.Dict):
        return {"type": "Dict", "subspaces": [[key, described(part, spaces)] for key, part in space.spaces.items()]}
    if isinstance(space, spaces.Tuple):
        return {"type": "Tuple", "subspaces": [described(part, spaces) for part in space.spaces]}
    if isinstance(space, spaces.Discrete):
        return {"type": "Discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.MultiDiscrete):
        start = getattr(space, "start", 0 * space.nvec)
        return {"type": "MultiDiscrete", "nvec": space.nvec.ravel().tolist(), "start": start.ravel().tolist()}
    return {"type": type(space).__name__, "shape": list(space.shape or ()), "n": list(space.shape or ())}


class Action:
    """The environment's action for float32 entries."""

    def __init__(self, space, gymnasium, np):
        spaces = gymnasium.spaces
        self.np, self.space = np, space
        if isinstance(space, spaces.Box):
            low, high = (np.ravel(bound).astype(np.float64) for bound in (space.low, space.high))
            if not np.issubdtype(space.dtype, np.floating):
                raise Refusal("space", f"its actions are {space}, whole numbers in a box", "declare them as MultiDiscrete")
            if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
                raise Refusal("space", f"its actions are {space}, without finite bounds", "wrap the environment in gymnasium.wrappers.RescaleAction, or give its space the bounds")
            self.described = {"kind": "continuous", "low": low.tolist(), "high": high.tolist()}
            plain = space.dtype == np.float32 and len(space.shape) == 1
            # A copy, as an environment may keep or change it; the float32 next to a bound may be outside of it.
            clipped = lambda row: np.clip(row.astype(space.dtype).reshape(space.shape), space.low, space.high)
            self.of = (lambda row: row.copy()) if plain else clipped
        elif isinstance(space, spaces.Discrete):
            self.described = {"kind": "discrete", "choices": int(space.n)}
            start, number = int(space.start), np.int64
            self.of = lambda row: number(int(row[0]) + start)
        elif isinstance(space, spaces.MultiDiscrete):
            self.described = {"kind": "multi-discrete", "choices": [int(n) for n in np.ravel(space.nvec)]}
            start = getattr(space, "start", 0)
            self.of = lambda row: row.astype(space.dtype).reshape(space.shape) + start
        elif isinstance(space, spaces.MultiBinary):
            self.described = {"kind": "multi-discrete", "choices": [2] * int(np.prod(space.shape, dtype=int))}
            self.of = lambda row: row.astype(space.dtype).reshape(space.shape)
        else:
            raise Refusal("space", f"its actions are {space}", "wrap the environment in one with Box, Discrete, MultiDiscrete or MultiBinary actions")


def versions(config, environment, gymnasium, np):
    """The versions of what decides an episode: Python, gymnasium, numpy, and the packages of the environment."""
    found = {"python": ".".join(map(str, sys.version_info[:3])), "gymnasium": gymnasium.__version__, "numpy": np.__version__}
    modules = [name.split(".")[0] for name in config["import"]]
    modules.append(type(environment.unwrapped).__module__.split(".")[0])
    import importlib.metadata

    for module in [*modules, "mujoco"]:
        if module in sys.modules and module not in found:
            try:
                found[module] = importlib.metadata.version(module)
            except importlib.metadata.PackageNotFoundError:
                version = getattr(sys.modules[module], "__version__", None)
                if version is not None:
                    found[module] = str(version)
    return found


class Server:
    def __init__(self, config, connection):
        self.connection, self.config = connection, config
        for folder in [config["path"], os.getcwd()]:
            if folder and folder not in sys.path:
                sys.path.append(folder)
        self.np = imported("numpy")
        self.gymnasium = imported("gymnasium")
        for name in config["import"]:
            imported(name)
        self.make = make(config, self.gymnasium)
        self.environments = []
        first = self.environment(0)
        for name in ("observation_space", "action_space", "reset", "step"):
            if not hasattr(first, name):
                raise Refusal("space", f"what was made, a {type(first).__name__}, has no `{name}`", "make an environment with Gymnasium's interface (gymnasium.Env)")
        self.observation = Observation(first.observation_space, config["observe"], self.gymnasium, self.np)
        self.action = Action(first.action_space, self.gymnasium, self.np)
        limit = time_limit(first)
        if limit is None:
            raise Refusal("limit", "its episodes have no time limit", "set `max_episode_steps: N` beside its id")
        self.description = {
            "observation_size": self.observation.size,
            "action": self.action.described,
            "max_episode_steps": limit,
            "versions": versions(config, first, self.gymnasium, self.np),
            "repeats": self.repeats() if config["check"] else True,
            "spaces": {
                "observation": described(first.observation_space, self.gymnasium.spaces),
                "action": described(first.action_space, self.gymnasium.spaces),
            },
        }

    def environment(self, row):
        while len(self.environments) <= row:
            try:
                self.environments.append(self.make())
            except Exception as error:
                raise Refusal("make", f"making it raised {told(error)}", "change `kwargs`, or mend the environment") from error
        return self.environments[row]

    def answer(self, kind, rows, payload):
        np = self.np
        if kind == RENDER:
            try:
                picture = self.environment(rows[0]).render()
            except Exception as error:
                raise Refusal("render", f"`render` raised {told(error)}", "mend it") from error
            if isinstance(picture, list):
                picture = picture[-1] if picture else None
            array = np.asarray(picture)
            if array.ndim != 3 or array.shape[2] != 3:
                found = "nothing" if picture is None else f"an array of shape {array.shape}"
                raise Refusal("render", f"`render` gave {found}, expected `rgb_array`: [height, width, 3]", "make it with render_mode rgb_array")
            array = np.ascontiguousarray(array, dtype=np.uint8)
            return struct.pack("<II", *array.shape[:2]) + array.tobytes()
        size = self.observation.size
        out = np.zeros((len(rows), size + 2))
        call, row = ("reset", None) if kind == RESET else ("step", None)
        try:
            if kind == RESET:
                for line, row, seed in zip(out, rows, struct.unpack(f"<{len(rows)}Q", payload)):
                    self.reset(row, seed, line[:size])
            else:
                actions = np.frombuffer(payload, dtype="<f4").reshape(len(rows), -1)
                convert, write, environments = self.action.of, self.observation.write, self.environments
                for line, row, action in zip(out, rows, actions):
                    answered = environments[row].step(convert(action))
                    if len(answered) != 5:
                        raise ValueError(f"`step` gave {len(answered)} values, Gymnasium's gives five")
                    observation, reward, terminated, truncated, _ = answered
                    write(observation, line[:size])
                    line[size] = reward
                    line[size + 1] = bool(terminated) + 2 * bool(truncated)
        except Refusal:
            raise
        except (Exception, SystemExit) as error:
            raise Failure(row, call, f"raised {told(error)}") from error
        if not np.isfinite(out).all():
            line, entry = np.argwhere(~np.isfinite(out))[0]
            where = f"entry {entry} of the observation" if entry < size else "the reward"
            raise Failure(rows[line], call, f"gave {out[line, entry]} as {where}")
        return out.tobytes()

    def reset(self, row, seed, line):
        answered = self.environment(row).reset(seed=seed)
        if not (isinstance(answered, tuple) and len(answered) == 2):
            raise ValueError("`reset` gave no pair of observation and info, as Gymnasium's does")
        self.observation.write(answered[0], line)

    def repeats(self):
        """Whether a seed decides where an episode starts."""
        starts = self.np.zeros((2, self.observation.size))
        try:
            for line in starts:
                self.reset(0, 0, line)
        except (Exception, SystemExit) as error:
            raise Refusal("make", f"`reset(seed=0)` raised {told(error)}", "mend the environment") from error
        return bool((starts[0] == starts[1]).all())

    def serve(self):
        pending = b""
        while True:
            while len(pending) < 8:
                pending += receive(self.connection)
            kind, count = struct.unpack_from("<II", pending)
            each = 4 + (8 if kind == RESET else 4 * self.entries if kind == STEP else 0)
            needed = 8 + count * each
            while len(pending) < needed:
                pending += receive(self.connection)
            rows = struct.unpack_from(f"<{count}I", pending, 8)
            payload = pending[8 + 4 * count : needed]
            pending = pending[needed:]
            send(self.connection, 0, self.answer(kind, rows, payload))

    @property
    def entries(self):
        described = self.action.described
        return {"continuous": len(described.get("low", ())), "discrete": 1}.get(described["kind"]) or len(described["choices"])


class Failure(Exception):
    """What an environment did while it was played."""

    def __init__(self, row, call, reason):
        super().__init__(reason)
        self.row, self.call = row, call


def receive(connection):
    some = connection.recv(1 << 20)
    if not some:
        os._exit(0)
    return some


def send(connection, status, payload):
    connection.sendall(struct.pack("<II", status, len(payload)) + payload)


def main():
    # The protocol has a socket of its own: whatever the environment reads or prints does not meet it.
    connection = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pending = b""
    while len(pending) < 4 or len(pending) < 4 + struct.unpack_from("<I", pending)[0]:
        pending += receive(connection)
    try:
        server = Server(json.loads(pending[4:]), connection)
        send(connection, 0, json.dumps(server.description).encode())
        server.serve()
    except Failure as failure:
        send(connection, 1, json.dumps({"row": failure.row, "call": failure.call, "reason": str(failure), "cure": ""}).encode())
    except Refusal as refusal:
        send(connection, 1, json.dumps({"kind": refusal.kind, "reason": str(refusal), "cure": refusal.cure}).encode())
    except BrokenPipeError:
        pass
    except BaseException as error:
        send(connection, 1, json.dumps({"kind": "bridge", "reason": f"raised {told(error)}", "cure": ""}).encode())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


main()
