import pytest


@pytest.fixture(autouse=True)
def toy_runs_are_quick(plain_config_text: None) -> None:
    """For all tests here."""
