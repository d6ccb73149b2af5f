"""The page in headless Chromium: what a new user does by clicks and keys, on a real daemon."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from daemon_process import DaemonProcess, no_traceback

from sds_bridge.daemon.store import Status, Store
from sds_bridge.patch import Patch

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium; `make engines` installs it on Debian"),
]

SHOTS = Path(os.environ.get("SDS_SCREENSHOTS", "/nonexistent"))
LOOKS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with DaemonProcess(tmp_path_factory.mktemp("page") / "bridge", "--http-port", "0") as running:
        yield running
        no_traceback(running)


@pytest.fixture(scope="module")
def browser():
    playwright.expect.set_options(timeout=30_000)
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        yield launched
        launched.close()


@pytest.fixture
def page(browser, daemon):
    """A page whose every error counts, and which may ask nobody but the daemon."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(60_000)
    wrong = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on(
        "console", lambda said: wrong.append(said.text) if said.type == "error" and "422" not in said.text else None
    )
    opened.on(
        "request",
        lambda asked: None if asked.url.startswith((daemon.http, "blob:", "data:")) else wrong.append(asked.url),
    )
    opened.goto(daemon.http)
    playwright.expect(opened.get_by_text("daemon connected")).to_be_visible()
    yield opened
    opened.close()
    assert wrong == []


def shoot(page, name):
    if SHOTS.is_dir():
        for width, scheme in LOOKS:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(400)
            page.screenshot(path=SHOTS / f"{name}-{width}-{scheme}.png", full_page=True)
        page.set_viewport_size({"width": 1280, "height": 900})
        page.emulate_media(color_scheme="light")


def no_serious_fault(page):
    """axe-core, in both schemes and widths."""
    for width, scheme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(300)  # colours fade over
        found = axe.Axe().run(page).response["violations"]
        serious = [
            (one["id"], [node["html"][:160] for node in one["nodes"]][:3])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], (width, scheme)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"scrolls sideways at {width}"
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")


def start_tune(page, prompt, steps, synth="FM"):
    page.get_by_label("What should it sound like?").fill(prompt)
    page.get_by_label("Synth").select_option(label=synth)
    page.get_by_role("form", name="New tune").get_by_label("Steps").fill(str(steps))
    page.get_by_role("form", name="New tune").get_by_text("More").click()
    page.get_by_role("form", name="New tune").get_by_label("Batch").fill("1")
    page.get_by_role("form", name="New tune").get_by_label("Starts tried").fill("0")
    page.get_by_role("button", name="Tune", exact=True).click()
    page.wait_for_url(re.compile(r"#/job/\d+$"))
    return int(page.url.rsplit("/", 1)[1])


def done(page):
    playwright.expect(page.locator("#job .head .status")).to_have_text("done", timeout=240_000)


def job(daemon, number):
    return Store(daemon.folder / "jobs.sqlite").get(number)


