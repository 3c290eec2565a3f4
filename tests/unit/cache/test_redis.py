"""The score cache in a real redis-server: what is stored, what is found, and that no fault of it is anybody's error."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import subprocess
import time
from functools import partial

import numpy as np
import pytest
from support.redis_server import running_redis
from support.server import free_port
from support.tcp_proxy import Fault, TcpProxy

from bentorank.cache import CacheOptions, document_keys, open_cache
from bentorank.cache.redis import RedisCache
from bentorank.cache.redis.layout import first_hash
from bentorank.errors import ConfigurationError
from bentorank.types import LengthPolicy, Overflow, Pair, ScoredChunk, ScoredDocument, Span

FINGERPRINT = "model-1"
TTL_S = 100


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory):
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(shared_redis):
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


def keys_of(count, query="owls", fingerprint=FINGERPRINT, policy=None):
    return document_keys(fingerprint, policy or LengthPolicy(), [Pair(query, f"passage {n}") for n in range(count)])


def scored(logit):
    return ScoredDocument((ScoredChunk(logit),))


def entries_of(keys):
    return [(key, scored(float(number))) for number, key in enumerate(keys)]


def run(url, work, ttl_s=TTL_S):
    """`work` with a cache at `url`, on an event loop of its own; its result, and the report."""

    async def live():
        cache = RedisCache(url, ttl_s)
        await cache.connect()
        result = await work(cache)
        await cache.close()
        return result, cache.collect_reports()[0]

    return asyncio.run(live())


async def put_and_wait(cache, entries):
    cache.put_many(entries)
    if (writing := cache._writer._task) is not None:
        await asyncio.wait([writing])


def remember(url, keys):
    return run(url, lambda cache: put_and_wait(cache, entries_of(keys)))[1]


def recall(url, keys):
    return run(url, lambda cache: cache.get_many(keys))


def logits(found):
    return [None if document is None else document.logit for document in found]


@pytest.mark.parametrize("count", [1, 100, 127, 128, 300, 1000])
def test_what_one_process_stored_another_finds(server, count):
    """However many passages a query has; each once, in hashes of at most 128 fields."""
    keys = keys_of(count)
    assert remember(server.url, keys).written == count
    found, report = recall(server.url, keys)
    assert logits(found) == [float(number) for number in range(count)]
    assert (report.hits, report.misses, report.errors) == (count, 0, 0)
    with server.client() as client:
        sizes = [client.hlen(name) for name in client.scan_iter()]
    assert max(sizes) <= (128 if count < 800 else 200)
    assert count <= sum(sizes) <= count + 9


def test_lists_that_grow_are_found_whole(server):
    """Passages of one query that come in several requests, until its first hash is full and beyond."""
    keys = keys_of(400)
    for start in range(0, 400, 50):
        remember(server.url, keys[start : start + 50])
    found, _ = recall(server.url, keys)
    assert None not in found
    found, _ = recall(server.url, keys[120:180])
    assert None not in found


def test_chunks_and_spans_come_back(server):
    """With all that an answer says of them."""
    keys = keys_of(1)
    document = ScoredDocument(
        (ScoredChunk(1.5, truncated=True, span=Span(0, 9)), ScoredChunk(-2.5, truncated=True, span=Span(7, 30))),
        query_truncated=True,
    )
    run(server.url, lambda cache: put_and_wait(cache, [(keys[0], document)]))
    assert recall(server.url, keys)[0] == [document]


def test_a_query_expires_as_a_whole(server):
    """Nobody cleans up behind us."""
    remember(server.url, keys_of(3))
    with server.client() as client:
        assert [0 < client.ttl(name) <= TTL_S for name in client.scan_iter()] == [True]


def test_nothing_private_is_in_redis(server):
    """Neither query nor passage nor the model's name, in keys, fields or values."""
    keys = document_keys("secret-model", LengthPolicy(), [Pair("secret-query", f"secret-{n}") for n in range(200)])
    remember(server.url, keys)
    with server.client() as client:
        everything = b"".join(
            name + b"".join(field + value for field, value in client.hgetall(name).items())
            for name in client.scan_iter()
        )
    assert len(everything) > 200 * 20
    assert b"secret" not in everything


