"""The settings page of the documentation is what the settings class says."""

from pathlib import Path

from bentorank.cli.settings import markdown_table

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"


def test_the_settings_page_is_up_to_date():
    """`bentorank settings --markdown > docs/settings.md` makes it so."""
    assert PAGE.read_text() == markdown_table()
