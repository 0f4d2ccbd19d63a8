"""On a GPU: the same verdicts, the device in the recording, and nothing that waits for it. Skipped where there is none."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import pytest
import torch

import checked_modules as modules
import overhead
import runtime_modules
import shapecheck

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


@contextlib.contextmanager
def unsynchronised() -> Iterator[None]:
    """Whatever waits for the device raises in here."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_no_call_waits_for_the_device() -> None:
    """Not the first one, which is recorded and compared with the prediction, and not those that pass the gate."""
    module = modules.Attention(16, 24, 4).to("cuda")
    x = torch.empty(2, 5, 16, device="cuda")
    with warnings.catch_warnings(), unsynchronised():
        warnings.simplefilter("error", shapecheck.ShapeWarning)
        for _ in range(3):
            assert module(x).shape == (2, 5, 24)


def test_a_profile_shows_no_synchronisation() -> None:
    plain, checked = (of(64, 4).to("cuda") for of in (overhead.Plain, overhead.Checked))
    x = torch.randn(2, 8, 64, device="cuda")
    counts = []
    for module in (plain, checked):
        module(x, x, x)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            module(x, x, x)
        counts.append(sum("ynchronize" in one.key for one in profile.key_averages()))
    assert counts[0] == counts[1]


def test_what_is_recorded_names_the_device() -> None:
    module = runtime_modules.Attention(16, 24, 4).to("cuda")
    recording = shapecheck.trace(module, torch.randn(2, 5, 16, device="cuda"))
    assert {one.device for one in recording} == {"cuda"}


def test_verify() -> None:
    found = shapecheck.verify(runtime_modules.Attention, device="cuda")
    assert found.ok
    assert found.unfollowed is None


def test_a_mismatch_is_told() -> None:
    module = modules.Attention(16, 24, 4).to("cuda")
    with pytest.raises(shapecheck.ShapeError, match="axis `d_in` of `x` is 7, not 16"):
        module(torch.randn(2, 5, 7, device="cuda"))
