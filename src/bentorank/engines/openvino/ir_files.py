"""Whether both files of an OpenVINO model (IR) are there and whole: a structure in XML, and its weights beside it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bentorank.engines.stored_files import refuse_pointer
from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

# Where a constant of the structure stands among the weights.
_PLACE: Final = re.compile(rb'<data\b[^>]*?\boffset="(\d+)"[^>]*?\bsize="(\d+)"')
_END: Final = b"</net>"


def require_whole(xml: Path) -> None:
    """Raises ConfigurationError, naming the file, where one of the two is missing, cut off or a Git LFS pointer."""
    weights = xml.with_suffix(".bin")
    for file, other in ((xml, weights), (weights, xml)):
        if not file.exists():
            raise ConfigurationError(f"the model's openvino/{other.name} is there without {file.name}: copy both")
        refuse_pointer(file)
    structure = xml.read_bytes()
    if not structure.rstrip().endswith(_END):
        raise ConfigurationError(f"the model's openvino/{xml.name} was cut off after {len(structure)} bytes")
    needed = max((int(offset) + int(size) for offset, size in _PLACE.findall(structure)), default=0)
    found = weights.stat().st_size
    if found < needed:
        raise ConfigurationError(
            f"the model's openvino/{weights.name} has {found} bytes, and {xml.name} reads {needed}: it was cut off, or"
            " belongs to another model"
        )
