"""What the scenarios share: the texts that `xtask/src/clients/stored.rs` expects in the end, and helpers."""

import os
import time
import uuid
from pathlib import Path
from typing import TypeVar

PASSWORD = "plum tractor 92 sings"
ALTS = ["해 질 녘의 바다", "눈 덮인 산"]
POST = "바다와 산 #노을"
COMMENT = "사진이 멋져요!"
MESSAGE = "주말에 산에 갈까요?"
ORIGIN = os.environ["BLEGRAM_ORIGIN"]

T = TypeVar("T")


def photos() -> list[tuple[str, bytes]]:
    folder = Path(os.environ["PHOTOS"])
    return [(name, (folder / name).read_bytes()) for name in ("sea.png", "mountain.png")]


def equal(actual: T, expected: T) -> None:
    assert actual == expected, f"{actual!r}, expected {expected!r}"


def uuid7() -> uuid.UUID:
    """A UUID of version 7, which begins with the time."""
    milliseconds = time.time_ns() // 1_000_000
    return uuid.UUID(int=(milliseconds << 80) | (7 << 76) | (uuid.uuid4().int & ((1 << 76) - 1)))


def wait(retry_after: str | None) -> None:
    assert retry_after is not None and int(retry_after) > 0, f"Retry-After is {retry_after}"
    time.sleep(int(retry_after))
