"""Standard input has an end."""

from types import SimpleNamespace

from mien.media import inputs as media_inputs
from mien.media.inputs import Input
from mien.media.streams import read_stream


def test_standard_input_without_end_is_an_error_of_its_own(monkeypatch):
    class Endless:
        """A stream that never ends."""

        def read(self, count):
            return bytes(count)

    monkeypatch.setattr(media_inputs.sys, "stdin", SimpleNamespace(buffer=Endless()))
    monkeypatch.setattr(
        media_inputs, "read_stream", lambda stream: read_stream(stream, most=3_000_000)
    )
    loaded = media_inputs.loaded(Input("stdin"))
    assert loaded.origin is None
    assert "pipe" in loaded.error
