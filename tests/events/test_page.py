"""The pages of predict.py, in a real browser. Debian's `chromium` and `chromium-driver` have to be
there."""

import json
import shutil
import time
from pathlib import Path

import av
import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from helpers.videos import write_video
from utils.evaluation.scored_videos import Prediction
from utils.events.annotated import Segment
from utils.events.answer import About, Answer
from utils.events.files import write_answer
from utils.events.page import clock, write_index, write_page
from utils.find_events import Timeline, find_events
from utils.labels import UCF_CRIME
from utils.videos.proxy import write_proxy

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium and chromium-driver are not installed"
)
FPS, SNIPPETS = 16, 40  # a second is a snippet
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage",
)  # fmt: skip


def write_playable(path: Path, seconds: int = SNIPPETS) -> Path:
    """Seconds that every browser plays."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(FPS * seconds):
            picture = np.full((48, 64, 3), 40 + 4 * (i // FPS), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def make_answer(name: str, source: Path, peak: float = 0.9, fps: float = FPS) -> Answer:
    score = np.full(SNIPPETS, 0.1)
    score[10:15], score[30:32] = peak, peak - 0.1
    probabilities = np.full((SNIPPETS, 14), 0.02)
    probabilities[10:15, 6] = 0.5
    probabilities[30:32, 3] = 0.4
    prediction = Prediction(score, probabilities)
    timeline = Timeline(SNIPPETS, fps, None)
    events = find_events(prediction, UCF_CRIME, timeline, 0.5, 0)
    about = About("w.pth", "dsanet", 0.5)
    truth = [Segment(11.0, 14.0, "explosion")]
    return Answer(name, source, UCF_CRIME, prediction, timeline, events, about, truth)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """An answer with its video, one whose video is gone, one of features, and their list. Names are
    as awkward as names can be."""
    out = tmp_path_factory.mktemp("out")
    videos = tmp_path_factory.mktemp("my videos #1")
    awkward = "50% <b>&\"'#?"
    playable = write_playable(videos / f"{awkward}.webm")
    answers = [
        make_answer(awkward, playable),
        make_answer("gone", videos / "gone.mp4", peak=0.6),
        make_answer("walk", videos / "walk.npy", peak=0.4, fps=FPS / 2),
    ]
    for answer in answers:
        write_answer(answer, out / answer.name)
        write_page(answer, out / answer.name, out / "index.html")
    write_index(answers, ["video bad.mp4 <i>cannot</i> be read"], out / "index.html", whole=True)
    return out, awkward


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def load(browser, path: Path, width=1200, height=900):
    browser.get_log("browser")  # of the page before
    browser.set_window_size(width, height)
    browser.get(path.as_uri())


def time_of(browser) -> float:
    return browser.execute_script("return document.querySelector('video').currentTime")


def seeks_to(browser, seconds: float) -> bool:
    def arrived(_):
        playhead = browser.execute_script("return now")
        return abs(time_of(browser) - seconds) < 0.2 and abs(playhead - seconds) < 0.2

    return WebDriverWait(browser, 5).until(arrived)


def complaints(browser) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser")]


def has_pictures(browser) -> bool:
    script = "return document.querySelector('video').videoWidth"
    return WebDriverWait(browser, 5).until(lambda _: browser.execute_script(script) == 64)


@pytest.mark.slow
@needs_browser
def test_events_are_those_of_the_json(browser, pages):
    out, name = pages
    load(browser, out / f"{name}.html")
    events = json.loads((out / f"{name}.json").read_text())["events"]
    rows = browser.find_elements(By.CSS_SELECTOR, "tr[data-start]")
    told = [
        (float(r.get_attribute("data-start")), float(r.get_attribute("data-end")), r.text)
        for r in rows
    ]
    assert [(start, end) for start, end, _ in told] == [(e["start"], e["end"]) for e in events]
    assert len(events) == 2
    for (_, _, text), event in zip(told, events, strict=True):
        expected = (clock(event["start"]), clock(event["end"]), event["name"])
        numbers = f"{event['confidence']:.2f}", f"{event['share']:.2f}"
        assert text.split() == [*expected, *numbers]
    assert browser.title == f"{name}: 2 events"
    assert has_pictures(browser)
    assert not browser.find_element(By.ID, "trouble").is_displayed()
    assert complaints(browser) == []


@pytest.mark.slow
@needs_browser
def test_clicks_and_keys_seek(browser, pages):
    out, name = pages
    load(browser, out / f"{name}.html")
    has_pictures(browser)
    browser.find_elements(By.CSS_SELECTOR, "td button")[1].click()
    assert seeks_to(browser, 30)
    current = browser.find_elements(By.CSS_SELECTOR, "tr[aria-current]")
    assert [row.get_attribute("data-start") for row in current] == ["30.0"]

    plot = browser.find_element(By.CSS_SELECTOR, ".lanes .plot")
    left = round((10.5 / SNIPPETS - 0.5) * plot.size["width"])  # of the middle
    ActionChains(browser).move_to_element_with_offset(plot, left, 0).click().perform()
    assert seeks_to(browser, 10.5)
    assert "abnormality 0.90, share of explosion 0.68" in browser.find_element(
        By.TAG_NAME, "output"
    ).get_property("value")
    bar = browser.find_elements(By.CSS_SELECTOR, ".lane button")[1]
    ActionChains(browser).move_to_element(bar).click().perform()
    assert seeks_to(browser, 30)

    keys = [
        ("p", 10),
        (Keys.ARROW_RIGHT, 15),
        (".", 16),
        (",", 15),
        (Keys.ARROW_LEFT, 10),
        ("n", 30),
    ]
    for key, seconds in keys:
        ActionChains(browser).send_keys(key).perform()
        assert seeks_to(browser, seconds), key
    lanes = browser.find_element(By.CSS_SELECTOR, ".lanes")
    width = lanes.size["width"]
    ActionChains(browser).send_keys("+").perform()
    assert lanes.size["width"] == pytest.approx(2 * width, abs=2)
    assert complaints(browser) == []


@pytest.mark.slow
@needs_browser
def test_an_event_begins_where_it_is_said_to(browser, pages):
    """Frames of 1001/30000 s, so that no time is a round number."""
    out, _ = pages
    source = next(Path(out.parent).glob("my videos*/*.webm"))
    answer = make_answer("ntsc", source, fps=30000 / 1001)
    write_page(answer, out / "ntsc", None)
    load(browser, out / "ntsc.html")
    has_pictures(browser)
    for row, event in zip(
        browser.find_elements(By.CSS_SELECTOR, "tr[data-start]"), answer.events, strict=True
    ):
        row.find_element(By.TAG_NAME, "button").click()
        assert seeks_to(browser, event.start)
        WebDriverWait(browser, 5).until(lambda _, r=row: r.get_attribute("aria-current") == "true")
        told = browser.find_element(By.TAG_NAME, "output").get_property("value")
        assert f"abnormality {event.confidence:.2f}, share of {event.name}" in told
    paused = "return document.querySelector('video').paused"
    ActionChains(browser).send_keys(" ").perform()  # plays, although a button was clicked last
    WebDriverWait(browser, 5).until_not(lambda b: b.execute_script(paused))


@pytest.mark.slow
@needs_browser
def test_the_playhead_moves_with_the_video(browser, pages):
    out, name = pages
    load(browser, out / f"{name}.html")
    has_pictures(browser)
    browser.execute_script("document.querySelector('video').muted = true")
    ActionChains(browser).send_keys(" ").perform()
    WebDriverWait(browser, 10).until(lambda b: b.execute_script("return now") > 0.3)
    ActionChains(browser).send_keys(" ").perform()
    at = browser.execute_script("return document.querySelector('.playhead').style.left")
    assert float(at.removesuffix("%")) == pytest.approx(100 * time_of(browser) / SNIPPETS, abs=1)


@pytest.mark.slow
@needs_browser
def test_a_page_without_its_video_still_answers(browser, pages):
    out, _ = pages
    load(browser, out / "gone.html")
    trouble = browser.find_element(By.ID, "trouble")
    WebDriverWait(browser, 5).until(lambda _: "gone.mp4 is not where it was" in trouble.text)
    assert "cannot play" not in trouble.text
    other = out.parent / "short.webm"
    write_playable(other, seconds=3)
    browser.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(other))
    WebDriverWait(browser, 5).until(lambda _: "of another length" in trouble.text)
    (out.parent / "broken.webm").write_text("no video")
    chooser = browser.find_element(By.CSS_SELECTOR, "input[type=file]")
    chooser.send_keys(str(out.parent / "broken.webm"))
    WebDriverWait(browser, 5).until(lambda _: "cannot play this video" in trouble.text)
    assert "not where it was" not in trouble.text
    video = next(Path(out.parent).glob("my videos*/*.webm"))
    browser.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(video))
    assert has_pictures(browser)
    WebDriverWait(browser, 5).until(lambda _: not trouble.is_displayed())
    browser.find_element(By.CSS_SELECTOR, "td button").click()
    assert seeks_to(browser, 10)

    load(browser, out / "walk.html")
    assert "None: no abnormality reached" in browser.find_element(By.CLASS_NAME, "events").text
    plot = browser.find_element(By.CSS_SELECTOR, ".lanes .plot")
    ActionChains(browser).move_to_element(plot).click().perform()
    assert browser.execute_script("return now") == pytest.approx(SNIPPETS, abs=0.2)  # of 80 s
    assert complaints(browser) == []


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_reaches_over_the_edge(browser, pages, width):
    out, name = pages
    for page in (f"{name}.html", "walk.html", "index.html"):
        load(browser, out / page)
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        shown = browser.execute_script("return document.documentElement.scrollWidth")
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        assert shown <= width, page


@pytest.mark.slow
@needs_browser
def test_the_list_leads_to_every_page(browser, pages):
    out, name = pages
    load(browser, out / "index.html")
    links = browser.find_elements(By.CSS_SELECTOR, "td a")
    assert [link.text for link in links] == [name, "gone", "walk"]  # by their highest score
    assert "video bad.mp4 <i>cannot</i> be read" in browser.find_element(By.TAG_NAME, "ul").text
    assert "explosion 0:10\narson 0:30" in browser.find_element(By.TAG_NAME, "tbody").text
    links[0].click()
    WebDriverWait(browser, 5).until(lambda b: b.title == f"{name}: 2 events")
    browser.find_element(By.LINK_TEXT, "All videos").click()
    WebDriverWait(browser, 5).until(lambda b: b.title == "3 videos")
    assert complaints(browser) == []


@pytest.mark.slow
@needs_browser
def test_a_screen_reader_is_told(browser, pages):
    out, name = pages
    load(browser, out / f"{name}.html")
    browser.execute_cdp_cmd("Accessibility.enable", {})
    told: set = set()
    deadline = time.monotonic() + 20  # the tree grows after the page is there
    while ("slider", "time") not in told and time.monotonic() < deadline:
        tree = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        told = {
            (node["role"]["value"], node.get("name", {}).get("value", "").strip())
            for node in tree
            if not node["ignored"]
        }
    assert ("heading", "Events") in told
    assert ("button", "go to 0:10.0, explosion") in told
    assert ("button", "go to 0:11.0, annotated explosion") in told
    images = [text for role, text in told if role == "image"]
    assert any(text.startswith("The abnormality over 0:40.0") for text in images)
    assert any("share among the anomaly classes" in text for text in images)
    assert ("slider", "time") in told
    unnamed = [role for role, text in told if role in ("button", "link", "slider") and not text]
    assert not unnamed


LOWEST = """
const parts = [...document.querySelectorAll("video, .plot, .lane, .bands")];
return Math.max(...parts.map((part) => part.getBoundingClientRect().bottom));
"""
TOPS = """
const top = (part) => document.querySelector(part).getBoundingClientRect().top;
return ["video", ".lanes", ".events table"].map(top);
"""


def emulate(browser, width: int, height: int) -> None:
    """The size of the page itself, whatever the window adds to it."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("width, height", [(1280, 720), (1280, 900), (390, 844)])