def test_another_model_or_another_cut_finds_nothing(server):
    """What a score depends on is part of its name."""
    remember(server.url, keys_of(5))
    for other in (
        keys_of(5, fingerprint="model-2"),
        keys_of(5, policy=LengthPolicy(max_tokens_per_doc=9)),
        keys_of(5, policy=LengthPolicy(Overflow.CHUNK)),
        keys_of(5, query="owl"),
    ):
        found, report = recall(server.url, other)
        assert found == [None] * 5
        assert report.misses == 5


@pytest.mark.parametrize("garbage", [b"", b"\x00", b"123456789", b"x" * 5, b"x" * 500, "truncated", "moved", "nan"])
def test_garbage_is_a_miss(server, garbage):
    """Of any length, half of a value, a value of another passage, a number that no engine gives: never served."""
    keys = keys_of(2)
    remember(server.url, keys)
    with server.client() as client:
        (name,) = client.scan_iter()
        good, other = client.hget(name, keys[0].passage), client.hget(name, keys[1].passage)
        spoilt = {"truncated": good[:-1], "moved": other, "nan": good[:-4] + b"\xff\xff\xff\xff"}.get(garbage, garbage)
        client.hset(name, keys[0].passage, spoilt)
    found, report = recall(server.url, keys)
    assert logits(found) == [None, 1.0]
    assert (report.hits, report.misses, report.errors) == (1, 0, 1)


def test_somebody_elses_key_of_our_name_is_a_miss(server):
    """The next query is found all the same."""
    keys, others = keys_of(2), keys_of(2, query="mice")
    remember(server.url, [*keys, *others])
    with server.client() as client:
        client.set(first_hash(keys[0].query), b"a string")
    assert logits(recall(server.url, [*keys, *others])[0]) == [None, None, 2.0, 3.0]


def measured(cache, keys, times):
    """How long each of so many reads took, in seconds."""

    async def read():
        took = []
        for _ in range(times):
            started = time.monotonic()
            found = await cache.get_many(keys)
            took.append(time.monotonic() - started)
            assert found == [None] * len(keys)
        return took

    return read()


@pytest.mark.parametrize("fault", ["killed", "stopped", "blackholed", "slow", "reset", "unreachable", "no such host"])
def test_a_redis_that_does_not_answer_costs_five_reads_a_moment_and_the_rest_nothing(tmp_path, caplog, fault):
    """50 ms at most, then the cool-down: one line of log, and every read a miss at once."""
    caplog.set_level(logging.INFO, "bentorank")
    with running_redis(tmp_path) as server, TcpProxy(server.port) as proxy:
        port = {"unreachable": free_port(), "killed": server.port, "stopped": server.port}.get(fault, proxy.port)
        host = "nowhere.invalid" if fault == "no such host" else "127.0.0.1"

        async def work(cache):
            if fault not in ("unreachable", "no such host"):
                assert await cache.get_many(keys_of(10)) == [None] * 10
            if fault == "killed":
                server.kill()
            elif fault == "stopped":
                server.signal(signal.SIGSTOP)
            proxy.fault = {"blackholed": Fault.BLACKHOLE, "slow": Fault.SLOW, "reset": Fault.RESET}.get(
                fault, Fault.NONE
            )
            took = await measured(cache, keys_of(10), 30)
            cache.put_many(entries_of(keys_of(10)))
            return took

        took, report = run(f"redis://{host}:{port}", work)
    waited = [seconds for seconds in took if seconds > 0.02]
    assert len(waited) <= 5
    assert max(took) < 0.25, "50 ms, on a busy machine"
    assert sum(took[6:]) < 0.2
    assert report.errors == 300
    assert report.dropped == 10
    assert not report.is_up
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert host not in caplog.text


def test_a_busy_event_loop_is_no_fault_of_redis(server, caplog):
    """Answers that arrived in time are taken, however late the process comes to look."""
    keys = keys_of(10)

    async def work(cache):
        await put_and_wait(cache, entries_of(keys))
        found = []
        for _ in range(8):
            reading = asyncio.create_task(cache.get_many(keys))
            await asyncio.sleep(0.0002)
            time.sleep(0.08)  # noqa: ASYNC251 - as a large answer being written
            found += await reading
        return found

    found, report = run(server.url, work)
    assert None not in found
    assert (report.errors, report.is_up) == (0, True)
    assert not caplog.records


