"""From settings to the options of the parts, where more is done than to hand them on."""

from __future__ import annotations

import pytest

from bentorank.cache import open_cache
from bentorank.errors import ConfigurationError
from bentorank.settings import Settings
from bentorank.wiring import cache_options


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
