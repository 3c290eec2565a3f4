"""A key stays where it is put: no repr, dict, error or log holds it."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from dataclasses import asdict

import pytest
from bentorank_client import AsyncReranker, ClientOptions, RerankClient, Reranker, RerankError, RerankRequest
from bentorank_client.service_fields import ServiceFields
from pydantic import SecretStr, ValidationError
from support.scripted_server import hang, ranking, status, vanish

KEY = "yranac"[::-1]  # so that no line of this file, which a traceback shows, holds it


def all_of(error):
    """Everything that a log might show of an error: its causes, contexts and attributes too."""
    shown = [*traceback.format_exception(error), *map(str, vars(error).values())]
    shown += [str(error.errors()), error.json()] if isinstance(error, ValidationError) else []
    for linked in (error.__cause__, error.__context__):
        if linked is not None:
            shown.append(all_of(linked))
    return "\n".join(shown)


@pytest.mark.parametrize("kind", [Reranker, AsyncReranker, RerankClient, ClientOptions])
def test_nothing_that_is_shown_holds_a_key(kind):
    """A repr, a dict of the options, a request."""
    made = kind(base_url="http://127.0.0.1:9", api_key=KEY)
    options = made if kind is ClientOptions else made.options
    shown = f"{made!r} {options} {asdict(options)} {options.as_arguments()} {RerankRequest(KEY, [KEY])!r}"
    assert KEY not in shown
    assert options.key.get_secret_value() == KEY
    assert copy.deepcopy(options) == pickle.loads(pickle.dumps(options)) == options


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "127.0.0.1"},
        {"base_url": f"http://{KEY}@host"},
        {"base_url": f"http://me:{KEY}@host"},
        {"base_url": f"http://host?key={KEY}"},
        {"base_url": f"http://host:{KEY}"},
        {"base_url": [f"ftp://{KEY}"]},
        {"base_url": {KEY: 1}},
        {"timeout_s": KEY},
        {"max_attempts": KEY},
        {"on_error": KEY},
        {"model": [KEY]},
        {"overflow": KEY},
        {"api_key": f"{KEY}\n"},
        {"api_key": [KEY]},
        {"api_kee": KEY},
    ],
)
@pytest.mark.parametrize("kind", [Reranker, AsyncReranker, RerankClient, ServiceFields])
def test_no_error_of_a_wrong_option_holds_a_key(kind, options):
    """Neither the one that is given rightly beside it, nor the one that is given wrongly."""
    with pytest.raises((ValueError, TypeError)) as caught:
        kind(**{"api_key": KEY} | options)
    assert KEY not in all_of(caught.value)


def test_no_error_of_the_environment_holds_a_key(monkeypatch):
    """The fields are right, and the client cannot be made all the same."""
    monkeypatch.setenv("BENTORANK_BASE_URL", f"http://me:{KEY}@host")
    for kind in (Reranker, ServiceFields):
        with pytest.raises(ValueError, match="takes no user name or password") as caught:
            kind(api_key=KEY)
        assert KEY not in all_of(caught.value)


@pytest.mark.parametrize("assigned", [{"base_url": f"http://me:{KEY}@host"}, {"api_key": f"{KEY}\n"}, {"model": [KEY]}])
def test_a_refused_assignment_leaves_nothing_behind(assigned):
    """The field is as it was."""
    fields = ServiceFields(api_key=KEY)
    ((name, value),) = assigned.items()
    with pytest.raises(ValidationError) as caught:
        setattr(fields, name, value)
    assert KEY not in all_of(caught.value)
    assert fields == ServiceFields(api_key=KEY)
    assert KEY not in f"{fields!r} {fields.model_dump()} {fields.model_dump_json()} {asdict(fields._client.options)}"


def test_a_key_may_be_a_text_or_a_secret(scripted):
    """And what a dump shows in its place is not taken for one."""
    server = scripted(ranking())
    for given in (KEY, SecretStr(KEY)):
        for kind in (RerankClient, lambda **options: ServiceFields(**options)._client):
            client = kind(base_url=server.url, api_key=given)
            client.rerank("q", ["a"])
            client.close()
    assert [headers["authorization"] for _, headers, _ in server.requests] == [f"Bearer {KEY}"] * 4
    dumped = json.loads(ServiceFields(api_key=KEY).model_dump_json())
    with pytest.raises(ValueError, match="asterisks"):
        ServiceFields(**dumped)


@pytest.mark.parametrize(
    "step",
    [status(400), status(401), status(500, KEY.encode()), status(503), status(308), vanish, hang(1)],
    ids=["400", "401", "500", "503", "308", "lost", "silent"],
)
def test_no_error_of_a_call_holds_key_query_or_document(make_client, scripted, caplog, step):
    """Raised or passed through and logged."""
    url = scripted(step).url
    with caplog.at_level(logging.DEBUG, logger="bentorank_client"):
        for on_error in ("raise", "passthrough"):
            client = make_client(base_url=url, api_key=KEY, max_attempts=1, timeout_s=0.3, on_error=on_error)
            try:
                result = client.rerank(KEY, [KEY, {"text": KEY}])
            except RerankError as error:
                assert KEY not in all_of(error)
            else:
                assert KEY not in f"{result} {result.notes(result[0])}"
    assert KEY not in caplog.text
