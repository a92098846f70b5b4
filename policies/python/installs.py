"""Installs the two wheels in five ways, with torch and MuJoCo, and runs the first YAML of the README in each, in an empty
folder where neither Cargo nor this repository is on any path.

`python installs.py WHEELS LIBRARIES`: the folder of the wheels, and a folder of unpacked packages (torch, mujoco, numpy and
what they need) that each environment gets by hard links instead of 1.5 GB of its own. Exits with 1 where one fails.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SMALL = ["seeds=[0]", "train.updates=30", "train.warmup=1", "evaluate.every=30", "evaluate.episodes=2"]


def yaml() -> str:
    """The first experiment of the package's README."""
    found = re.search(r"```yaml\n(.*?)```", (Path(__file__).parent / "README.md").read_text(), re.DOTALL)
    assert found
    return found[1]


def run(*command: object, **options: object) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return str(done.stdout)


class Kind:
    """One way to install: where the libraries go, how the wheels get there, and how the command is called."""

    def __init__(self, folder: Path, wheels: list[Path], libraries: Path) -> None:
        self.folder, self.wheels, self.libraries = folder, wheels, libraries
        self.environment = {"PATH": os.defpath, "HOME": str(folder / "home"), "LANG": "C.UTF-8"}
        (folder / "home").mkdir(parents=True)

    def link(self, site: Path) -> None:
        """What `pip install` would download, into a folder of packages."""
        site.mkdir(parents=True, exist_ok=True)
        run("cp", "-al", f"{self.libraries}/.", site)

    def pip(self, python: Path, *arguments: object) -> None:
        pip = ("-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "install", "--no-index", "--no-deps")
        run(python, *pip, *arguments, *self.wheels, env=self.environment)


def packages(python: Path) -> Path:
    return Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('platlib'))").strip())


def venv(kind: Kind, *options: str) -> Path:
    run(sys.executable, "-m", "venv", *options, kind.folder / "venv")
    return kind.folder / "venv/bin/python"


def in_venv(kind: Kind) -> list[Path]:
    python = venv(kind)
    kind.link(packages(python))
    kind.pip(python)
    return [kind.folder / "venv/bin/aaren"]


def in_user(kind: Kind) -> list[Path]:
    python = Path(sys.base_prefix) / "bin" / Path(sys.executable).name
    user = run(python, "-c", "import site; print(site.getusersitepackages())", env=kind.environment)
    kind.link(Path(user.strip()))
    kind.pip(python, "--user", "--break-system-packages")
    return [kind.folder / "home/.local/bin/aaren"]


def in_target(kind: Kind) -> list[Path]:
    target = kind.folder / "target"
    kind.pip(Path(sys.executable), "--target", target)
    kind.link(target)
    kind.environment["PYTHONPATH"] = str(target)
    return [target / "bin/aaren"]


def in_uv_tool(kind: Kind) -> list[Path]:
    kind.environment |= {"UV_TOOL_DIR": str(kind.folder / "tools"), "UV_TOOL_BIN_DIR": str(kind.folder / "bin")}
    kind.environment |= {"UV_CACHE_DIR": str(kind.folder / "cache"), "UV_OFFLINE": "1", "UV_PYTHON": sys.executable}
    overrides = kind.folder / "nothing-else.txt"
    # The packages that the libraries are, which the links bring.
    overrides.write_text("".join(f"{name}; python_version < '3'\n" for name in ("torch", "mujoco", "numpy")))
    (runtime,) = [wheel for wheel in kind.wheels if wheel.name.startswith("aaren-")]
    found = ("--find-links", runtime.parent, "--no-index", "--overrides", overrides)
    run("uv", "tool", "install", *found, f"aaren[train] @ file://{runtime}", env=uv_path(kind))
    (site,) = (kind.folder / "tools/aaren/lib").glob("python*/site-packages")
    kind.link(site)
    return [kind.folder / "bin/aaren"]


def uv_path(kind: Kind) -> dict[str, str]:
    uv = shutil.which("uv") or sys.exit("uv is missing")
    return {**kind.environment, "PATH": f"{Path(uv).parent}{os.pathsep}{os.defpath}"}


def beside_the_systems(kind: Kind) -> list[Path]:
    """torch and MuJoCo are the system's; only the wheels are in the virtual environment."""
    system = kind.folder / "system"
    kind.link(system)
    python = venv(kind, "--system-site-packages")
    kind.pip(python)
    (packages(python) / "system.pth").write_text(f"{system}\n")
    return [kind.folder / "venv/bin/aaren"]


KINDS = {
    "venv": in_venv,
    "pip --user": in_user,
    "pip --target": in_target,
    "uv tool": in_uv_tool,
    "venv with system site packages": beside_the_systems,
}


def main() -> None:
    wheels, libraries = Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute()
    only = sys.argv[3:] or list(KINDS)
    # On the file system of the libraries, for the links.
    for name in only:
        with tempfile.TemporaryDirectory(prefix="aaren-install-", dir=libraries.parent) as temporary:
            kind = Kind(Path(temporary), sorted(wheels.glob("*.whl")), libraries)
            command = KINDS[name](kind)
            empty = kind.folder / "empty"
            empty.mkdir()
            (empty / "my.yaml").write_text(yaml())
            options = {"cwd": empty, "env": kind.environment}
            checked = run(*command, "--version", **options).strip()
            start = time.perf_counter()
            sets = [word for key in SMALL for word in ("--set", key)]
            table = run(*command, "run", "my.yaml", *sets, **options)
            assert (empty / "results/my/summary.json").is_file() and "| aaren " in table, table
            print(f"{name}: {checked}; {time.perf_counter() - start:.0f} s\n{table}", flush=True)


if __name__ == "__main__":
    main()