def test_video_curve_and_lanes_share_a_screen(browser, pages, width, height):
    out, name = pages
    load(browser, out / f"{name}.html")
    has_pictures(browser)
    emulate(browser, width, height)
    lowest, (video, curve, table) = browser.execute_script(LOWEST), browser.execute_script(TOPS)
    size = browser.execute_script("return document.querySelector('video').clientHeight")
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert lowest <= height
    assert size >= 150
    assert video < curve
    assert (table > curve) == (width < 600)  # on a phone below, else beside the video


@pytest.mark.slow
@needs_browser
def test_the_list_is_filtered_and_sorted(browser, pages):
    out, name = pages
    load(browser, out / "index.html")

    def shown():
        links = browser.find_elements(By.CSS_SELECTOR, "td a")
        return [link.text for link in links if link.is_displayed()]

    field, event, order = (browser.find_element(By.ID, part) for part in ("name", "class", "sort"))
    field.send_keys("WA")
    assert shown() == ["walk"]
    assert browser.find_element(By.CSS_SELECTOR, "output").text == "1 of 3 videos"
    field.send_keys(Keys.BACKSPACE, Keys.BACKSPACE)
    Select(event).select_by_visible_text("explosion")
    assert shown() == [name, "gone"]
    Select(event).select_by_value("")
    Select(order).select_by_value("length")
    assert shown()[0] == "walk"
    Select(order).select_by_value("name")
    assert shown() == [name, "gone", "walk"]
    assert complaints(browser) == []


@pytest.mark.slow
@needs_browser
def test_no_word_is_broken_on_a_phone(browser, pages):
    out, _ = pages
    write_index([make_answer("earthquake_of_tuesday", Path("v.npy"))], [], out / "words.html", True)
    load(browser, out / "words.html")
    emulate(browser, 390, 844)
    lines = browser.execute_script(
        "const range = document.createRange();"
        "range.selectNodeContents(document.querySelector('td a span'));"
        "return range.getClientRects().length"
    )
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert lines == 1


@pytest.mark.slow
@needs_browser
def test_a_browser_plays_the_copy_of_a_video(browser, tmp_path):
    video = write_video(tmp_path / "old.avi", 50)
    answer = make_answer("old", video)
    answer.proxy = tmp_path / "old.proxy.mp4"
    write_proxy(video, answer.proxy, answer.timeline.times)
    write_page(answer, tmp_path / "old", None)
    load(browser, tmp_path / "old.html")
    assert has_pictures(browser)
    length = browser.execute_script("return document.querySelector('video').duration")
    assert length == pytest.approx(2, abs=0.05)
