"""Rendered faces whose action units are measured on the mesh."""
