from tests.engines.conftest import tiny_folder

__all__ = ["tiny_folder"]
