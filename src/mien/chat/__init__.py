"""Conversations about a face, held to the numbers that were read from it."""

from mien.chat.talk import Chat, ChatError, NoFaceError, Turn

__all__ = ["Chat", "ChatError", "NoFaceError", "Turn"]
