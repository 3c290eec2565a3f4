"""Several models on one service: which of them answers, and what each of them is."""

from __future__ import annotations

import json

import pytest
from bentorank_client import AuthenticationError, BadRequestError, InvalidResponseError, ModelInfo, RerankRequest
from support.keys import KEY
from support.scripted_server import answer

BEYOND = "filler " * 20 + "alpha"


def test_a_call_names_the_model_or_else_the_client(make_client, several):
    """By name or alias; without one the first of the service's answers. The result says which it was."""
    client = make_client(base_url=several.url, model="small", overflow="truncate")
    small = client.rerank("alpha", [BEYOND])
    assert (small.model, small[0].truncated) == ("small", True)
    for name in ("big", "large"):
        big = client.rerank("alpha", [BEYOND], model=name)
        assert (big.model, big[0].truncated) == ("big", False)
        assert big[0].relevance_score > small[0].relevance_score
    assert make_client(base_url=several.url).rerank("alpha", [BEYOND]).model == "big"
    batch = [RerankRequest("alpha", [BEYOND]), RerankRequest("alpha", [BEYOND], model="big")]
    assert [result.model for result in client.rerank_batch(batch)] == ["small", "big"]


def test_a_model_that_is_not_there_is_named_with_those_that_are(make_client, several):
    """And raised whatever is to happen when a service fails: no other query would help."""
    client = make_client(base_url=several.url, model="huge", on_error="passthrough")
    with pytest.raises(
        BadRequestError, match=r"model: not served here; there are big, small, pruning \(check model"
    ) as caught:
        client.rerank("alpha", ["alpha"])
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


def test_all_models_are_described(make_client, several):
    """The first is the one that calls get which name none."""
    big, small, _ = make_client(base_url=several.url).models()
    assert (big.name, big.aliases, big.overflow, big.max_tokens) == ("big", ("large",), "truncate", 512)
    assert (small.name, small.aliases, small.overflow, small.max_tokens) == ("small", (), "chunk", 16)


def test_who_asks_for_models_shows_the_key(make_client, guarded_service):
    """Where keys are set."""
    (model,) = make_client(base_url=guarded_service.url, api_key=KEY).models()
    assert model.name == "served"
    with pytest.raises(AuthenticationError):
        make_client(base_url=guarded_service.url, api_key="").models()


def test_an_older_service_says_less_of_a_model(make_client, scripted):
    """What it does not say is as by default; what is no description is no answer."""
    said = {"name": "m", "engine": "e", "device": "cpu", "precision": "f32", "max_tokens": 9}
    more = {"aliases": ["n"], "overflow": "error", "takes_instruction": True}
    (model,) = make_client(base_url=scripted(answer(json.dumps({"models": [said | more]}).encode())).url).models()
    assert model == ModelInfo("m", "e", "cpu", "f32", 9, ("n",), "error", takes_instruction=True)
    for wrong in ({}, {"models": 3}, {"models": ["m"]}, {"models": [said]}):
        with pytest.raises(InvalidResponseError, match="GET /info"):
            make_client(base_url=scripted(answer(json.dumps(wrong).encode())).url).models()
