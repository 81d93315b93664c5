"""The demo: what it shows, its sentences on files that are no good, and its page in a browser."""

import importlib.util
import pathlib
import re
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from amr_tf.modalities import ImageConfig, TextConfig
from tests.test_tools import WITHOUT
from tests.tfrecords import files
from tests.trainers import forks
from tests.trainers.conftest import command
from tfrecords.building.settings import Settings, Window
from trainers.reporting import demo_result
from trainers.running import demo_files, media_files
from trainers.running.demo_files import Refused
from trainers.running.explainer import Explainer

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(scope="module")
def model(finished_run):
    return Explainer.of_run(finished_run[0])


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return str(files.clip(tmp_path_factory.mktemp("clips") / "good.mp4"))


def cards(html):
    """The cards: each one's text, and its labels with their percent."""
    found = []
    for card in re.findall(r'<section class="amr-card">(.*?)</section>', html, re.DOTALL):
        bars = re.findall(r"<b>(.*?)</b><span>([\d.]+) %</span>", card)
        found.append((card, {label: float(percent) for label, percent in bars}))
    return found


def shown(model, given, *without):
    return cards(demo_result.result({"run": model}, given, without))


def probabilities(model, path, leave_out=()):
    """Label -> percent, by the encoders and the head alone; zeros for what is left out."""
    inputs = model.predictor.inputs
    found = files.decode(path, settings=inputs.settings)
    stored = {
        "audio": {"samples": tf.constant(found.waveform)},
        "video": {
            "frames": tf.constant(found.frames),
            "size": tf.io.extract_jpeg_shape(found.frames[0])[:2],
        },
    }
    raw = {name: m.cut(stored[name])[None] for name, m in inputs.modalities.items()}
    encodings = model.model.encode(model.model.features(raw))
    kept = [
        tf.zeros_like(e) if name in leave_out else e
        for name, e in zip(inputs.modalities, encodings, strict=True)
    ]
    numbers = tf.nn.softmax(model.model.head(kept)[0]).numpy()
    return dict(zip(model.predictor.classes, 100 * numbers, strict=True))


def test_what_is_shown_is_what_the_model_says(model, clip):
    everything, silent = shown(model, {"audio": clip, "video": clip}, "audio")
    for (text, bars), leave_out in ((everything, ()), (silent, ("audio",))):
        expected = probabilities(model, clip, leave_out)
        assert list(bars) == sorted(expected, key=expected.get, reverse=True)[:5]
        np.testing.assert_allclose(
            list(bars.values()), [expected[name] for name in bars], atol=0.051
        )
        assert "Picture and attributions" in text
    assert "With sound and picture" in everything[0]
    assert everything[0].count("data:image/png;base64,") == 2
    told = re.findall(r"(sound|picture) (\d+) %", everything[0])
    assert [name for name, _ in told] == ["sound", "picture"]
    assert sum(int(share) for _, share in told) == pytest.approx(100, abs=1)
    assert "Without sound" in silent[0]
    assert "Sound and attributions" not in silent[0]


def test_two_models_stand_side_by_side(model, clip):
    html = demo_result.result({"one": model, "<two>": model}, {"audio": clip}, ("audio",))
    assert html.index("<h3>one</h3>") < html.index("<h3>&lt;two&gt;</h3>")
    (_, first), (_, second), (left, _), _ = cards(html)
    assert first == second
    assert "This model has nothing to go by: it takes sound and picture." in left


def test_a_long_file_is_shown_over_time(model, tmp_path):
    path = str(files.clip(tmp_path / "long.mp4", seconds=5))
    ((text, _),) = shown(model, {"audio": path, "video": path})
    assert "Over time" in text
    assert "The answer is the mean of 3 windows" in text


def test_a_film_without_sound_is_answered_and_that_is_said(model, tmp_path):
    path = str(files.write(tmp_path / "a&b.mp4", files.gray_frames(8)))
    ((text, _),) = shown(model, {"audio": path, "video": path})
    assert "With picture" in text
    assert "a&amp;b.mp4 gave no sound: the model answers without it." in text
    ((text, _),) = shown(model, {"video": path})
    assert "No sound was given: the model answers without it." in text


