"""What sharing forward passes brings: `python benchmarks/serve.py --out benchmarks/serve.json`.

Two servers of the embedded model in one run, one that answers requests together and one that
answers them one by one, are asked in turns by many clients at once. Each client sends one face crop
at a time. Answers of both are compared. Prints JSON, and writes it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
from PIL import Image

from mien.language import prompt_for

EXAMPLE = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
FACES = 64
KINDS = ("numbers", "words")


def faces() -> list[bytes]:
    """The example's face, shifted and relit, as PNG of 112 px."""
    rng = np.random.default_rng(0)
    face = Image.open(EXAMPLE).convert("RGB").crop((170, 60, 290, 180))
    found = []
    for _ in range(FACES):
        left, top = (int(v) for v in rng.integers(0, 8, 2))
        light = float(rng.uniform(0.7, 1.2))
        crop = face.crop((left, top, left + 112, top + 112))
        file = io.BytesIO()
        crop.point(lambda v, light=light: min(255, int(v * light))).save(file, "PNG")
        found.append(file.getvalue())
    return found


@contextmanager
def server(batch_size: int) -> Iterator[tuple[str, int]]:
    """A server in a process of its own: its address and process."""
    command = [sys.executable, "-m", "mien", "serve", "--port", "0", "--faces", "whole"]
    command += ["--batch-size", str(batch_size)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        yield process.stderr.readline().split()[-1], process.pid
    finally:
        process.terminate()
        process.wait(15)


def request(kind: str, face: bytes) -> dict[str, Any]:
    """What a client sends."""
    if kind == "numbers":
        files = [("files", ("face.png", face))]
        return {"url": "/v1/analyze", "files": files, "data": {"numbers": "true"}}
    url = f"data:image/png;base64,{base64.b64encode(face).decode()}"
    parts = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": prompt_for("analysis")},
    ]
    talk = [{"role": "user", "content": parts}]
    return {"url": "/v1/chat/completions", "json": {"model": "mien/nano", "messages": talk}}


def said(kind: str, answer: dict[str, Any]) -> tuple[str | None, dict[str, float]]:
    """Words and expression scores of an answer."""
    if kind == "numbers":
        (row,) = answer["data"]
        return None, row["expression"]["scores"]
    message = answer["choices"][0]["message"]
    return message["content"], message["mien"]["expression"]["scores"]


async def crowd(
    address: str, requests: list[Callable[[], dict[str, Any]]], clients: int
) -> tuple[float, list[dict[str, Any]]]:
    """Seconds for all requests by so many clients at once, and the answers."""
    answers: list[dict[str, Any]] = [{}] * len(requests)
    left = iter(enumerate(requests))
    async with httpx.AsyncClient(base_url=address, timeout=300) as client:

        async def one() -> None:
            for number, make in left:
                answer = await client.post(**make())
                answer.raise_for_status()
                answers[number] = answer.json()

        start = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(clients)))
        return time.perf_counter() - start, answers


def measured(addresses: dict[str, str], kind: str, clients: int, rounds: int) -> dict[str, Any]:
    """Requests a second of each server, in turns, and whether the answers are the same."""
    requests = [lambda face=face: request(kind, face) for face in faces()]
    rates: dict[str, list[float]] = {name: [] for name in addresses}
    answers: dict[str, list[tuple[str | None, dict[str, float]]]] = {}
    for turn in range(rounds + 1):  # the first one warms up
        for name, address in addresses.items():
            seconds, got = asyncio.run(crowd(address, requests, clients))
            answers[name] = [said(kind, answer) for answer in got]
            if turn:
                rates[name].append(len(requests) / seconds)
    together, alone = answers["together"], answers["one_by_one"]
    apart = [
        abs(a[1][label] - b[1][label])
        for a, b in zip(together, alone, strict=True)
        for label in a[1]
    ]
    rate = {name: statistics.median(found) for name, found in rates.items()}
    return {
        "requests_per_second": round(rate["together"], 1),
        "requests_per_second_one_by_one": round(rate["one_by_one"], 1),
        "ratio": round(rate["together"] / rate["one_by_one"], 2),
        "largest_difference_of_scores": float(f"{max(apart):.1e}"),
        "same_words": sum(a[0] == b[0] for a, b in zip(together, alone, strict=True)),
        "answers": len(together),
    }


def peak_memory(process: int) -> float:
    """Megabytes; Linux only."""
    text = Path(f"/proc/{process}/status").read_text()
    return round(int(text.split("VmHWM:")[1].split()[0]) / 1024, 1)


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with ExitStack() as stack:
        batched, process = stack.enter_context(server(16))
        single, _ = stack.enter_context(server(1))
        addresses = {"together": batched, "one_by_one": single}
        figures = {kind: measured(addresses, kind, chosen.clients, chosen.rounds) for kind in KINDS}
        memory = peak_memory(process)
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: metadata.version(name) for name in ("mien", "torch", "fastapi")},
        "clients": chosen.clients,
        "peak_memory_mb": memory,
        "figures": figures,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if chosen.out:
        chosen.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
