"""How to install what is missing: from a package index, or from a checkout."""

from __future__ import annotations


def install_extra(extra: str) -> str:
    """The command that adds an optional part of this package."""
    return install_package(f"'bentorank[{extra}]'", f"-e '.[{extra}]'")


def install_package(package: str, folder: str) -> str:
    """The command that installs a package of ours; `folder` is where it lies in a checkout."""
    return f"pip install {package} (in a checkout: pip install {folder})"