def test_a_new_user_tunes_scrubs_locks_refines_and_exports(page, daemon):
    shoot(page, "empty")
    no_serious_fault(page)
    page.get_by_label("What should it sound like?").fill("kick drum zorble")
    playwright.expect(page.locator("#tune-words")).to_contain_text(
        "zorble isn't known to the starter; the rest is used"
    )
    first = start_tune(page, "kick drum", 5)
    done(page)
    assert job(daemon, first).request["steps"] == 5

    kept = page.request.get(f"{daemon.http}/api/jobs/{first}/patch").json()["kept"]
    step = 2 if kept != 2 else 3  # any but the one that is the result
    page.wait_for_selector("#wave-b canvas, #wave-b div", state="attached")
    with page.expect_response(re.compile(rf"preview\.wav\?step={step}$")) as heard:
        slider = page.get_by_role("slider", name="Step along the way")
        slider.focus()
        page.keyboard.press("Home")
        for _ in range(step):
            page.keyboard.press("ArrowRight")
    assert heard.value.ok and int(heard.value.headers["content-length"]) > 100_000
    playwright.expect(page.get_by_role("button", name="Pause B")).to_be_visible()
    playwright.expect(page.locator("#job")).to_contain_text(f"{step} of 5")
    page.keyboard.press("a")
    playwright.expect(page.get_by_role("button", name="Pause A")).to_be_visible()
    shoot(page, "scrubbed")
    page.get_by_role("button", name=re.compile("Pause|Play")).click()

    page.get_by_label("Format").select_option("dx7")
    page.get_by_role("button", name=f"Export step {step}").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile(r"Download .*\.syx")).click()
    assert Path(download.value.path()).read_bytes()[:2] == b"\xf0\x43"

    page.locator("summary", has_text="Operator 1").click()
    page.get_by_label("Lock all of Operator 1").check()
    page.locator("summary", has_text="Pitch").click()
    page.get_by_label("pitch.sweep").check()
    shoot(page, "locked")
    no_serious_fault(page)
    refine = page.get_by_role("form", name="Refine")
    refine.get_by_label("Next prompt").fill("bright snare drum")
    refine.get_by_label("Steps").fill("3")
    refine.get_by_label("Steps").press("Enter")
    playwright.expect(page.locator("#job h1")).to_have_text("bright snare drum")
    second = int(page.url.rsplit("/", 1)[1])
    done(page)
    request = job(daemon, second).request
    assert {"op1.ratio", "op1.level", "pitch.sweep"} <= set(request["lock"]) and request[
        "prompt"
    ] == "bright snare drum"
    was = Patch.load(request["start"])
    now = Patch.load(daemon.folder / "jobs" / str(second) / "patch.json")
    assert was.provenance["step"] == step
    assert now.parameters["pitch.sweep"] == pytest.approx(was.parameters["pitch.sweep"], rel=1e-5)
    assert now.parameters["op2.ratio"] != was.parameters["op2.ratio"]


def test_another_job_is_cancelled_from_the_queue(page, daemon):
    number = start_tune(page, "endless pad", 100_000)
    playwright.expect(page.locator("#job")).to_contain_text(re.compile(r"step \d+ of 100000"), timeout=120_000)
    shoot(page, "running")
    no_serious_fault(page)
    page.goto(daemon.http + "/#/")
    page.get_by_role("button", name=f"Cancel job {number}, endless pad").press("Enter")
    playwright.expect(page.locator(".queue li", has_text=f"job {number}").locator(".status")).to_have_text("cancelled")
    assert job(daemon, number).status is Status.CANCELLED


def test_a_broken_file_is_refused_and_a_clip_is_separated(page, daemon, tmp_path):
    page.get_by_label("Clip to stems").check()
    broken, clip = tmp_path / "broken.wav", tmp_path / "mix.wav"
    broken.write_bytes(b"RIFF....WAVE no sound at all")
    time = np.arange(48_000) / 24_000
    sound = 0.4 * np.sin(2 * np.pi * 220 * time) + 0.1 * np.random.default_rng(0).standard_normal(48_000)
    soundfile.write(clip, sound, 24_000)
    drop(page, broken)
    playwright.expect(page.get_by_role("alert").first).to_contain_text("broken.wav: not a readable audio file")
    shoot(page, "broken")
    no_serious_fault(page)
    drop(page, clip)
    playwright.expect(page.locator(".drop")).to_contain_text("mix.wav 2.0 s")
    page.get_by_label("What is in it?").fill("saxophone\ntraffic")
    playwright.expect(page.locator("#separate-words")).to_contain_text("All words are known")
    form = page.get_by_role("form", name="New separation")
    form.get_by_text("More").click()
    form.get_by_label("Steps").fill("2")
    form.get_by_role("button", name="Separate").click()
    done(page)
    page.get_by_label("B plays").select_option(label="what is left over")
    playwright.expect(page.get_by_role("button", name="Pause B")).to_be_visible()
    page.get_by_role("button", name="Switch to A").click()
    playwright.expect(page.get_by_role("button", name="Pause A")).to_be_visible()
    shoot(page, "separated")
    no_serious_fault(page)


def drop(page, file):
    """As a person does: a file let go over the field."""
    transfer = page.evaluate_handle(
        "([name, bytes]) => { const t = new DataTransfer(); t.items.add(new File([new Uint8Array(bytes)], name)); return t; }",
        [file.name, list(file.read_bytes())],
    )
    page.dispatch_event(".drop", "drop", {"dataTransfer": transfer})
