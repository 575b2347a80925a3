"""A small OpenGL renderer for faces: headless on a CPU, the same picture for the same input.

Pictures are rendered at twice the asked size and averaged, which software rasterisers do faster and
more evenly than multisampling.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.synth.facemodel import Floats, Mesh, Normals, Part
from mien.synth.layout import Layout

OVERSAMPLE = 2
_HINT = "moderngl is not installed: pip install 'mien[synth]'"
_NO_EGL = (
    "no headless OpenGL (EGL) on this machine: {error}. On Debian or Ubuntu: "
    "apt-get install -y libegl1 libegl-mesa0 libgl1-mesa-dri libgles2"
)


class RenderError(RuntimeError):
    """Nothing can be rendered; the message says what is missing."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera in front of the face.

    Attributes:
        field_of_view: vertical angle in degrees.
        height: centimetres of the scene that the picture is high, at the eyes' depth.
        shift: where the point between the eyes appears, (x, y) in shares of the picture from its
            centre, x to the right and y up.
    """

    field_of_view: float = 20.0
    height: float = 26.0
    shift: tuple[float, float] = (0.0, 0.1)


@dataclass(frozen=True)
class Light:
    """One key light over a sky and a ground.

    Attributes:
        direction: unit vector to the key light, in camera space.
        key, sky, ground: RGB strengths in [0, 2].
        gloss: strength of highlights in [0, 1].
    """

    direction: tuple[float, float, float] = (0.3, 0.5, 0.8)
    key: tuple[float, float, float] = (0.8, 0.8, 0.8)
    sky: tuple[float, float, float] = (0.4, 0.4, 0.4)
    ground: tuple[float, float, float] = (0.2, 0.2, 0.2)
    gloss: float = 0.15


@dataclass(frozen=True)
class Look:
    """How the surfaces of one person look.

    Attributes:
        skin: (S, S, 3) uint8 albedo over `Layout.uv`.
        iris, sclera, teeth, mouth, hair: RGB in [0, 1].
        gaze: (2, 3) unit vectors of the left and right eye, in the head's frame.
        hair_volume: centimetres by which hair stands off the scalp; 0 for a bald or shaven head.
        long_hair: whether the model's long hair is shown, where it has some.
    """

    skin: NDArray[np.uint8]
    iris: tuple[float, float, float]
    sclera: tuple[float, float, float]
    teeth: tuple[float, float, float]
    mouth: tuple[float, float, float]
    hair: tuple[float, float, float]
    gaze: Floats
    hair_volume: float = 0.0
    long_hair: bool = False


@dataclass(frozen=True)
class Rendered:
    """A rendered head.

    Attributes:
        colour: (H, W, 4) uint8; alpha is the share of the pixel that the head covers.
        depth: (H * 2, W * 2) float32 in [0, 1] as the depth buffer has it, 1 where nothing is.
        clip: (4, 4) matrix from the head's frame to clip space.
    """

    colour: NDArray[np.uint8]
    depth: NDArray[np.float32]
    clip: Floats

    def project(self, vertices: Floats) -> Floats:
        """(V, 3): x and y in pixels (x right, y down), and depth as in `depth`."""
        height, width = self.colour.shape[:2]
        homogeneous = vertices @ self.clip[:, :3].T + self.clip[:, 3]
        normal = homogeneous[:, :3] / homogeneous[:, 3:]
        x = (normal[:, 0] + 1) / 2 * width
        y = (1 - normal[:, 1]) / 2 * height
        return np.stack([x, y, (normal[:, 2] + 1) / 2], 1)


def rotation(yaw: float, pitch: float, roll: float) -> Floats:
    """(3, 3) turn of the head, angles in degrees with the signs of `schema.Pose`.

    Positive yaw turns the face to the picture's right, positive pitch raises it, positive roll
    tilts its top to the picture's right (clockwise).
    """
    y, p, r = np.deg2rad([yaw, -pitch, -roll])
    turn = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    nod = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    tilt = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return (tilt @ turn @ nod).astype(np.float32)


class Renderer:
    """Renders one face model at one size; holds an OpenGL context, so one a process is enough.

    Args:
        mesh: of the face model.
        layout: what of the mesh does not change between people.
        size: side of the pictures in pixels.

    Raises:
        ImportError: if moderngl is not installed.
        RenderError: if there is no EGL on the machine; the message has the line to run.
    """

    def __init__(self, mesh: Mesh, layout: Layout, size: int):
        self.mesh, self.size = mesh, size
        self.normals = Normals(mesh.triangles, len(mesh.template))
        self.context = _context()
        shaders = resources.files(__package__) / "shaders"
        self.program = self.context.program(
            vertex_shader=(shaders / "head.vert").read_text(),
            fragment_shader=(shaders / "head.frag").read_text(),
        )
        V = len(mesh.template)
        fixed = np.concatenate(
            [
                layout.uv,
                mesh.parts[:, None].astype(np.float32),
                layout.scalp[:, None],
                np.where(layout.left, 0.0, 1.0)[:, None],
            ],
            axis=1,
        ).astype(np.float32)
        self._moving = self.context.buffer(reserve=V * 6 * 4, dynamic=True)
        content = [
            (self._moving, "3f 3f", "in_position", "in_normal"),
            (
                self.context.buffer(fixed.tobytes()),
                "2f 1f 1f 1f",
                "in_uv",
                "in_part",
                "in_scalp",
                "in_side",
            ),
        ]
        of_corners = mesh.parts[mesh.triangles]
        is_hair, is_lash = ((of_corners == part).any(1) for part in (Part.HAIR, Part.LASH))
        # lashes are a veil, so they come after what is behind them; hair may be left out
        pieces = [~is_hair & ~is_lash, is_lash & ~is_hair, is_hair]
        order = np.concatenate([mesh.triangles[piece] for piece in pieces])
        self._counts = (3 * int((~is_hair).sum()), 3 * len(order))
        indices = self.context.buffer(np.ascontiguousarray(order, np.int32).tobytes())
        self._array = self.context.vertex_array(self.program, content, indices)
        large = (size * OVERSAMPLE, size * OVERSAMPLE)
        self._colour = self.context.texture(large, 4)
        self._depth = self.context.depth_texture(large)
        self._target = self.context.framebuffer([self._colour], self._depth)
        self._skin: Any = None

    def __call__(
        self, vertices: Floats, look: Look, pose: Floats, camera: Camera, light: Light
    ) -> Rendered:
        """One picture of a head without background.

        Args:
            vertices: (V, 3) in the shared frame.
            look: colours and gaze.
            pose: (3, 3) from `rotation`.
            camera: where the picture is taken from.
            light: what it is lit by.
        """
        import moderngl

        distance = camera.height / 2 / np.tan(np.deg2rad(camera.field_of_view) / 2)
        clip = _projection(camera, distance) @ _view(pose, distance)
        self._moving.write(np.concatenate([vertices, self.normals(vertices)], 1).tobytes())
        if self._skin is None or self._skin.size != look.skin.shape[1::-1]:
            self._skin = self.context.texture(look.skin.shape[1::-1], 3)
        self._skin.write(np.ascontiguousarray(look.skin[::-1]).tobytes())
        self._skin.use(0)
        self._set(clip, pose, distance, vertices, look, light)
        self._target.use()
        self.context.enable(moderngl.DEPTH_TEST | moderngl.BLEND)
        over, kept = (moderngl.SRC_ALPHA, moderngl.ONE_MINUS_SRC_ALPHA), moderngl.ONE
        self.context.blend_func = (*over, kept, moderngl.ONE_MINUS_SRC_ALPHA)
        self._target.clear(0, 0, 0, 0, depth=1.0)
        self._array.render(vertices=self._counts[1 if look.long_hair else 0])
        side = self.size * OVERSAMPLE
        pixels = np.frombuffer(self._colour.read(), np.uint8).reshape(side, side, 4)
        depth = np.frombuffer(self._depth.read(), np.float32).reshape(side, side)
        return Rendered(_halved(pixels[::-1]), depth[::-1], clip)

    def _set(
        self,
        clip: Floats,
        pose: Floats,
        distance: float,
        vertices: Floats,
        look: Look,
        light: Light,
    ) -> None:
        """Hands everything but the vertices to the shaders."""
        centres = np.stack([vertices[ball].mean(0) for ball in self.mesh.eyeballs])
        values: dict[str, Any] = {
            "clip": clip.T.tobytes(),
            "pose": np.ascontiguousarray(pose.T).tobytes(),
            "eyes": np.ascontiguousarray(centres, np.float32).tobytes(),
            "gaze": np.ascontiguousarray(look.gaze, np.float32).tobytes(),
        }
        for name, data in values.items():
            self.program[name].write(data)
        plain: dict[str, Any] = {
            "camera_distance": float(distance),
            "hair_volume": look.hair_volume,
            "iris": look.iris,
            "sclera": look.sclera,
            "teeth": look.teeth,
            "mouth": look.mouth,
            "hair": look.hair,
            "light_direction": light.direction,
            "key": light.key,
            "sky": light.sky,
            "ground": light.ground,
            "gloss": light.gloss,
        }
        for name, value in plain.items():
            self.program[name] = value

    def close(self) -> None:
        """Frees the OpenGL context."""
        self.context.release()


def _context() -> Any:
    try:
        import moderngl
    except ImportError as error:
        raise ImportError(_HINT) from error
    # Several processes render side by side; threads of each would only get in the others' way.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    # pictures must not depend on whether the machine has a display or a graphics card
    os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")
    try:
        settings: dict[str, Any] = {"standalone": True, "backend": "egl", "require": 330}
        return moderngl.create_context(**settings)
    except Exception as error:
        raise RenderError(_NO_EGL.format(error=error)) from error


def _projection(camera: Camera, distance: float) -> Floats:
    near, far = distance - 30.0, distance + 40.0
    near = max(near, 1.0)
    f = 1 / np.tan(np.deg2rad(camera.field_of_view) / 2)
    matrix = np.zeros((4, 4), np.float32)
    matrix[0, 0] = matrix[1, 1] = f
    matrix[0, 2], matrix[1, 2] = -2 * camera.shift[0], -2 * camera.shift[1]
    matrix[2, 2], matrix[2, 3] = (far + near) / (near - far), 2 * far * near / (near - far)
    matrix[3, 2] = -1
    return matrix


def _view(pose: Floats, distance: float) -> Floats:
    matrix = np.eye(4, dtype=np.float32)
    matrix[:3, :3] = pose
    matrix[2, 3] = -distance
    return matrix


def _halved(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 4) from (2H, 2W, 4) by averaging; colours are weighted by their alpha."""
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    summed = pixels.reshape(height, 2, width, 2, 4).astype(np.uint16).sum((1, 3))
    alpha = summed[..., 3:]
    colour = summed[..., :3] * 255 // np.maximum(alpha, 1)  # cleared pixels are black with alpha 0
    return np.concatenate([colour.clip(0, 255), alpha // 4], -1).astype(np.uint8)
