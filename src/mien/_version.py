"""The version of mien, in a module of its own so that every part can import it."""

__version__ = "0.1.0"
