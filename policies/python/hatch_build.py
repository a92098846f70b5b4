"""Packs what cargo built, a library or the command, and names the platform that it needs."""

import os
import re
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

ROOT = Path(__file__).parents[2]


def glibc_needed(binary: Path) -> tuple[int, int]:
    """The newest glibc that a symbol of the binary asks for, (2, 34), at least the one that Rust asks for."""
    versions = set()
    with binary.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if isinstance(section, GNUVerNeedSection):
                names = (auxiliary.name for _, needed in section.iter_versions() for auxiliary in needed)
                versions |= {found for name in names if (found := re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)?", name))}
    return max((2, 17), *((int(found[1]), int(found[2])) for found in versions))


def architecture(binary: Path) -> str:
    """The processor that it runs on, as a platform tag names it."""
    with binary.open("rb") as file:
        return {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}[ELFFile(file)["e_machine"]]


def version() -> str:
    found = re.search(r'(?m)^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text())
    assert found
    return found[1]


def pinned(package: str) -> str:
    """The version that the command is built with, as `requirements.txt` pins it."""
    found = re.search(rf"(?m)^{package}==(\S+)", (ROOT / "requirements.txt").read_text())
    assert found
    return found[1]


class Metadata(MetadataHookInterface):
    """What the one wheel asks of the other, and the command of its libraries."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        if metadata["name"] == "aaren":
            where = "sys_platform == 'linux' and platform_machine == 'x86_64'"
            metadata["optional-dependencies"] = {
                "gymnasium": ["gymnasium>=1.0"],
                "train": [f"aaren-command=={version()}; {where}"],
            }
        else:
            metadata["dependencies"] = [f"{package}=={pinned(package)}" for package in ("torch", "mujoco")]


class Wheel(BuildHookInterface):
    """`AAREN_LIBRARY` names the library, `AAREN_COMMAND` the command; `make wheel` sets them."""

    PLUGIN_NAME = "custom"

    def initialize(self, _: str, build_data: dict[str, Any]) -> None:
        is_command = self.metadata.name == "aaren-command"
        binary = Path(os.environ["AAREN_COMMAND" if is_command else "AAREN_LIBRARY"])
        major, minor = glibc_needed(binary)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_{major}_{minor}_{architecture(binary)}"
        include = build_data["force_include"]
        if not is_command:
            include[str(binary)] = "aaren/libaaren_streaming_c.so"
            return
        # What the console script compares with, without reading this wheel's metadata.
        about = binary.with_name("about.py")
        about.write_text(
            '"""The command of aaren, and what it was built for."""\n\n'
            f'VERSION = "{version()}"\nTORCH = "{pinned("torch")}"\nMUJOCO = "{pinned("mujoco")}"\n'
            f'GLIBC = "{major}.{minor}"\n'
        )
        include[str(about)] = "aaren_command/__init__.py"
        include[str(binary)] = "aaren_command/aaren"
        # Gymnasium's models of MuJoCo, under its licence.
        site = ROOT / ".deps/site"
        for model in sorted((site / "gymnasium/envs/mujoco/assets").glob("*.xml")):
            include[str(model)] = f"aaren_command/assets/{model.name}"
        (licence,) = site.glob("gymnasium-*.dist-info/**/LICENSE")
        include[str(licence)] = "aaren_command/assets/LICENSE"
