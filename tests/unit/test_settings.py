"""Settings from the environment: defaults, wrong values, contradictions, unknown names."""

import os

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bentorank.errors import ConfigurationError
from bentorank.settings import Settings, environment_name, read_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """No settings of whoever runs the tests."""
    for name in list(os.environ):
        if name.upper().startswith("BENTORANK_"):
            monkeypatch.delenv(name)


@pytest.fixture
def read_with(monkeypatch):
    """The settings of an environment with these variables."""

    def read(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(environment_name(name), str(value))
        return read_settings()

    return read


def test_defaults_are_safe(read_with):
    """Loopback only, everything bounded."""
    defaults = read_with()
    assert defaults.host == "127.0.0.1"
    assert (defaults.max_documents, defaults.max_body_bytes) == (1000, 10 * 1024 * 1024)
    assert 0 < defaults.request_timeout_s < 60


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"max_batch_tokens": 100, "max_queue_tokens": 99}, "max_batch_tokens exceeds max_queue_tokens"),
        ({"engine": "openvino", "device": "cuda"}, "engine openvino runs on the CPU, but device is cuda"),
        ({"engine": "torch", "precision": "int8"}, "precision int8 needs engine openvino, but engine is torch"),
        ({"workers": 2, "device": "cuda:0"}, "device cuda:0 puts all 2 workers on one GPU"),
        ({"workers": 3, "gpus": 2}, "workers is 3 but gpus is 2"),
        ({"workers": 3, "workers_per_gpu": 2}, "workers is 3 but workers_per_gpu is 2"),
        ({"workers": 4, "workers_per_gpu": 2, "device": "cuda:0"}, "device cuda:0 puts all 4 workers on one GPU"),
        ({"workers_per_gpu": 2, "device": "cpu"}, "workers_per_gpu is 2, but no NVIDIA GPU is used"),
        ({"workers_per_gpu": 2, "engine": "openvino"}, "workers_per_gpu is 2, but no NVIDIA GPU is used"),
        ({"metrics_need_key": "true"}, "metrics_need_key is set, but there are no keys"),
        ({"key_tokens_per_s": "1000"}, "key_tokens_per_s is set, but there are no keys"),
        ({"key_burst_tokens": "1000"}, "key_burst_tokens is set, but key_tokens_per_s is not"),
        ({"cache_url": "redis://a", "cache_url_file": "b"}, "cache_url and cache_url_file are both set"),
        ({"cache_url": "redis://a", "cache": "false"}, "cache_url is set, but cache is off"),
        ({"cache_url_file": "a", "cache": "false"}, "cache_url_file is set, but cache is off"),
        ({"admin_key": "a-key-of-16-chars", "workers": 2}, "admin_key is set, but there are 2 workers, of which each"),
        ({"admin_key": "a-key-of-16-chars", "api_keys": "another1,a-key-of-16-chars"}, "admin_key is one of api_keys"),
        ({"first_stage": "small"}, "first_stage is small, which is neither embeddings nor another of the models"),
        ({"first_stage": "c", "models": "a=x,b=y"}, "first_stage is c, which is neither embeddings nor another"),
    ],
    ids=str,
)
def test_contradictions_are_refused_in_one_sentence(read_with, variables, sentence):
    """The sentence names both sides."""
    with pytest.raises(ConfigurationError) as caught:
        read_with(**variables)
    assert caught.value.message.startswith(sentence)


