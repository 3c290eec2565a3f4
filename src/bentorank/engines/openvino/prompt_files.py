"""A converted model's prompts as a file, so that serving takes neither transformers nor a template's code.

Kept with it is what they were made of: a model that is asked otherwise since is refused, as its scores would be others.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from bentorank.engines.prompts import FAMILIES, Prompt
from bentorank.engines.recognition import chat_template
from bentorank.engines.stored_files import read_json
from bentorank.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from bentorank.engines.checkpoint import Checkpoint

# What JSON holds.
Json: TypeAlias = Any

_QUERY: Final = {"slot": "query"}
_INSTRUCTION: Final = {"slot": "instruction"}
_ODD_TEXT: Final = ' \n <a href="b">\'&é数</a>{{ }} \t'


def origin_of(checkpoint: Checkpoint) -> dict[str, Json]:
    """What a model's prompts, and what its score is read from, follow from."""
    answer, template = checkpoint.answer, chat_template(checkpoint.folder) if checkpoint.has_chat_template else None
    return {
        "prompt_format": checkpoint.prompt_format,
        "answer": None if answer is None else [answer.true, answer.false],
        "two_labels": checkpoint.two_labels,
        "chat_template": None if template is None else hashlib.sha256(template.encode()).hexdigest(),
    }


def write_prompt(prompt: Prompt, checkpoint: Checkpoint) -> str:
    """The file's text. Raises ConfigurationError where the instruction is not put into the prompt as it is."""
    return json.dumps({"origin": origin_of(checkpoint), "prompt": _described(prompt, checkpoint)}, indent=2) + "\n"


def read_prompt(file: Path, checkpoint: Checkpoint) -> Prompt:
    """The prompt of a converted model. Raises ConfigurationError where it was converted for another one."""
    stored = read_json(file)
    if not isinstance(stored, dict) or stored.get("origin") != origin_of(checkpoint):
        raise ConfigurationError(
            f"the model {checkpoint.name} was converted for OpenVINO with another prompt or answer than it is to be"
            " asked for now: set BENTORANK_PROMPT_FORMAT and BENTORANK_TWO_LABELS as they were, export it again, or"
            " remove openvino/"
        )
    if checkpoint.prompt_format is not None:
        return FAMILIES[checkpoint.prompt_format].prompt
    parts = stored["prompt"]
    heads = _Heads(parts["plain"], parts["instructed"], trims=parts["trims_instruction"])
    return Prompt(
        heads.head,
        lead=parts["lead"],
        glue=parts["glue"],
        ending=tuple(parts["ending"]),
        takes_instruction=parts["takes_instruction"],
        trims=parts["trims"],
    )


@dataclass(frozen=True, slots=True)
class _Heads:
    """All up to the passage, without an instruction and with one: texts, and slots for what is put there."""

    plain: list[Json]
    instructed: list[Json]
    trims: bool = False

    def head(self, instruction: str | None, query: str) -> str:
        """As of a Prompt."""
        if not instruction:
            return _filled(self.plain, "", query)
        return _filled(self.instructed, instruction.strip() if self.trims else instruction, query)


def _filled(parts: list[Json], instruction: str, query: str) -> str:
    return "".join(query if part == _QUERY else instruction if part == _INSTRUCTION else part for part in parts)


def _described(prompt: Prompt, checkpoint: Checkpoint) -> dict[str, Json] | None:
    """The prompt as JSON; None of one that is known by its name."""
    if checkpoint.prompt_format is not None:
        return None
    heads = _heads_of(prompt, checkpoint)
    return {
        "plain": heads.plain,
        "instructed": heads.instructed,
        "lead": prompt.lead,
        "glue": prompt.glue,
        "ending": prompt.ending,
        "takes_instruction": prompt.takes_instruction,
        "trims": prompt.trims,
        "trims_instruction": heads.trims,
    }


def _heads_of(prompt: Prompt, checkpoint: Checkpoint) -> _Heads:
    query, instruction = token_hex(16), token_hex(16)
    slots = {query: _QUERY, instruction: _INSTRUCTION}

    def parts(head: str) -> list[Json]:
        return [slots.get(part, part) for part in re.split(f"({query}|{instruction})", head) if part]

    plain = parts(prompt.head(None, query))
    if not prompt.takes_instruction:
        return _Heads(plain, plain)
    heads = _Heads(plain, parts(prompt.head(instruction, query)))
    for candidate in (heads, replace(heads, trims=True)):
        if candidate.head(_ODD_TEXT, query) == prompt.head(_ODD_TEXT, query):
            return candidate
    raise ConfigurationError(
        f"the model {checkpoint.name} has a chat template that alters instructions, which the openvino engine does not"
        " do: use the torch engine"
    )
