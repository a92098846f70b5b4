"""Installs the two wheels in five ways, with torch and MuJoCo, and runs the first YAML of the README and the demo in each,
in an empty folder where neither Cargo nor this repository is on any path.

`python installs.py WHEELS LIBRARIES [KIND]…`: the folder of the wheels, and a folder of unpacked packages (torch, mujoco,
numpy and what they need) that each environment gets by hard links instead of 1.5 GB of its own. Exits with 1 where one fails.
The demo takes five minutes of two cores: one kind runs it whole, the others its policies and tasks with fewer updates.
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
# Of a grid a dataset's own settings win, so the demo's list of tasks is replaced by one without any.
TASKS = {"popgym-repeat-first-medium-expert": "popgym-RepeatFirstMedium-v0", "hopper-medium-expert": "Hopper-v4"}
LIST = ", ".join(f"{{dataset: {dataset}, env: {env}}}" for dataset, env in TASKS.items())
SHORT = [*SMALL, f"dataset=[{LIST}]", "train.batch=8", "evaluate.target_returns=[1]", "evaluate.return_scale=1"]
WHOLE = "venv"


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
    run(uv(), "tool", "install", *found, f"aaren[train] @ file://{runtime}", env=kind.environment)
    (site,) = (kind.folder / "tools/aaren/lib").glob("python*/site-packages")
    kind.link(site)
    return [kind.folder / "bin/aaren"]


def uv() -> str:
    """That of this environment, else of the PATH."""
    found = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    return found or sys.exit("uv is missing: pip install -r policies/python/requirements.txt")


def beside_the_systems(kind: Kind) -> list[Path]:
    """torch and MuJoCo are the system's; only the wheels are in the virtual environment."""
    system = kind.folder / "system"
    kind.link(system)
    python = venv(kind, "--system-site-packages")
    kind.pip(python)
    (packages(python) / "system.pth").write_text(f"{system}\n")
    return [kind.folder / "venv/bin/aaren"]


def overrides(keys: list[str]) -> list[str]:
    return [word for key in keys for word in ("--set", key)]


KINDS = {
    WHOLE: in_venv,
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
            version = run(*command, "--version", **options).strip()
            table = run(*command, "run", "my.yaml", *overrides(SMALL), **options)
            assert (empty / "results/my/summary.json").is_file() and "| aaren " in table, table
            print(f"{name}: {version}\n{table}", flush=True)
            start = time.perf_counter()
            said = run(*command, "run", "demo", "--jobs", 2, "--html", *overrides([] if name == WHOLE else SHORT), **options)
            done = [task for task in TASKS if (empty / "results/demo" / task / "summary.json").is_file()]
            assert done == list(TASKS) and (empty / "results/demo/report.html").is_file(), said
            print(f"{name}: aaren run demo, {time.perf_counter() - start:.0f} s\n{said}", flush=True)


if __name__ == "__main__":
    main()
