"""The page in a browser: a picture, two people in a video, the camera, a talk, the keyboard."""

import json
import re
import shutil
import subprocess
import sys

import av
import numpy as np
import pytest
from PIL import Image

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium"),
]
PHOTO = "examples/astronaut.jpg"
SECONDS = 90_000


@pytest.fixture(scope="module")
def address():
    command = [sys.executable, "-m", "mien", "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                yield found[0]
                break
        server.terminate()
        server.stderr.read()
    assert server.returncode == 0


def film(path, frames, *, codec, pixels):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = *frames[0].size, pixels
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(frame), "rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Two seconds of two faces side by side."""
    photo = Image.open(PHOTO).convert("RGB").resize((320, 320))
    both = Image.new("RGB", (640, 320))
    both.paste(photo, (0, 0))
    both.paste(photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (320, 0))
    path = tmp_path_factory.mktemp("video") / "two.mp4"
    return film(path, [both] * 20, codec="h264", pixels="yuv420p")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    photo = Image.open(PHOTO).convert("RGB").resize((480, 480))
    scene = film(
        tmp_path_factory.mktemp("camera") / "face.mjpeg",
        [photo] * 10,
        codec="mjpeg",
        pixels="yuvj420p",
    )
    flags = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    with sync_api.sync_playwright() as play:
        found = play.chromium.launch(
            executable_path=CHROMIUM, args=[*flags, f"--use-file-for-fake-video-capture={scene}"]
        )
        yield found
        found.close()


@pytest.fixture
def page(browser, address):
    made = browser.new_page()
    made.set_default_timeout(SECONDS)
    wrong = []
    made.on("console", lambda one: wrong.append(one.text) if one.type == "error" else None)
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.goto(address)
    made.locator("#model option").first.wait_for(state="attached")
    yield made
    made.close()
    # a refusal of the server is one that the page shows
    assert [words for words in wrong if not words.startswith("Failed to load resource")] == []


def test_a_picture_is_read_and_talked_about(page, tmp_path):
    page.set_input_files("#file", PHOTO)
    page.locator("#lead", has_text="Happiness").wait_for()
    assert page.locator("tr.on th", has_text="AU12").count() == 1
    assert "AU12" in page.inner_text("#text")
    page.focus("#question")
    page.keyboard.type("Why not surprise?")
    page.keyboard.press("Enter")
    page.locator("#talk li:nth-child(2)", has_text="urprise").wait_for()
    with page.expect_download() as rows:
        page.click("#rows")
    rows.value.save_as(tmp_path / "rows.jsonl")
    row = json.loads((tmp_path / "rows.jsonl").read_text())
    assert row["expression"]["label"] == "happiness"
    with page.expect_download() as table:
        page.click("#csv")
    assert table.value.suggested_filename == "rows.csv"


def test_a_video_of_two_people_is_scrubbed_by_keyboard(page, people):
    page.set_input_files("#file", str(people))
    page.locator("#status", has_text="2 people").wait_for()
    assert page.locator("#faces button").count() == 2
    page.focus("#timeline")
    for key in ("Home", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    shown = page.evaluate("() => document.getElementById('video').currentTime")
    assert shown == pytest.approx(0.4, abs=0.05)
    page.focus("#faces button:nth-child(2)")
    page.keyboard.press("Enter")
    page.locator("#faces button:nth-child(2)[aria-pressed=true]").wait_for()


def test_the_camera_is_read_live(page):
    page.focus("#camera")
    page.keyboard.press("Space")
    page.locator("#lead", has_text="Happiness").wait_for()
    page.locator("#status", has_text="frames a second").wait_for()
    page.click("#camera")
    page.locator("#camera[aria-pressed=false]").wait_for()


def test_a_file_that_is_no_picture_is_told(page, tmp_path):
    (tmp_path / "notes.jpg").write_text("no picture")
    page.set_input_files("#file", str(tmp_path / "notes.jpg"))
    page.locator("#status.bad").wait_for()


def test_a_phone_sees_all_without_scrolling_sideways(page):
    page.set_viewport_size({"width": 360, "height": 740})
    page.set_input_files("#file", PHOTO)
    page.locator("#lead", has_text="Happiness").wait_for()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
