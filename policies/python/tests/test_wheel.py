"""The wheel as a user meets it: installed into a fresh environment, with the Python of the README and the guides."""

import email
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, Trained


@pytest.fixture(scope="module")
def wheel() -> Path:
    (wheel,) = (ROOT / "target/wheel").glob("aaren-*.whl")
    return wheel


@pytest.fixture(scope="module")
def fresh_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel in it, and what it depends on lent from this one: no network."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-index", "--no-deps", wheel]
    subprocess.run(command, check=True, capture_output=True)
    ours = Path(sysconfig.get_path("purelib"))
    lent = folder.parent / "lent"
    lent.mkdir()
    for package in ours.iterdir():
        if not package.name.startswith("aaren"):
            (lent / package.name).symlink_to(package)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(f"{lent}\n")
    return python


def run(python: Path, code: str, folder: Path) -> str:
    done = subprocess.run([python, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def examples(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def test_the_platform_tag_is_true(wheel: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "auditwheel", "show", wheel], check=True, capture_output=True, text=True
    )
    tag = wheel.stem.split("-")[-1]
    assert tag.startswith("manylinux_2_")
    assert f'platform tag: "{tag}"' in " ".join(shown.stdout.split())
    assert wheel.stem.endswith(f"-py3-none-{tag}")


def test_the_packages_page_and_what_it_asks_for(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        page = email.message_from_string(file.read(metadata).decode())
    assert {"aaren/py.typed", "aaren/CHANGELOG.md", "aaren/LICENSE-MIT", "aaren/LICENSE-APACHE"} <= names
    needed = [one for one in page.get_all("Requires-Dist", []) if "extra ==" not in one]
    assert needed == ["numpy>=1.24"] and "train" in page.get_all("Provides-Extra", [])
    assert page["Requires-Python"] == ">=3.10" and page["License-Expression"] == "MIT OR Apache-2.0"
    # As it stands in the package: the example, and how to train.
    assert str(page.get_payload()).strip() == (ROOT / "policies/python/README.md").read_text().strip()


@pytest.mark.parametrize("page", ["README.md", "docs/src/guides/deploy-python.md"])
def test_the_lines_that_act_in_an_environment_run(fresh_python: Path, demo: Path, tmp_path: Path, page: str) -> None:
    shutil.copy(demo / "aaren.safetensors", tmp_path / "policy.safetensors")
    first = examples(page)[0]
    assert len(first.splitlines()) <= 11
    said = run(fresh_python, first + "\nprint(aaren.__file__, end if 'end' in vars() else done, reward)", tmp_path)
    episode_return, last = said.splitlines()[-2:]
    assert float(episode_return) > 1000 and last.startswith(str(fresh_python.parents[1])) and "True" in last
    short = examples("policies/python/README.md")[0]
    assert short == examples("docs/src/guides/deploy-python.md")[0]


def test_three_lines_read_results_into_pandas(fresh_python: Path, hopper: dict[str, Trained], tmp_path: Path) -> None:
    results = hopper["aaren"].folder.parent
    shutil.copytree(results, tmp_path / "results/corridor")
    shutil.copytree(hopper["aaren"].folder, tmp_path / "results/corridor/aaren-seed0")
    (second,) = examples("docs/src/guides/reports.md")
    assert len(second.splitlines()) == 3
    said = run(
        fresh_python,
        second + "\nprint(len(summary), summary['raw_return.mean'].notna().all(), metrics['train/loss'].count())",
        tmp_path,
    )
    assert said.split() == [str(2 * len(hopper)), "True", "2"]


def test_the_package_needs_nothing_but_numpy(fresh_python: Path, tmp_path: Path) -> None:
    code = "import sys, aaren; {}; print(*sorted(name for name in sys.modules if '.' not in name))"
    loaded = set(run(fresh_python, code.format("aaren.Policy"), tmp_path).split())
    assert "numpy" in loaded
    assert not loaded & {"torch", "gymnasium", "pandas", "mujoco"}
    # What the command begins with.
    assert "numpy" not in run(fresh_python, code.format("import aaren._command"), tmp_path).split()