@pytest.mark.parametrize(
    "variables",
    [
        {"max_batch_tokens": 100, "max_queue_tokens": 100},
        {"engine": "openvino", "device": "cpu"},
        {"engine": "openvino", "precision": "int8"},
        {"workers": 2, "device": "cuda"},
        {"workers": 2, "gpus": 2},
        {"workers": 2, "gpus": 0},
        {"workers_per_gpu": 3, "device": "cuda:1"},
        {"workers": 4, "workers_per_gpu": 2, "gpus": 2},
        {"device": "cuda:3"},
        {"device": "mps"},
        {"drain_s": 0},
    ],
    ids=str,
)
def test_what_only_looks_contradictory_is_allowed(read_with, variables):
    """The neighbours of the contradictions."""
    read_with(**variables)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "0"),
        ("port", "65536"),
        ("port", "http"),
        ("workers", "0"),
        ("max_documents", "-1"),
        ("max_json_depth", "3"),
        ("max_header_bytes", "1023"),
        ("overflow", "explode"),
        ("api_keys", "good-key-1,short"),
        ("api_keys", "a key with spaces"),
        ("admin_key", "fifteen-chars-1"),
        ("admin_key", "sixteen chars or so"),
        ("api_keys", "schlüssel-1"),
        ("api_keys", ""),
        ("api_keys", " , "),
        ("admin_key", ""),
        ("model", ""),
        ("models", " "),
        ("served_model_name", "a\nb"),
        ("cache_dir", ""),
        ("api_keys_file", ""),
        ("cors_origins", "https://app.example/"),
        ("cors_origins", "app.example"),
        ("max_pair_tokens", "15"),
        ("request_timeout_s", "0"),
        ("request_timeout_s", "inf"),
        ("request_timeout_s", "nan"),
        ("request_timeout_s", "3601"),
        ("drain_s", "-1"),
        ("drain_s", "nan"),
        ("drain_s", "inf"),
        ("fake_batch_delay_ms", "nan"),
        ("fake_batch_delay_ms", "inf"),
        ("fake_token_delay_us", "inf"),
        ("device", "gpu"),
        ("device", "cuda:x"),
        ("engine", "onnx"),
        ("precision", "fp16"),
        ("log_level", "loud"),
        ("docs", "perhaps"),
    ],
)
def test_a_wrong_value_names_its_variable(read_with, name, value):
    """As it stands in the environment; the value itself is not repeated, it may be a secret."""
    with pytest.raises(ConfigurationError, match=f"^{environment_name(name)}: "):
        read_with(**{name: value})


def test_several_wrong_values_are_all_named(read_with):
    """Nobody likes to be told one at a time."""
    with pytest.raises(ConfigurationError, match=r"BENTORANK_ENGINE: .*; BENTORANK_PORT: "):
        read_with(engine="x", port="x")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("BENTORANK_MAX_DOCS", "; did you mean BENTORANK_MAX_DOCUMENTS?"),
        ("BENTORANK_MODLE", "; did you mean BENTORANK_MODEL?"),
        ("bentorank_prot", "; did you mean BENTORANK_PORT?"),
        ("BENTORANK_", ""),
    ],
)
def test_an_unknown_name_is_refused_with_a_hint(monkeypatch, name, hint):
    """A setting with a typing error would otherwise be a setting that is not in force."""
    monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigurationError) as caught:
        read_settings()
    assert caught.value.message.startswith(f"unknown setting {name}")
    assert caught.value.message.endswith(hint)


def test_names_are_case_insensitive(monkeypatch):
    """As pydantic-settings reads them."""
    monkeypatch.setenv("bentorank_port", "4000")
    assert read_settings().port == 4000


def test_a_model_is_not_its_own_first_stage(read_with, tmp_path):
    """Where the setting names it, its own requests are read whole; where its own line does, it is refused."""
    file = tmp_path / "models.toml"
    table = '[[models]]\nname = "{}"\nsource = "x"\n{}\n'
    file.write_text(table.format("big", 'first_stage = "embeddings"') + table.format("small", 'aliases = ["s"]'))
    settings = read_with(models=file, first_stage="s")
    assert [settings.first_stage_of(entry) for entry in settings.model_entries] == ["embeddings", "none"]
    small = table.format("s", "")
    file.write_text(table.format("big", 'first_stage = "big"') + small)
    with pytest.raises(ConfigurationError, match="first_stage of big is big, which is neither"):
        read_with(models=file)
    file.write_text(table.format("embeddings", "") + small)
    with pytest.raises(ConfigurationError, match="no model can be called embeddings"):
        read_with(models=file)


def test_settings_are_frozen(read_with):
    """Nothing changes them after the start."""
    with pytest.raises(ValidationError):
        read_with().port = 1


