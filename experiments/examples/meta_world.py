"""A task of Meta-World whose seed decides its episode."""

import gymnasium
import metaworld  # noqa: F401


class Seeded(gymnasium.Wrapper):
    """Meta-World draws the task of an episode before `reset(seed=…)` reaches its generator: so it is reset twice."""

    def reset(self, seed=None, options=None):
        if seed is not None:
            self.env.reset(seed=seed, options=options)
        return self.env.reset(options=options)


def make_env(name, render_mode=None):
    return Seeded(gymnasium.make("Meta-World/MT1", env_name=name, seed=42, render_mode=render_mode, disable_env_checker=True))
