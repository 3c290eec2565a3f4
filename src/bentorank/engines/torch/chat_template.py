"""The prompt that a checkpoint's chat template makes of a pair, as sentence-transformers renders it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from bentorank.engines.prompts import Prompt
from bentorank.engines.torch.template_time import in_template_time
from bentorank.errors import ConfigurationError, InvalidRequestError

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

# What is of sentence-transformers' own, or of the tokenizer, rather than of the template.
_NOT_THE_TEMPLATES: Final = ("restore_suffix", "padding", "truncation", "max_length", "return_tensors")
_REMEMBERED_INSTRUCTIONS: Final = 256

# Where texts meet a template their tokens may merge: of spaces, newlines and full stops with what stands around them.
_MEETING: Final = (
    ("tower height?", "The tower is 300 metres high."),
    ("how long", "A year"),
    ("how long", "Is it?"),
    ("lamp", "(light)"),
    ("", ""),
    (" lamp\n", " light "),
    ("lamp", "\nlight\n"),
)
_ORDINARY: Final = 4
_ODD_TEXT: Final = ' \n <a href="b">\'&é数</a>{{ }} \t'


@dataclass(frozen=True, slots=True)
class _Rendered:
    before: str
    between: str
    after: str


def prompt_of(model: CrossEncoder, name: str) -> Prompt:
    """The prompt of `model`, whose folder has a chat template. Raises ConfigurationError where it is not known."""
    template = _Template(model, name)
    plain, instructed = template.around(None), template.around("Find the lamp.")
    if instructed.after != plain.after:
        raise ConfigurationError(
            f"the model {name} has a chat template that puts the instruction after the document, which is not served"
        )
    prompts = [
        Prompt(
            partial(template.head, lead),
            lead=lead,
            glue=glue,
            ending=(plain.after.removeprefix(glue),),
            takes_instruction=instructed != plain,
            trims=template.trims,
        )
        for lead, glue in product(_leads(plain.between), _glues(plain.after))
    ]
    return max(prompts, key=lambda prompt: _likeness(prompt, template, model))


class _Template:
    """Renders pairs; any thread."""

    def __init__(self, model: CrossEncoder, name: str) -> None:
        module: Any = model[0]
        self._formatter = module.input_formatter
        self._processor = module.processor
        options = dict(module.processing_kwargs.get("chat_template") or {})
        self._options = {key: value for key, value in options.items() if key not in _NOT_THE_TEMPLATES}
        # No text has them by chance.
        self._query, self._passage = token_hex(16), token_hex(16)
        self._name = name
        self.around = lru_cache(_REMEMBERED_INSTRUCTIONS)(self._around)
        self.trims = self._check_texts()

    def render(self, instruction: str | None, query: str, passage: str) -> str:
        """The whole prompt. Raises what the template raises, and TimeoutError for one that does not end."""
        messages = self._formatter.pair_to_messages((self._query, self._passage))
        for message, text in zip(messages, (query, passage), strict=True):
            message["content"] = _with_text(message["content"], text)
        if instruction:
            messages = self._formatter.prepend_prompt_to_messages([messages], instruction)[0]
        with in_template_time():
            return str(self._processor.apply_chat_template(messages, tokenize=False, **self._options))

    def head(self, lead: str, instruction: str | None, query: str) -> str:
        """All up to what is tokenised with the passage. Raises InvalidRequestError for an instruction that fails."""
        try:
            around = self.around(instruction)
        except ConfigurationError as error:
            raise InvalidRequestError(
                "the model's chat template fails with this instruction", field="instruction"
            ) from error
        return f"{around.before}{query}{around.between.removesuffix(lead)}"

    def _around(self, instruction: str | None) -> _Rendered:
        try:
            text = self.render(instruction, self._query, self._passage)
        except Exception as error:
            raise ConfigurationError(
                f"the model {self._name} has a chat template that fails on a query and a document:"
                f" {type(error).__name__}"
            ) from error
        before, query, rest = text.partition(self._query)
        between, passage, after = rest.partition(self._passage)
        if not query or not passage or self._query in rest or self._passage in after:
            raise ConfigurationError(
                f"the model {self._name} has a chat template that does not put the query and then the document into its"
                " prompt, each once"
            )
        return _Rendered(before, between, after)

    def _check_texts(self) -> bool:
        """Whether texts are trimmed. Raises ConfigurationError where they are altered otherwise."""
        around = self.around(None)
        rendered = self.render(None, _ODD_TEXT, _ODD_TEXT)
        for trims, text in ((False, _ODD_TEXT), (True, _ODD_TEXT.strip())):
            if rendered == f"{around.before}{text}{around.between}{text}{around.after}":
                return trims
        raise ConfigurationError(f"the model {self._name} has a chat template that alters texts, which is not served")


def _with_text(content: Any, text: str) -> Any:  # noqa: ANN401 - flat or structured, as the template wants it
    return text if isinstance(content, str) else [{"type": "text", "text": text}]


def _leads(between: str) -> list[str]:
    """What to tokenise with a passage: a space merges with the word after it, a newline perhaps with what it ends."""
    return list(dict.fromkeys([between[len(between.rstrip()) :], between[len(between.rstrip(" ")) :], ""]))


def _glues(after: str) -> list[str]:
    """As `_leads`: a full stop merges with a newline or a bracket after it."""
    spaces, marks = re.match(r"\s*", after), re.match(r"[^\w<]*", after)
    assert spaces is not None, "bug: an expression that matches nothing too"
    assert marks is not None, "bug: an expression that matches nothing too"
    return list(dict.fromkeys([spaces.group(), marks.group(), ""]))


def _likeness(prompt: Prompt, template: _Template, model: CrossEncoder) -> int:
    """How many of the pairs have the tokens of the text as a whole."""
    tokenizer: Any = model.tokenizer.backend_tokenizer

    def ids(*texts: str) -> list[int]:
        return [token for text in texts for token in tokenizer.encode(text, add_special_tokens=False).ids]

    def alike(query: str, passage: str) -> bool:
        query, passage = (text.strip() if prompt.trims else text for text in (query, passage))
        parts = (prompt.head(None, query), f"{prompt.lead}{passage}{prompt.glue}", *prompt.ending)
        return ids(*parts) == ids(template.render(None, query, passage))

    return sum(alike(*pair) * (len(_MEETING) if place < _ORDINARY else 1) for place, pair in enumerate(_MEETING))
