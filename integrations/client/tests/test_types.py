"""What type checkers are told is what is true."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from importlib.metadata import version
from importlib.resources import files

import bentorank_client
from bentorank_client.arguments import Reading, ReadingArguments, RerankArguments
from bentorank_client.options import ClientArguments, ClientOptions
from bentorank_client.results import RerankRequest

RIGHT = """
import asyncio
from bentorank_client import AsyncReranker, RerankClient, Reranker, RerankRequest, RerankResult, SupportsRerank
from bentorank_client.service_fields import ServiceFields
from pydantic import SecretStr

films: list[dict[str, str]] = [{"title": "Owls"}]
client = Reranker(base_url=["http://a", "http://b"], api_key="key", overflow="chunk", rank_fields=["title"])
Reranker(api_key=SecretStr("key"))
result: RerankResult = client.rerank("q", films, rank_fields=("title",), top_n=1, timeout_s=2, score_mode="logit")
client.rerank("q", ["text"], on_deadline="partial", on_item_error="skip", no_cache=True)
client.rerank("q", ["text"], instruction="Find owls.", first_stage="embeddings", keep=9, truncation_side="left")
client.rerank("q", ["text", {"text": "mapping"}])
client.rerank_batch([RerankRequest("q", films, 3, overflow="error")])
start = result[0].span.start if result[0].span else 0
asyncio.run(AsyncReranker().rerank("q", films, max_tokens_per_doc=100))
any_client: SupportsRerank = RerankClient(model="m")
ServiceFields(api_key="key", client=any_client, base_url=("http://a",))
ServiceFields(api_key=SecretStr("key"), base_url=["http://a"], overflow="chunk")
"""
WRONG = [
    'Reranker(base_ur="http://a")',
    'Reranker().rerank("q", ["a"], overflow="cut")',
    'Reranker().rerank("q", ["a"], top_k=1)',
    'Reranker().rerank("q", ["a"], on_deadline="skip")',
    'Reranker().rerank("q", ["a"], keep="all")',
    'Reranker().rerank("q", [1])',
    'ServiceFields(base_ur="http://a")',
]


def names_and_types(arguments):
    return {name: reference.__forward_arg__ for name, reference in arguments.__annotations__.items()}


def test_arguments_are_the_fields():
    """The keyword arguments of clients and calls are written twice, for type checkers: the same names and types."""
    assert names_and_types(ReadingArguments) == {field.name: field.type for field in fields(Reading)}
    assert names_and_types(ClientArguments) == {option.name: option.type for option in fields(ClientOptions)}
    request = {field.name: field.type for field in fields(RerankRequest) if field.name not in {"query", "documents"}}
    assert names_and_types(RerankArguments) == request


def test_mypy_takes_what_works_and_refuses_what_does_not(tmp_path):
    """With pydantic's plugin and without: a text is a key, a dict is a document, a mistyped argument is none."""
    wrong = [f"{line}  # wrong" for line in WRONG]
    (tmp_path / "snippet.py").write_text("\n".join([RIGHT, *wrong]))
    (tmp_path / "plain.ini").write_text("[mypy]\nstrict = true\n")
    (tmp_path / "plugin.ini").write_text(
        "[mypy]\nstrict = true\nplugins = pydantic.mypy\n[pydantic-mypy]\ninit_typed = true\n"
    )
    for config in ("plain.ini", "plugin.ini"):
        command = [sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", config[:-4], "snippet.py"]
        said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120).stdout
        lines = (tmp_path / "snippet.py").read_text().splitlines()
        complaints = [lines[int(line.split(":")[1]) - 1] for line in said.splitlines() if ": error:" in line]
        assert sorted(set(complaints)) == sorted(wrong), said


def test_the_package_is_typed_and_knows_its_version():
    """For type checkers, and for bug reports."""
    assert files(bentorank_client).joinpath("py.typed").is_file()
    assert bentorank_client.__version__ == version("bentorank-client")
