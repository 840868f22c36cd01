import pytest


@pytest.fixture(autouse=True)
def plain_config_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """mmengine lays out the config's text anew for each checkpoint, most of the time that a toy run takes."""
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **options: (text, True))
