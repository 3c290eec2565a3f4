"""What published clients send, sent again as it was recorded: the answer has all that the client reads.

`recorded_requests.json` is written by `tests/integrations/run-clients .venv/bin/uv ENVIRONMENT --record` while the
clients themselves run: by environment a list of `client` (the distribution, or `npm:` and the package), `version`,
`method`, `path`, `headers` (those that an answer may depend on, with `{key}` for the key), `body` to the byte, and the
`status` of the answer.
Equal requests of one version stand there once.
"""

import json
from pathlib import Path

import pytest
from support.contract import ContractClient, check_envelope

KEY = "a-key-of-the-tests"
SCORED = ("results[].index", "results[].relevance_score")
VOYAGE = ("data[].index", "data[].relevance_score", "usage.total_tokens")
MIXEDBREAD = (
    "data[].index",
    "data[].score",
    "model",
    "usage.prompt_tokens",
    "usage.total_tokens",
    "top_k",
    "return_input",
)
NIM = ("rankings[].index", "rankings[].logit")
TEI = ("[].index", "[].score")
MODELS = ("data[].id", "data[].owned_by", "data[].created", "data[].object", "data[].backend", "data[].stats")

READ_BY_CLIENT = {
    "cohere": (*SCORED, "id", "meta.api_version.version", "meta.billed_units.search_units"),
    "cohere-haystack": SCORED,
    "huggingface-api-haystack": TEI,
    "infinity_client": (*SCORED, "object", "model", "usage.prompt_tokens", "usage.total_tokens", "id", "created"),
    "jina-haystack": (*SCORED, "model", "usage"),
    "langchain-cohere": SCORED,
    "langchain-community": SCORED,
    "langchain-nvidia-ai-endpoints": NIM,
    "langchain-voyageai": VOYAGE,
    "llama-index-postprocessor-cohere-rerank": SCORED,
    "llama-index-postprocessor-jinaai-rerank": SCORED,
    "llama-index-postprocessor-mixedbreadai-rerank": MIXEDBREAD,
    "llama-index-postprocessor-nvidia-rerank": NIM,
    "llama-index-postprocessor-siliconflow-rerank": SCORED,
    "llama-index-postprocessor-tei-rerank": TEI,
    "llama-index-postprocessor-voyageai-rerank": VOYAGE,
    "llama-index-postprocessor-xinference-rerank": SCORED,
    "mixedbread": MIXEDBREAD,
    "npm:@ai-sdk/cohere": (*SCORED, "meta"),
    "npm:@ai-sdk/togetherai": (*SCORED, *(f"usage.{kind}_tokens" for kind in ("prompt", "completion", "total"))),
    "npm:@ai-sdk/voyage": VOYAGE,
    "npm:@langchain/cohere": SCORED,
    "npm:@langchain/mixedbread-ai": MIXEDBREAD,
    "npm:@mixedbread/sdk": MIXEDBREAD,
    "npm:cohere-ai": SCORED,
    "npm:voyage-ai-provider": (*VOYAGE, "object", "model"),
    "npm:voyageai": VOYAGE,
    "nvidia-haystack": NIM,
    "vllm-haystack": (*SCORED, "model", "usage.total_tokens"),
    "voyageai": VOYAGE,
    "xinference-client": (*SCORED, "meta.tokens.input_tokens"),
}
# Whoever asks.
READ_BY_PATH = {
    "/health": (),
    "/infinity/health": (),
    "/infinity/models": (*MODELS, "data[].capabilities"),
    "/models": (*MODELS, "data[].capabilities"),
    "/v1/cluster/auth": ("auth",),
    "/v1/models": ("data[].id",),
    "/v1/models/starter": ("model_type",),
}

RECORDED = [
    pytest.param(record, id=f"{record['client']}-{record['version']}-{number}")
    for records in json.loads(Path(__file__).with_name("recorded_requests.json").read_text()).values()
    for number, record in enumerate(records)
]
WITH_KEY = [case for case in RECORDED if "authorization" in case.values[0]["headers"]]


def found(value, path):
    """The values at a path such as `results[].index`; fails with KeyError where there is none."""
    name, _, rest = path.partition(".")
    items = [value[name.removesuffix("[]")] if name != "[]" else value]
    if name.endswith("[]"):
        (items,) = items
        assert items
    return [leaf for item in items for leaf in found(item, rest)] if rest else items


def wishes(record):
    """What this request asks to have back beside the scores."""
    body = json.loads(record["body"] or "{}")
    if body.get("return_input"):
        return ("data[].input",)
    if body.get("return_documents"):
        if record["client"] == "npm:voyageai":
            return ("data[].document",)
        return ("results[].document",) if record["path"] == "/infinity/rerank" else ("results[].document.text",)
    return ()


@pytest.fixture(scope="module")
def keyed_client(fleet):
    """A client of a server behind a key, whose model has the name that the clients asked for."""
    with ContractClient(fleet("recorded", engine="fake", served_model_name="starter", api_keys=KEY).url) as client:
        yield client


def send(client, record, key=KEY):
    headers = {name: value.format(key=key) for name, value in record["headers"].items()}
    return client.request(record["method"], record["path"], content=record["body"].encode(), headers=headers)


@pytest.mark.parametrize("record", RECORDED)
def test_the_answer_has_what_the_client_reads(keyed_client, client, record):
    """The status that the client got, and each field that it reads; those who sent no key ask a service without."""
    response = send(keyed_client if "authorization" in record["headers"] else client, record)
    assert response.status_code == record["status"], response.text
    if response.status_code == 200:
        answer = response.json()
        read = READ_BY_PATH.get(record["path"], READ_BY_CLIENT[record["client"]])
        for path in (*read, *wishes(record)):
            assert None not in found(answer, path), path
    else:
        check_envelope(response)


@pytest.mark.parametrize("record", WITH_KEY)
def test_a_wrong_key_is_refused(keyed_client, record):
    """On every path that clients send a key to, however they show it."""
    response = send(keyed_client, record, key="not-the-key-of-the-tests")
    assert response.status_code == 401
    check_envelope(response)