def test_callers_that_come_together_do_not_wait_one_after_the_other(tmp_path):
    """Fifty at a time before a Redis that has just gone silent: none waits longer than one would."""
    with running_redis(tmp_path) as server, TcpProxy(server.port) as proxy:

        async def work(cache):
            await cache.get_many(keys_of(1))
            proxy.fault = Fault.BLACKHOLE
            started = time.monotonic()
            await asyncio.gather(*(cache.get_many(keys_of(10)) for _ in range(50)))
            return time.monotonic() - started

        took, report = run(f"redis://127.0.0.1:{proxy.port}", work)
    assert took < 0.3
    assert report.errors == 500


def test_it_is_used_again_when_it_answers_again(tmp_path, caplog, monkeypatch):
    """Restarted empty: a probe finds it, without any caller's help; the log says so once."""
    monkeypatch.setattr("bentorank.cache.redis.link.PROBE_EVERY_S", 0.1)
    caplog.set_level(logging.INFO, "bentorank")
    with running_redis(tmp_path) as server:

        async def work(cache):
            keys = keys_of(5)
            await put_and_wait(cache, entries_of(keys))
            server.kill()
            for _ in range(8):
                await cache.get_many(keys)
            server.start()
            while not cache.collect_reports()[0].is_up:  # noqa: ASYNC110 - as the metrics ask
                await asyncio.sleep(0.02)
            before = await cache.get_many(keys)
            await put_and_wait(cache, entries_of(keys))
            return before, await cache.get_many(keys)

        (before, after), _ = run(server.url, work)
    assert before == [None] * 5
    assert None not in after
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_it_is_used_again_when_there_is_room_for_its_connections(server, monkeypatch):
    """A server that took only some of them: those are given back, however often it was so."""
    monkeypatch.setattr("bentorank.cache.redis.link.PROBE_EVERY_S", 0.05)
    with server.client() as admin:
        most = admin.config_get("maxclients")["maxclients"]
        admin.config_set("maxclients", "4")

        async def work(cache):
            await asyncio.sleep(0.4)
            was_up = cache.collect_reports()[0].is_up
            admin.config_set("maxclients", most)
            end = time.monotonic() + 5
            while not cache.collect_reports()[0].is_up and time.monotonic() < end:  # noqa: ASYNC110 - as the metrics ask
                await asyncio.sleep(0.02)
            await put_and_wait(cache, entries_of(keys_of(3)))
            return was_up, await cache.get_many(keys_of(3))

        (was_up, found), _ = run(server.url, work)
    assert not was_up
    assert None not in found


def test_a_caller_who_leaves_takes_no_answer_of_another(server):
    """Given up at any moment of a read, its reply still to come: the next read finds its own scores, all of them."""
    keys, others = keys_of(10), keys_of(10, query="mice")

    async def work(cache):
        await put_and_wait(cache, [*entries_of(keys), *((key, scored(-1.0)) for key in others)])
        found = []
        for turn in range(100):
            leaving = asyncio.create_task(cache.get_many(keys))
            await asyncio.sleep(turn % 10 * 1e-4)
            leaving.cancel()
            found += await cache.get_many(others)
        return found

    assert set(logits(run(server.url, work)[0])) == {-1.0}


def test_a_full_redis_is_read_and_its_refusals_are_counted(tmp_path):
    """`noeviction`: what is there is served, what is new is not stored."""
    with running_redis(tmp_path) as server:
        keys = keys_of(10)
        remember(server.url, keys)
        with server.client() as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1")

        async def work(cache):
            await put_and_wait(cache, entries_of(keys_of(20, query="new")))
            return await cache.get_many(keys)

        found, report = run(server.url, work)
    assert None not in found
    assert (report.failed, report.written, report.errors) == (20, 0, 0)
    assert report.is_up


