"""A task of Meta-World whose seed decides its episode."""

import gymnasium
import metaworld  # noqa: F401


class Seeded(gymnasium.Wrapper):
    """Meta-World's `reset` ignores its seed; `seed` of the environment inside takes one."""

    def reset(self, seed=None, options=None):
        if seed is not None:
            self.unwrapped.seed(seed)
        return self.env.reset(seed=seed, options=options)


def make_env(name, render_mode=None):
    return Seeded(gymnasium.make("Meta-World/MT1", env_name=name, seed=42, render_mode=render_mode, disable_env_checker=True))
