"""Whether this machine can render, found out by rendering."""

from __future__ import annotations

import numpy as np

from mien.synth.facemodel import Mesh
from mien.synth.layout import Layout
from mien.synth.renderer import Camera, Light, Look, Renderer, RenderError, rotation


def rendering() -> str:
    """Name of the OpenGL driver, after a triangle was drawn with the renderer's own shaders.

    Raises:
        ImportError: if moderngl is not installed.
        RenderError: if nothing can be rendered; the message has the remedy.
    """
    mesh = Mesh(
        template=np.array([[-9, -9, 0], [9, -9, 0], [0, 9, 0]], np.float32),
        triangles=np.array([[0, 1, 2]], np.int32),
        parts=np.zeros(3, np.uint8),
        actions=np.zeros((0, 3, 3), np.float32),
        action_names=(),
        landmarks=np.zeros(68, np.int32),
        eyeballs=(np.array([0], np.int32), np.array([1], np.int32)),
    )
    grey = (0.5, 0.5, 0.5)
    look = Look(
        skin=np.full((8, 8, 3), 128, np.uint8),
        iris=grey,
        sclera=grey,
        teeth=grey,
        mouth=grey,
        hair=grey,
        gaze=np.array([[0, 0, 1], [0, 0, 1]], np.float32),
    )
    renderer = Renderer(mesh, Layout.of(mesh), 16)
    try:
        head = renderer(mesh.template, look, rotation(0, 0, 0), Camera(), Light())
        if not (head.colour[..., 3] == 255).any():
            raise RenderError("OpenGL draws nothing; reinstall its driver, libgl1-mesa-dri")
        return str(renderer.context.info["GL_RENDERER"])
    finally:
        renderer.close()
