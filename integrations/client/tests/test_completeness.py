"""Whatever the service may be asked for, and whatever it answers, the client and the frameworks' components have."""

from __future__ import annotations

from dataclasses import fields

import httpx2
import pytest
from bentorank_client import ModelInfo, RankedDocument, RerankRequest, RerankResult, Timings, Usage
from bentorank_client.arguments import RerankArguments
from bentorank_client.service_fields import ASKED_FIELDS, CLIENT_FIELDS, ServiceFields

# Other names of what is there, and what a client has otherwise.
REQUEST_ALIASES = {"top_k", "raw_scores", "use_activation", "truncate_prompt_tokens"}
NOT_ASKED = {"return_documents": "the caller has them", "deadline_ms": "timeout_s tells it in a header"}
ANSWER_ALIASES = {"query", "object", "created", "latency_ms", "meta", "content", "metadata", "document"}
NAMED_OTHERWISE = {"id": "request_id"}
USAGE_ALIASES = {"prompt_tokens", "completion_tokens"}
MODEL_DETAILS = {"max_batch_tokens"}


@pytest.fixture(scope="module")
def schemas(service):
    """What the service says of itself, by the names of its models."""
    return httpx2.get(f"{service.url}/openapi.json").json()["components"]["schemas"]


def names(kind):
    return {field.name for field in fields(kind)}


def test_all_that_a_request_may_have_may_be_asked_for(schemas):
    """By one name each."""
    said = schemas["RerankBody"]["properties"].keys() - REQUEST_ALIASES - NOT_ASKED.keys()
    assert said <= names(RerankRequest)
    # Headers, which the schema does not have.
    assert names(RerankRequest) - said == {"timeout_s", "no_cache", "no_store"}


def test_all_that_an_answer_may_have_is_kept(schemas):
    """Of the list, of each document, of what it cost, and of the models."""
    answer = {NAMED_OTHERWISE.get(name, name) for name in schemas["RerankResponse"]["properties"]}
    assert answer - ANSWER_ALIASES <= names(RerankResult)
    assert schemas["ResultBody"]["properties"].keys() - ANSWER_ALIASES - {"score", "pruned"} <= names(RankedDocument)
    assert schemas["UsageBody"]["properties"].keys() - USAGE_ALIASES <= names(Usage)
    assert schemas["TimingsBody"]["properties"].keys() <= names(Timings)
    assert schemas["ModelDetails"]["properties"].keys() - MODEL_DETAILS <= names(ModelInfo)


def test_a_component_has_all_that_a_call_has():
    """But for `rank_fields`, which are for mappings, and a deadline, which makes its client."""
    assert {*ASKED_FIELDS} | {"rank_fields", "timeout_s"} == RerankArguments.__annotations__.keys()
    assert {*ASKED_FIELDS, *CLIENT_FIELDS, "base_url", "api_key", "client"} == ServiceFields.model_fields.keys()