def test_every_setting_is_described():
    """The documentation is made of the descriptions."""
    assert all(field.description for field in Settings.model_fields.values())


@pytest.fixture
def env_file(tmp_path, monkeypatch):
    """A function that writes a file of settings and names it in the environment."""
    path = tmp_path / "bentorank.env"
    monkeypatch.setenv("BENTORANK_ENV_FILE", str(path))
    return path.write_bytes


def test_a_file_sets_what_the_environment_does_not(env_file, read_with):
    """The environment wins, whatever the case of its names; comments and quotes are left out."""
    env_file(
        b"# measured\nBENTORANK_PORT=4000\nbentorank_threads=3\nBENTORANK_MODEL='a b'\n"
        b"BENTORANK_API_KEYS=long-key-1,long-key-2\n"
    )
    settings = read_with(threads=2)
    assert (settings.port, settings.threads, settings.model, len(settings.api_keys)) == (4000, 2, "a b", 2)


def test_an_argument_wins_over_both(env_file, read_with):
    """As `LocalReranker` passes them."""
    env_file(b"BENTORANK_PORT=4000\nBENTORANK_THREADS=3\n")
    read_with(port=5000)
    assert (Settings(port=6000).port, Settings().threads) == (6000, 3)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"BENTORANK_MAX_DOCS=1", "unknown setting BENTORANK_MAX_DOCS; did you mean BENTORANK_MAX_DOCUMENTS?"),
        (b"BENTORANK_ENV_FILE=other.env", "unknown setting BENTORANK_ENV_FILE"),
        (b"OMP_NUM_THREADS=1", "OMP_NUM_THREADS is no setting of bentorank"),
        (b"BENTORANK_PORT", "line 1 has no value: write NAME=value"),
        (b"BENTORANK_API_KEYS=first-key-1,\nlong-key-2", "line 2 cannot be read"),
        (b"BENTORANK_API_KEYS=first-key-1,\nlongkey2==", "a name in it is no setting of bentorank"),
        (b'BENTORANK_MODEL="a\nBENTORANK_API_KEYS=long-key-1"', "line 1 has a quote that does not end on it"),
        (b"\n# keys\n\nBENTORANK_API_KEYS: long-key-1", "line 4 cannot be read: write NAME=value, with both quotes"),
        (b"BENTORANK_PORT=1\nBENTORANK_API_KEYS='long-key-1", "line 2 cannot be read: write NAME=value"),
        (b'BENTORANK_API_KEYS="long-key-1" and more\n', "line 1 cannot be read: write NAME=value"),
        (b"=long-key-1\n", "line 1 cannot be read: write NAME=value"),
        (b"\xff", "the file is not UTF-8 text"),
    ],
    ids=str,
)
def test_what_a_file_may_not_say_is_refused(env_file, content, sentence):
    """As in the environment; and other programs' variables, which would reach nobody."""
    env_file(content)
    with pytest.raises(ConfigurationError) as caught:
        read_settings()
    assert caught.value.message.startswith(f"BENTORANK_ENV_FILE: {sentence}")
    assert "long" not in caught.value.message


def test_a_wrong_value_in_a_file_names_its_variable(env_file):
    """As it would in the environment."""
    env_file(b"BENTORANK_PORT=x")
    with pytest.raises(ConfigurationError, match=r"^BENTORANK_PORT: "):
        read_settings()


def test_a_file_that_is_not_there_is_said_so(read_with, tmp_path):
    """Without its path."""
    with pytest.raises(ConfigurationError, match=r"^BENTORANK_ENV_FILE: No such file or directory$"):
        read_with(env_file=tmp_path / "none.env")


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(Settings.model_fields)),
    value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
    | st.integers().map(str)
    | st.floats().map(str),
)
def test_any_value_is_taken_or_refused_in_a_sentence(monkeypatch, name, value):
    """Never another exception."""
    with monkeypatch.context() as environment:
        environment.setenv(environment_name(name), value)
        try:
            read_settings()
        except ConfigurationError as error:
            assert "\n" not in error.message