def test_files_that_are_no_good_get_one_sentence(model, clip, tmp_path):
    good = pathlib.Path(clip).read_bytes()
    for name, content, expected in (
        ("notes.mp4", b"not a film", "cannot be read as sound or picture: it is damaged or of "
         "another type."),
        ("empty.mp4", b"", "is empty or ends too early: was it cut off on its way?"),
        ("cut.mp4", good[: len(good) // 3], "is empty or ends too early: was it cut off on its "
         "way?"),
    ):  # fmt: skip
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(Refused, match=re.escape(f"{name} {expected}")):
            shown(model, {"audio": str(path), "video": str(path)})
    picture = str(files.write(tmp_path / "mute.mp4", files.gray_frames(8)))
    with pytest.raises(Refused, match=r"mute\.mp4 holds no sound\."):
        shown(model, {"audio": picture})


def test_what_is_too_large_or_too_long_is_refused(model, clip, tmp_path, monkeypatch):
    inputs = model.predictor.inputs.modalities
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(201 * 2**20)  # takes no place on the disk
    with pytest.raises(Refused, match=r"large\.mp4 has 201 MB: give files of at most 200 MB\."):
        demo_files.given(str(large), {}, inputs, tmp_path)
    assert "up to 200 MB" in demo_files.limits()
    monkeypatch.setattr(demo_files, "MAX_MINUTES", 0.01)
    with pytest.raises(Refused, match=r"minutes long: give at most 0\.01 minutes\."):
        demo_files.check_length({"audio": clip}, inputs)


def test_nothing_given_and_files_that_are_gone(model, tmp_path):
    inputs = model.predictor.inputs.modalities
    with pytest.raises(Refused, match="Nothing was given yet: the model takes sound and picture"):
        demo_files.given(None, {"audio": None, "video": ""}, inputs, tmp_path)
    with pytest.raises(Refused, match=r"gone\.mp4 is no longer there: give it again\."):
        demo_files.given(f"{tmp_path}/gone.mp4", {}, inputs, tmp_path)


def test_a_text_is_never_a_path(tmp_path):
    """Nor is a clip given for what has no length in time."""
    inputs = {"image": ImageConfig(size=8), "text": TextConfig(("cat",))}
    assert demo_files.taken({**inputs, "notes": inputs["text"]}) == "image, text and notes"
    secret = tmp_path / "secret.txt"
    secret.write_text("cat")
    written = tmp_path / "written"
    written.mkdir()
    found = demo_files.given("clip.mp4", {"text": str(secret)}, inputs, written)
    assert list(found) == ["text"]
    assert pathlib.Path(found["text"]).read_text() == str(secret)
    (sent,) = media_files.read([(found, Window())], inputs, Settings())
    assert sent == {"image": None, "text": str(secret).encode()}


def test_a_file_of_its_own_counts_before_the_clip(model, clip, tmp_path):
    own = files.write(tmp_path / "own.wav", sound=files.tone(300, 1))
    found = demo_files.given(clip, {"audio": str(own)}, model.predictor.inputs.modalities, tmp_path)
    assert found == {"audio": str(own), "video": clip}


def test_errors_of_the_command_are_one_line(finished_run):
    run = f"--model_dir={finished_run[0]}"
    if importlib.util.find_spec("gradio"):
        done = command("demo", run, f"--against={finished_run[0]}", check=False)
        assert done.stderr.endswith("is the run of --model_dir: name another one\n")
    code = WITHOUT.format(names=("gradio",), module="trainers.demo").replace(
        ', "--help"]', f", {run!r}]"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=forks.environment(), capture_output=True, text=True, cwd=forks.ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "error: the demo needs gradio: run `pip install '.[demo]'` where the project lies\n"
    )


@pytest.fixture
def browser():
    """Chromium without a window; what it asks of the network is noted."""
    pytest.importorskip("gradio", reason="gradio is not installed: pip install '.[test]'")
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="selenium is not installed: pip install '.[test]'"
    )
    paths = (
        shutil.which("chromium") or shutil.which("chromium-browser"),
        shutil.which("chromedriver"),
    )
    if not all(paths):
        pytest.skip("there is no chromium or no chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(paths[1]))
    yield driver
    driver.quit()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pandas, in Gradio
def test_the_page_in_a_browser(model, clip, browser, tmp_path, monkeypatch):
    """A clip is given, answered, and answered again without its sound; nothing is fetched."""
    from selenium.webdriver.support.ui import WebDriverWait

    from trainers.reporting import demo_page

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    page = demo_page.build({"run": model}, tmp_path)
    assert page.analytics_enabled is False
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    demo_page.launch(page, "127.0.0.1", port)
    try:
        wait = WebDriverWait(browser, 120)
        browser.get(f"http://127.0.0.1:{port}/")

        def text_of(css, containing):
            wait.until(
                lambda driver: any(
                    containing in one.text for one in driver.find_elements("css selector", css)
                )
            )
            return browser.find_element("css selector", css).text

        text_of("#result", "Nothing was given yet")
        browser.find_element("css selector", "#clip input[type=file]").send_keys(clip)
        answer = text_of("#result .amr-card", "With sound and picture")
        assert "The model says" in answer
        browser.find_element("css selector", "#without input").click()
        text_of("#result", "Without sound")
        fetched = browser.execute_script(
            "return performance.getEntriesByType('resource').map(one => one.name)"
        )
        assert fetched
        here = (f"http://127.0.0.1:{port}/", "data:", "blob:")
        assert not [address for address in fetched if not address.startswith(here)]
    finally:
        page.close(verbose=False)
