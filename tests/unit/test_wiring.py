"""From settings to the options of the parts, where more is done than to hand them on."""

from __future__ import annotations

import pytest

from bentorank.cache import open_cache
from bentorank.engines.cores import usable_cores
from bentorank.errors import ConfigurationError
from bentorank.settings import Settings
from bentorank.wiring import bentoml_config, cache_options, engine_options, serving, workers_of_a_gpu


def test_the_address_of_the_cache_may_stand_in_a_file(tmp_path):
    """With the line end that editors and `echo` leave."""
    file = tmp_path / "url"
    file.write_text("redis://bentorank:hush-secret@cache:6379/0\n")
    options = cache_options(Settings(cache_url_file=file))
    assert options.redis_url == "redis://bentorank:hush-secret@cache:6379/0"
    assert "hush-secret" not in repr(options)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "BENTORANK_CACHE_URL_FILE: No such file"),
        (b"\n", "BENTORANK_CACHE_URL_FILE: has no URL in it"),
        (b"\xff", "BENTORANK_CACHE_URL_FILE: is not UTF-8 text"),
        (b"https://:hush-secret@cache\n", "BENTORANK_CACHE_URL, or its file: no address of Redis"),
    ],
)
def test_a_file_that_names_no_cache_is_refused(tmp_path, content, sentence):
    """Rather than remember nothing. The sentence shows neither the address nor the path."""
    file = tmp_path / "file-of-the-url"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        open_cache(cache_options(Settings(cache_url_file=file)))
    assert refused.value.message.startswith(sentence)
    assert "hush-secret" not in refused.value.message
    assert "file-of-the-url" not in refused.value.message


@pytest.mark.parametrize(
    ("settings", "devices", "claimed"),
    [
        ({"workers": 1}, ["cuda"], 1),
        ({"workers": 3}, ["cuda:0", "cuda:1", "cuda:2"], 3),
        ({"workers_per_gpu": 3}, ["cuda", "cuda", "cuda"], 1),
        ({"workers": 4, "workers_per_gpu": 2}, ["cuda:0", "cuda:1", "cuda:0", "cuda:1"], 2),
    ],
    ids=str,
)
def test_each_worker_has_its_gpu_and_its_part_of_the_memory(settings, devices, claimed):
    """BentoML is asked for so many GPUs as there are, not for one a worker."""
    read = Settings(device="cuda", **settings)
    options = [engine_options(read, worker) for worker in range(1, len(devices) + 1)]
    assert [option.device for option in options] == devices
    shared = read.workers_per_gpu > 1
    assert {option.memory_share for option in options} == {0.9 / read.workers_per_gpu if shared else 1.0}
    assert bentoml_config(read)["workers"] == len(devices)
    assert bentoml_config(read)["resources"] == {"gpu": claimed}


@pytest.mark.parametrize(
    ("settings", "workers"),
    [
        ({"device": "cuda"}, 2),
        ({"device": "cuda:1", "engine": "torch"}, 2),
        ({"device": "cuda", "workers_per_gpu": 1}, 1),
        ({"device": "cuda", "workers_per_gpu": 4}, 4),
        ({"device": "cuda", "workers": 1}, 1),
        ({"device": "cuda", "gpus": 2}, 1),
        ({"device": "cuda", "models": "a=starter,b=starter"}, 1),
        ({"device": "cuda", "admin_key": "a-key-of-16-chars"}, 1),
        ({"device": "cuda", "api_keys": "key-of-somebody", "key_tokens_per_s": 1000}, 1),
        ({"device": "cuda", "model": "owner/of-the-hub"}, 1),
        ({"device": "cpu"}, 1),
        ({"engine": "openvino"}, 1),
        ({"engine": "fake"}, 1),
    ],
    ids=str,
)
def test_two_workers_share_a_gpu_unless_something_else_is_set(settings, workers):
    """The shipped model is small. What is set for each worker by itself is not to be doubled."""
    assert workers_of_a_gpu(Settings(**settings), cores=16, memory_bytes=2**37) == workers


def test_a_model_without_weights_is_left_to_the_worker_to_refuse(tmp_path):
    """It says what is wrong with the folder, where one of many workers is the first to look."""
    assert workers_of_a_gpu(Settings(device="cuda", model=str(tmp_path)), cores=16, memory_bytes=2**37) == 1


@pytest.mark.parametrize("setting", ["cache_url", "cache_url_file"])
def test_a_start_says_that_scores_are_remembered_in_redis(setting, tmp_path):
    """Wherever its address comes from."""
    told = serving(Settings(**{setting: str(tmp_path / "redis")}), models=[], keys=0)
    assert told.remembers is not None
    assert told.remembers.endswith("and in Redis")


def test_workers_on_a_cpu_divide_its_cores():
    """Each engine takes its part of them, one core at least; a number that is set is each worker's."""
    assert engine_options(Settings(device="cpu", workers=2), 1).threads == max(1, usable_cores() // 2)
    assert engine_options(Settings(device="cpu", workers=1000), 7).threads == 1
    assert engine_options(Settings(device="cpu"), 1).threads == usable_cores()
    assert engine_options(Settings(device="cpu", workers=2, threads=3), 1).threads == 3


@pytest.mark.parametrize("cuda_graphs", [True, False])
def test_cuda_graphs_are_the_engines_to_record_or_not(cuda_graphs):
    """They are on unless they are turned off."""
    assert engine_options(Settings(engine="fake"), 1).cuda_graphs
    assert engine_options(Settings(engine="fake", cuda_graphs=cuda_graphs), 1).cuda_graphs is cuda_graphs


def test_commands_that_take_one_model_take_the_default_of_a_list():
    """What `bentorank tune` measures is not another than what is served."""
    options = engine_options(Settings(engine="fake", models="second=y,third=z"), 1)
    assert (options.model, options.host_share) == ("y", 0.5)
    assert engine_options(Settings(engine="fake", models="second=y"), 1, models=4).host_share == 0.25