@pytest.mark.parametrize("password", ["", ":wrong-secret@"])
def test_a_wrong_password_is_a_miss_and_stays_secret(tmp_path, caplog, password):
    """One line of log, without the address."""
    with running_redis(tmp_path, "--requirepass", "right-secret") as server:
        url = f"redis://{password}127.0.0.1:{server.port}"
        took, report = run(url, lambda cache: measured(cache, keys_of(3), 10))
        assert len(took) == 10
        assert (report.errors, report.is_up) == (30, False)
        assert "secret" not in caplog.text
        good = f"redis://:right-secret@127.0.0.1:{server.port}"
        remember(good, keys_of(3))
        assert None not in recall(good, keys_of(3))[0]


def certificate(folder):
    """A key and a self-signed certificate of localhost, for the length of a test."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run([*command, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return key, certificate


def test_a_tls_address_is_spoken_to_in_tls(server, tmp_path):
    """With the certificate checked: one that nobody vouches for is as good as no Redis."""
    key, chain = certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(chain, key)
    with TcpProxy(server.port, tls=tls) as proxy:
        url = f"rediss://127.0.0.1:{proxy.port}"
        trusted = f"{url}?ssl_ca_certs={chain}"
        assert remember(trusted, keys_of(3)).written == 3
        assert None not in recall(trusted, keys_of(3))[0]
        found, report = recall(url, keys_of(3))
    assert found == [None] * 3
    assert report.errors == 3


def test_a_unix_socket_will_do(tmp_path):
    """For a Redis on the same host."""
    path = tmp_path / "redis.sock"
    with running_redis(tmp_path, "--unixsocket", str(path)):
        assert remember(f"unix://{path}", keys_of(3)).written == 3


def test_writes_are_bounded(server):
    """More than a writer can hold is dropped, and counted."""
    many = entries_of(keys_of(60_000))

    async def work(cache):
        cache.put_many(many)
        await put_and_wait(cache, [])

    _, report = run(server.url, work)
    assert report.dropped > 30_000
    assert report.written + report.dropped + report.failed == 60_000
    assert report.written > 10_000


@pytest.mark.parametrize("url", ["http://localhost", "localhost:6379", "redis://host:port", ""])
def test_an_address_that_is_none_is_refused_without_repeating_it(url):
    """At start, in a sentence that names the setting."""
    with pytest.raises(ConfigurationError, match=r"^BENTORANK_CACHE_URL, or its file: no address") as refused:
        RedisCache(url, 1)
    assert not url or url not in str(refused.value)


def test_memory_is_asked_first_and_filled_from_redis(server):
    """Two levels: what Redis knew is near the next time, though Redis has gone."""

    async def work():
        cache = open_cache(CacheOptions(1 << 20, TTL_S, server.url))
        keys = keys_of(5)
        first, second = await cache.get_many(keys), await cache.get_many(keys)
        memory, far = cache.collect_reports()
        await cache.close()
        return first, second, memory, far

    remember(server.url, keys_of(5))
    first, second, memory, far = asyncio.run(work())
    assert first == second
    assert None not in first
    assert (memory.misses, memory.hits, far.hits, far.misses) == (5, 5, 5, 0)


def test_options_do_not_show_the_password():
    """Nor does what is made of them."""
    options = CacheOptions(0, 1, "redis://:hush@localhost")
    assert "hush" not in repr(options) + repr(open_cache(options))
    assert open_cache(CacheOptions(0, 1)) is None


def test_scores_stored_and_read_are_equal_bit_for_bit(server):
    """10,000 pairs, logits of float32 among them the smallest and largest that engines give."""
    keys = keys_of(10_000, query="many")
    values = [float(n) / 7 * (-1) ** n for n in range(10_000)]
    exact = np.array(values, np.float32).astype(float).tolist()
    work = partial(put_and_wait, entries=[(key, scored(value)) for key, value in zip(keys, exact, strict=True)])
    _, report = run(server.url, work)
    assert report.written == 10_000
    # As many as a request may have, as often as it takes: a read that a busy machine makes slow is given up.
    read: list[float | None] = []
    for start in range(0, len(keys), 1000):
        tries = (logits(recall(server.url, keys[start : start + 1000])[0]) for _ in range(20))
        read += next((found for found in tries if None not in found), [None])
    assert read == exact
