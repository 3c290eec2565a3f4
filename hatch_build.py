"""The description that indexes show: the README, where its pictures and its links into the repository lead nowhere."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURES = r"<picture>.*?</picture>\n*|!\[[^\]]*\]\([^)]*\)\n*"
RELATIVE_LINK = r"\[([^\]]+)\]\((?!https?://|#)[^)]*\)"


class Description(MetadataHookInterface):
    """Found by hatchling, as the one hook of this file."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the field that pyproject.toml leaves open."""
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = re.sub(RELATIVE_LINK, r"\1", re.sub(PICTURES, "", text, flags=re.DOTALL))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
