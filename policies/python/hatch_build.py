"""Packs the shared library that cargo built, and names the platform that it needs."""

import os
import re
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def glibc_needed(library: Path) -> tuple[int, int]:
    """The newest glibc that a symbol of the library asks for: (2, 34)."""
    versions = set()
    with library.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if isinstance(section, GNUVerNeedSection):
                names = (auxiliary.name for _, needed in section.iter_versions() for auxiliary in needed)
                versions |= {found for name in names if (found := re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)?", name))}
    return max((int(found[1]), int(found[2])) for found in versions)


def architecture(library: Path) -> str:
    """The processor that it runs on, as a platform tag names it."""
    with library.open("rb") as file:
        return {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}[ELFFile(file)["e_machine"]]


class Library(BuildHookInterface):
    """`AAREN_LIBRARY` names the library; `make wheel` sets it."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        library = Path(os.environ["AAREN_LIBRARY"])
        major, minor = glibc_needed(library)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_{major}_{minor}_{architecture(library)}"
        build_data["force_include"][str(library)] = "aaren/libaaren_streaming_c.so"
